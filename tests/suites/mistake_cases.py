"""Errors in the small suite of conftest.py, one per line: old text, new text, and the expected sentences.

A sentence that ends in "Known: " is followed by all keys of its table.
"""

# ruff: noqa: E501
# fmt: off

PROBE = 'id = "shop"\nversion = 1\nperspective = "shift"'

MISTAKES: list[tuple[str, str, tuple[str, ...]]] = [
    # names of keys
    ("batch_size = 8", "batchsize = 8\nbatch_size = 8", ("recipe.batchsize: is an unknown key; remove it. Did you mean 'batch_size'? Known: ",)),
    ("limit = 20", "limt = 20", ("tasks[shop].data.limt: is an unknown key; remove it. Did you mean 'limit'? Known: ",)),
    ("candidates = 8", "candidate = 8", ("attacks[fooler].parameters.candidate: is an unknown key; remove it. Did you mean 'candidates'? Known: ",)),
    ('path = "train.csv"', 'path = "train.csv"\nwheer = {}', ("training.data.wheer: is an unknown key; remove it. Did you mean 'where'? Known: ",)),
    ("[recipe]", "[hyperparameters.roast]\nalpha = 0.5\n\n[recipe]", ("hyperparameters: is an unknown key; remove it. Known: ",)),
    # missing keys
    ('backbone = "tiny"', "", ("backbone: is missing; add a text.",)),
    ("epochs = 1", "", ("recipe.epochs: is missing; add a whole number from 1 to 1000.",)),
    ("rows = 45", "", ("tasks[reviews].rows: is missing; add a whole number of at least 1.",)),
    ('id = "shop"', "", ("tasks[#2].id: is missing; add an id of lower-case letters, digits and single hyphens, such as 'rotten-tomatoes'.",)),
    # types
    ("epochs = 1", 'epochs = "1"', ("recipe.epochs: is the text '1'; write a whole number from 1 to 1000.",)),
    ("epochs = 1", "epochs = 1.0", ("recipe.epochs: is the number 1.0; write a whole number from 1 to 1000.",)),
    ("epochs = 1", "epochs = true", ("recipe.epochs: is true; write a whole number from 1 to 1000.",)),
    ("ranked = false", "ranked = 0", ("ranked: is the number 0; write true or false.",)),
    ('text = ["text"]\ngroup', 'text = "text"\ngroup', ("training.data.text: is the text 'text'; write a list of 1 to 2 items.",)),
    ('title = "Small"', "title = 3", ("title: is the number 3; write a text.",)),
    ("[recipe]", "[[recipe]]", ("recipe: is a list; write a table with epochs, batch_size, learning_rate, accumulation, betas, epsilon, weight_decay, warmup, clip, precision, batching.",)),
    ("betas = [0.9, 0.98]", "betas = [0.9]", ("recipe.betas[#2]: is missing; add a number of at least 0 and below 1.",)),
    ('where = { stars = ["3"] }', "where = { stars = 3 }", ("tasks[foreign].data.where.stars: is the number 3; write a list.",)),
    # ranges and shapes
    ("version = 2", "version = 0", ("version: is the number 0; write a whole number of at least 1.",)),
    ("learning_rate = 1e-3", "learning_rate = inf", ("recipe.learning_rate: is inf, which is not a value; write a number above 0 and at most 1.",)),
    ("betas = [0.9, 0.98]", "betas = [0.9, 1]", ("recipe.betas[#2]: is the number 1; write a number of at least 0 and below 1.",)),
    ('title = "Small"', 'title = " "', ("title: is empty; write a text.",)),
    ('classes = ["negative", "positive"]', 'classes = ["negative"]', ("training.classes: holds 1 item; write a list of 2 items or more.", "training.data.label.map.fresh: class number 1, but training.classes has 1 entries.", "tasks[shop].data.label.thresholds.high: 'positive' is not a class of the training task. Did you mean 'negative'? Known: negative.",)),
    ('id = "shop"', 'id = "Shop!"', ("tasks[Shop!].id: is the text 'Shop!'; write an id of lower-case letters, digits and single hyphens, such as 'rotten-tomatoes'.",)),
    ('"AI-Secure/adv_glue"', '"../adv_glue"', ("tasks[glue].data.repository: is the text '../adv_glue'; write 'owner/name'.",)),
    ("validation = 0.2", "validation = 0", ("training.split.validation: is the number 0; write a number above 0 and at most 0.5.",)),
    ("validation = 0.2", "validation = 0.2\ntest_limit = -1", ("training.split.test_limit: is the number -1; write a whole number of at least 1.",)),
    ("candidates = 8", "candidates = 0", ("attacks[fooler].parameters.candidates: is the number 0; write a whole number of at least 1.",)),
    ("min_cosine = 0.5", 'min_cosine = "high"', ("attacks[fooler].parameters.min_cosine: is the text 'high'; write a number from -1 to 1.",)),
    ("learning_rate = 1e-3", "learning_rate = 1.5", ("recipe.learning_rate: is the number 1.5; write a number above 0 and at most 1.",)),
    ("epochs = 1", "epochs = 1\nclip = 0", ("recipe.clip: is the number 0; write a number above 0.",)),
    ("rows = 20\n", "rows = 20\nweight = 0\n", ("tasks[shop].weight: is the number 0; write a number above 0.",)),
    ('recipe = "textfooler"', 'recipe = "textfooler"\nweight = -0.5', ("attacks[fooler].weight: is the number -0.5; write a number above 0.",)),
    ('perspective = "adversarial"', 'perspective = "masking"\nweight = 2', ("tasks[glue].weight: a masking check enters no mean; remove it.",)),
    ("at_most = 2", "at_most = nan", ("tasks[shop].data.label.thresholds.at_most: is nan, which is not a value; write a finite number.",)),
    # choices
    ('perspective = "shift"', 'perspective = "shfit"', ("tasks[shop].perspective: is the text 'shfit'. Did you mean 'shift'? Known: adversarial, anomaly, in-distribution, masking, retention, shift.",)),
    ('recipe = "textfooler"', 'recipe = "textfooled"', ("attacks[fooler].recipe: is the text 'textfooled'. Did you mean 'textfooler'? Known: bert_attack, deepwordbug, genetic, imperceptible, keyboard_typos, pwws, random_swap, textbugger, textfooler, transfer.",)),
    ('source = "hub"', 'source = "hugh"', ("tasks[glue].data.source: is the text 'hugh'. Did you mean 'hub'? Known: artifact, file, hub, mirror.",)),
    # data
    ('path = "train.csv"\n', "", ("training.data.path: missing; source = 'file' needs it.",)),
    ('path = "train.csv"', 'path = "train.csv"\nresource = "vader"', ("training.data.resource: has no effect with source = 'file'; remove it.",)),
    ('split = "validation"\nrows = 148\n', 'split = "validation"\n', ("tasks[glue].data.rows: missing; source = 'hub' needs it.",)),
    ('format = "csv"\ntext = ["text"]\ngroup', 'format = "csv"\ncolumns = ["text", "verdikt", "film"]\ntext = ["text"]\ngroup', ("training.data.columns: there is no column 'verdict'. Did you mean 'verdikt'? Known: film, text, verdikt.",)),
    ('format = "csv"\ntext = ["text"]\nwhere', 'format = "jsonl"\ncolumns = ["a"]\ntext = ["text"]\nwhere', ("tasks[foreign].data.columns: only csv and tsv files without a header line need them; remove it.",)),
    ('text = ["text"]\nwhere', 'text = ["text", "text"]\nwhere', ("tasks[foreign].data.text: column 'text' is named twice; name the two columns of the pair.",)),
    ('where = { stars = ["3"] }', "where = { stars = [] }", ("tasks[foreign].data.where.stars: allows no value, so no row would be left; list the allowed values.",)),
    ("limit = 20", "limit = 20\nrows = 10", ("tasks[shop].data.limit: 20 is more than the 10 declared in `rows`; lower it or remove it.",)),
    # labels
    ('rotten = "negative"', 'rotten = "negativ"', ("training.data.label.map.rotten: 'negativ' is not a class of the training task. Did you mean 'negative'? Known: negative, positive.",)),
    ("fresh = 1", "fresh = 2", ("training.data.label.map.fresh: class number 2, but training.classes has 2 entries.",)),
    ('column = "stars", ', 'column = "stars", map = { a = 1 }, ', ("tasks[shop].data.label.thresholds: cannot be used with `map`; keep one of the two.",)),
    ("at_most = 2", "at_most = 4", ("tasks[shop].data.label.thresholds.at_most: 4 is not below at_least = 4; lower it.",)),
    ('high = "positive"', 'high = "negative"', ("tasks[shop].data.label.thresholds.high: is the same class as `low`; name the other class.",)),
    ('label = { column = "label" }', "", ("tasks[glue].data.label: missing; an evaluation task of perspective 'adversarial' needs labels.",)),
    ('where = { stars = ["3"] }', 'label = { column = "stars" }', ("tasks[foreign].data.label: an anomaly task has no labels; remove it.",)),
    ('label = { column = "verdict", map = { rotten = "negative", fresh = 1 } }', "", ("training.data.label: missing; training needs labels.",)),
    ('["negative", "positive"]', '["negative", "negative", "positive"]', ("training.classes: 'negative' is a duplicate; give every class its own name.",)),
    # split
    ('group = "film"\n', "", ("training.data.group: missing; split by 'group' needs the column that holds the group.",)),
    ("train_rows = 40", "train_rows = 41", ("training.split.train_rows: 41 is more than train_limit = 40; correct one of the two.",)),
    ("validation = 0.2", "validation = 0.2\ntest_data = { source = 'file', path = 'a', format = 'csv', text = ['text'], label = { column = 'l' } }", ("training.split.test: must be 0 where `test_data` names the test part; remove one of the two.",)),
    ("test = 0.25", "test = 0.9", ("training.split.test: with validation = 0.2 leaves less than 5 % for training; lower it.",)),
    ("test = 0.25\n", "test_rows = 3\n", ("training.split.test_rows: there is no test part; give `test` or `test_data`.", "tasks[reviews].data: missing; the training task has no test part to take (see training.split.test).",)),
    ("ranked = false", "ranked = true", ("training.split.validation_rows: missing; a ranked suite declares how many examples a part holds.",)),
    # tasks
    ('id = "shop"', 'id = "reviews"', ("tasks[reviews].id: 'reviews' names more than one task or attack; rename all but one.",)),
    ('id = "fooler"', 'id = "shop"', ("tasks[shop].id: 'shop' names more than one task or attack; rename all but one.",)),
    ("rows = 20\n", "rows = 21\n", ("tasks[shop].rows: 21 is more than data.limit = 20; correct one of the two.",)),
    ("test = 0.25\n", "", ("tasks[reviews].data: missing; the training task has no test part to take (see training.split.test).",)),
    ('perspective = "in-distribution"', 'perspective = "shift"', ("tasks[reviews].data: missing; only an in-distribution task may take the test part of the training task.", "tasks[foreign]: an anomaly task is compared with an in-distribution task, and there is none; add one.",)),
    ('text = ["sentence"]', 'text = ["sentence", "other"]', ("tasks[glue].data.text: names 2 columns, the training task 1; name as many.",)),
    (PROBE, f"{PROBE}\nmerge = [0, 1, 1]", ("tasks[shop].merge: has 3 entries for the 2 classes of the task; give one for each.",)),
    (PROBE, f"{PROBE}\nmerge = [0, 2]", ("tasks[shop].merge: must number at least two scored classes from 0 without gaps, such as [0, 1, 1].",)),
    ('metrics = ["auroc", "fpr95"]', "merge = [0, 1]", ("tasks[foreign].merge: an anomaly task has no classes to merge; remove it.",)),
    ('id = "shop"', 'id = "validation"', ("tasks[validation].id: 'validation' is the name of the validation part; choose another.",)),
    ("rows = 20\n", "rows = 20\nmax_overlap = 1.5\n", ("tasks[shop].max_overlap: is the number 1.5; write a number from 0 to 1.",)),
    ("rows = 20\n", "rows = 20\nmax_overlp = 0\n", ("tasks[shop].max_overlp: is an unknown key; remove it. Did you mean 'max_overlap'? Known: ",)),
    # metrics
    ('"fpr95"', '"fpr59"', ("tasks[foreign].metrics: unknown metric 'fpr59'. Did you mean 'fpr95'? Known: aupr, auroc, auroc_energy, auroc_entropy, auroc_knn, auroc_mahalanobis, auroc_max_logit, fpr95.",)),
    ('"fpr95"', '"accuracy"', ("tasks[foreign].metrics: 'accuracy' does not fit perspective 'anomaly'; use auroc, aupr, fpr95, auroc_entropy, auroc_energy, auroc_max_logit, auroc_mahalanobis, auroc_knn.",)),
    ('"fpr95"', '"auroc"', ("tasks[foreign].metrics: duplicate metric 'auroc'; remove one.",)),
    # attacks
    ('on = "reviews"', 'on = "review"', ("attacks[fooler].on: there is no task 'review'. Did you mean 'reviews'? Known: foreign, glue, reviews, shop.",)),
    ('on = "reviews"\nsubset = 12', 'on = "foreign"\nsubset = 2', ("attacks[fooler].on: task 'foreign' has no labels; attack a labelled one.",)),
    ("candidates = 8", 'candidates = 8\nshort_texts = "compare"', ('attacks[fooler].parameters.short_texts: TextAttack lets short texts pass. Remove the key, or use backend = "engine".',)),
    ("subset = 12", "subset = 46", ("attacks[fooler].subset: 46 is more than the 45 rows of 'reviews'; lower it.",)),
    ("rows = 45", "rows = 45\nmerge = [1, 0]", ("attacks[fooler].on: task 'reviews' merges classes, which a search cannot; attack one that does not.",)),
]
