"""Mistakes in the small suite of conftest.py, one a line: what is replaced, by what, and the sentences that must follow.

A sentence that ends in "Known: " is followed by all keys of its table.
"""

# ruff: noqa: E501
# fmt: off

PROBE = 'id = "shop"\nversion = 1\nperspective = "shift"'

MISTAKES: list[tuple[str, str, tuple[str, ...]]] = [
    # names of keys
    ("batch_size = 8", "batchsize = 8\nbatch_size = 8", ("recipe.batchsize: unknown key. Did you mean 'batch_size'? Known: ",)),
    ("limit = 20", "limt = 20", ("probes[shop].data.limt: unknown key. Did you mean 'limit'? Known: ",)),
    ("candidates = 8", "candidate = 8", ("attacks[fooler].parameters.candidate: unknown key. Did you mean 'candidates'? Known: ",)),
    ('path = "train.csv"', 'path = "train.csv"\nwheer = {}', ("training.data.wheer: unknown key. Did you mean 'where'? Known: ",)),
    # missing keys
    ('backbone = "tiny"', "", ('backbone: missing; add `backbone = "…"`.',)),
    ("epochs = 1", "", ("recipe.epochs: missing; add `epochs = 1`.",)),
    ("rows = 45", "", ("probes[reviews].rows: missing; add `rows = 1`.",)),
    ('id = "shop"', "", ('probes[#2].id: missing; add `id = "…"`.',)),
    # types
    ("epochs = 1", 'epochs = "1"', ("recipe.epochs: the text '1' where an integer is needed; write 1.",)),
    ("epochs = 1", "epochs = 1.0", ("recipe.epochs: 1.0 where an integer is needed; write 1.",)),
    ("epochs = 1", "epochs = true", ("recipe.epochs: true where an integer is needed; write 1.",)),
    ("ranked = false", "ranked = 0", ("ranked: 0 where true or false is needed; write true.",)),
    ('text = ["text"]\ngroup', 'text = "text"\ngroup', ("training.data.text: the text 'text' where a list is needed; put it in square brackets.",)),
    ('title = "Small"', "title = 3", ('title: 3 where a text is needed; write "…".',)),
    ("[recipe]", "[[recipe]]", ("recipe: a list of 1 where a table is needed; write its keys below [recipe].",)),
    ("betas = [0.9, 0.98]", "betas = [0.9]", ("recipe.betas: a list of 1 where 2 entries are needed.",)),
    ("alpha = 0.5", "alpha = [0.5]", ("hyperparameters.roast.alpha: a list of 1 where a text, a number, true or false is needed.",)),
    ("alpha = 0.5", "alpha = nan", ("hyperparameters.roast.alpha: nan is no number to compute with; give a finite one.",)),
    ('where = { stars = ["3"] }', "where = { stars = 3 }", ("probes[foreign].data.where.stars: 3 where a list is needed; put it in square brackets.",)),
    # ranges and shapes
    ("version = 2", "version = 0", ("version: 0 does not fit; it must be at least 1.",)),
    ("learning_rate = 1e-3", "learning_rate = inf", ("recipe.learning_rate: inf is no number to compute with; give a finite one.",)),
    ("betas = [0.9, 0.98]", "betas = [0.9, 1]", ("recipe.betas[#2]: 1 does not fit; it must be at least 0 and less than 1.",)),
    ('title = "Small"', 'title = " "', ("title: the text ' ' does not fit; it must not be empty.",)),
    ('classes = ["negative", "positive"]', 'classes = ["negative"]', ("training.classes: a list of 1 does not fit; it must be 2 entries long or more.", "training.data.label.map.fresh: class number 1, but training.classes has 1 entries.", "probes[shop].data.label.thresholds.high: 'positive' is not a class of the training task. Did you mean 'negative'? Known: negative.",)),
    ('id = "shop"', 'id = "Shop!"', ("probes[Shop!].id: the text 'Shop!' does not fit; it must be lower-case letters, digits and single hyphens, such as 'rotten-tomatoes'.",)),
    ('"AI-Secure/adv_glue"', '"../adv_glue"', ("probes[glue].data.repository: the text '../adv_glue' does not fit; it must be 'owner/name'.",)),
    ("validation = 0.2", "validation = 0", ("training.split.validation: 0 does not fit; it must be more than 0 and at most 0.5.",)),
    ("validation = 0.2", "validation = 0.2\ntest_limit = -1", ("training.split.test_limit: -1 does not fit; it must be at least 1.",)),
    ("candidates = 8", "candidates = 0", ("attacks[fooler].parameters.candidates: 0 does not fit; it must be at least 1.",)),
    ("min_cosine = 0.5", 'min_cosine = "high"', ("attacks[fooler].parameters.min_cosine: the text 'high' where a number is needed; write 0.5.",)),
    ("learning_rate = 1e-3", "learning_rate = 1.5", ("recipe.learning_rate: 1.5 does not fit; it must be more than 0 and at most 1.",)),
    ("epochs = 1", "epochs = 1\nclip = 0", ("recipe.clip: 0 does not fit; it must be more than 0.",)),
    ("at_most = 2", "at_most = nan", ("probes[shop].data.label.thresholds.at_most: nan is no number to compute with; give a finite one.",)),
    # choices
    ('perspective = "shift"', 'perspective = "shfit"', ("probes[shop].perspective: the text 'shfit' is not one of the choices. Did you mean 'shift'? Known: adversarial, anomaly, in-distribution, masking, shift.",)),
    ('recipe = "textfooler"', 'recipe = "textfooled"', ("attacks[fooler].recipe: the text 'textfooled' is not one of the choices. Did you mean 'textfooler'? Known: bert_attack, genetic, pwws, random_swap, textbugger, textfooler, transfer.",)),
    ('source = "hub"', 'source = "hugh"', ("probes[glue].data.source: the text 'hugh' is not one of the choices. Did you mean 'hub'? Known: artifact, file, hub, mirror.",)),
    # data
    ('path = "train.csv"\n', "", ("training.data.path: missing; source = 'file' needs it.",)),
    ('path = "train.csv"', 'path = "train.csv"\nresource = "vader"', ("training.data.resource: means nothing with source = 'file'; remove it.",)),
    ('split = "validation"\nrows = 148\n', 'split = "validation"\n', ("probes[glue].data.rows: missing; source = 'hub' needs it.",)),
    ('format = "csv"\ntext = ["text"]\ngroup', 'format = "csv"\ncolumns = ["text", "verdikt", "film"]\ntext = ["text"]\ngroup', ("training.data.columns: there is no column 'verdict'. Did you mean 'verdikt'? Known: film, text, verdikt.",)),
    ('format = "csv"\ntext = ["text"]\nwhere', 'format = "jsonl"\ncolumns = ["a"]\ntext = ["text"]\nwhere', ("probes[foreign].data.columns: only csv and tsv files without a header line need them; remove it.",)),
    ('text = ["text"]\nwhere', 'text = ["text", "text"]\nwhere', ("probes[foreign].data.text: column 'text' is named twice; name the two columns of the pair.",)),
    ('where = { stars = ["3"] }', "where = { stars = [] }", ("probes[foreign].data.where.stars: allows no value, so no row would be left; list the allowed values.",)),
    ("limit = 20", "limit = 20\nrows = 10", ("probes[shop].data.limit: 20 is more than the 10 declared in `rows`; lower it or remove it.",)),
    # labels
    ('rotten = "negative"', 'rotten = "negativ"', ("training.data.label.map.rotten: 'negativ' is not a class of the training task. Did you mean 'negative'? Known: negative, positive.",)),
    ("fresh = 1", "fresh = 2", ("training.data.label.map.fresh: class number 2, but training.classes has 2 entries.",)),
    ('column = "stars", ', 'column = "stars", map = { a = 1 }, ', ("probes[shop].data.label.thresholds: stands beside `map`; keep one of the two.",)),
    ("at_most = 2", "at_most = 4", ("probes[shop].data.label.thresholds.at_most: 4 is not below at_least = 4; lower it.",)),
    ('high = "positive"', 'high = "negative"', ("probes[shop].data.label.thresholds.high: is the same class as `low`; name the other class.",)),
    ('label = { column = "label" }', "", ("probes[glue].data.label: missing; a probe of perspective 'adversarial' needs labels.",)),
    ('where = { stars = ["3"] }', 'label = { column = "stars" }', ("probes[foreign].data.label: an anomaly probe has no labels; remove it.",)),
    ('label = { column = "verdict", map = { rotten = "negative", fresh = 1 } }', "", ("training.data.label: missing; training needs labels.",)),
    ('["negative", "positive"]', '["negative", "negative", "positive"]', ("training.classes: 'negative' stands there twice; give every class its own name.",)),
    # split
    ('group = "film"\n', "", ("training.data.group: missing; split by 'group' needs the column that holds the group.",)),
    ("train_rows = 40", "train_rows = 41", ("training.split.train_rows: 41 is more than train_limit = 40; correct one of the two.",)),
    ("validation = 0.2", "validation = 0.2\ntest_data = { source = 'file', path = 'a', format = 'csv', text = ['text'], label = { column = 'l' } }", ("training.split.test: must be 0 where `test_data` names the test part; remove one of the two.",)),
    ("test = 0.25", "test = 0.9", ("training.split.test: with validation = 0.2 leaves less than 5 % for training; lower it.",)),
    ("test = 0.25\n", "test_rows = 3\n", ("training.split.test_rows: there is no test part; give `test` or `test_data`.", "probes[reviews].data: missing; the training task has no test part to take (see training.split.test).",)),
    ("ranked = false", "ranked = true", ("training.split.validation_rows: missing; a ranked suite declares how many examples a part holds.",)),
    # probes
    ('id = "shop"', 'id = "reviews"', ("probes[reviews].id: 'reviews' names more than one probe or attack; rename all but one.",)),
    ('id = "fooler"', 'id = "shop"', ("probes[shop].id: 'shop' names more than one probe or attack; rename all but one.",)),
    ("rows = 20\n", "rows = 21\n", ("probes[shop].rows: 21 is more than data.limit = 20; correct one of the two.",)),
    ("test = 0.25\n", "", ("probes[reviews].data: missing; the training task has no test part to take (see training.split.test).",)),
    ('perspective = "in-distribution"', 'perspective = "shift"', ("probes[reviews].data: missing; only an in-distribution probe may take the test part of the training task.", "probes[foreign]: an anomaly probe is compared with an in-distribution probe, and there is none; add one.",)),
    ('text = ["sentence"]', 'text = ["sentence", "other"]', ("probes[glue].data.text: names 2 columns, the training task 1; name as many.",)),
    (PROBE, f"{PROBE}\nmerge = [0, 1, 1]", ("probes[shop].merge: has 3 entries for the 2 classes of the task; give one for each.",)),
    (PROBE, f"{PROBE}\nmerge = [0, 2]", ("probes[shop].merge: must number at least two scored classes from 0 without gaps, such as [0, 1, 1].",)),
    ('metrics = ["auroc", "fpr95"]', "merge = [0, 1]", ("probes[foreign].merge: an anomaly probe has no classes to merge; remove it.",)),
    ('id = "shop"', 'id = "validation"', ("probes[validation].id: 'validation' is the name of the validation part; choose another.",)),
    ("rows = 20\n", "rows = 20\nmax_overlap = 1.5\n", ("probes[shop].max_overlap: 1.5 does not fit; it must be at least 0 and at most 1.",)),
    ("rows = 20\n", "rows = 20\nmax_overlp = 0\n", ("probes[shop].max_overlp: unknown key. Did you mean 'max_overlap'? Known: ",)),
    # metrics
    ('"fpr95"', '"fpr59"', ("probes[foreign].metrics: unknown metric 'fpr59'. Did you mean 'fpr95'? Known: aupr, auroc, auroc_energy, auroc_entropy, fpr95.",)),
    ('"fpr95"', '"accuracy"', ("probes[foreign].metrics: 'accuracy' does not fit perspective 'anomaly'; use auroc, aupr, fpr95, auroc_entropy, auroc_energy.",)),
    ('"fpr95"', '"auroc"', ("probes[foreign].metrics: duplicate metric 'auroc'; remove one.",)),
    # attacks
    ('on = "reviews"', 'on = "review"', ("attacks[fooler].on: there is no probe 'review'. Did you mean 'reviews'? Known: foreign, glue, reviews, shop.",)),
    ('on = "reviews"\nsubset = 12', 'on = "foreign"\nsubset = 2', ("attacks[fooler].on: probe 'foreign' has no labels; attack a labelled one.",)),
    ("candidates = 8", 'candidates = 8\nshort_texts = "compare"', ('attacks[fooler].parameters.short_texts: TextAttack lets short texts pass. Remove the key, or use backend = "engine".',)),
    ("subset = 12", "subset = 46", ("attacks[fooler].subset: 46 is more than the 45 rows of 'reviews'; lower it.",)),
    ("rows = 45", "rows = 45\nmerge = [1, 0]", ("attacks[fooler].on: probe 'reviews' merges classes, which a search cannot; attack one that does not.",)),
]
