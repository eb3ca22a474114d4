"""A whole suite of a few hundred bytes, with files for data, for tests of the path from suite to records."""

import json
from pathlib import Path

from tests.support.tiny import sentences

SUITE = """
name = "tiny"
version = 1
title = "Tiny"
note = "For tests."
ranked = false
minimum_seeds = 3
backbone = "{backbone}"

[training]
title = "Tiny"
description = "Sentences made by rule."
classes = ["negative", "positive"]
max_length = 16
data = {{ source = "file", path = "train.jsonl", format = "jsonl", text = ["text"], deduplicate = true, label = {{ column = "label", map = {{ "0" = "negative", "1" = "positive" }} }} }}
split = {{ by = "example", validation = 0.2, test = 0.2, train_limit = 60, validation_limit = 16, test_limit = 16 }}

[recipe]
epochs = 2
batch_size = 8
learning_rate = 1e-3
clip = 1.0

[metrics]
ece_bins = 10
resamples = 20

[[tasks]]
id = "home"
version = 1
perspective = "in-distribution"
title = "Home"
description = "The test part."
rows = 16

[[tasks]]
id = "away"
version = 1
perspective = "shift"
title = "Away"
description = "Other sentences."
rows = 24
data = {{ source = "file", path = "away.jsonl", format = "jsonl", text = ["text"], label = {{ column = "label", map = {{ "0" = "negative", "1" = "positive" }} }} }}

[[tasks]]
id = "foreign"
version = 1
perspective = "anomaly"
title = "Foreign"
description = "Unknown words."
rows = 20
data = {{ source = "file", path = "foreign.txt", format = "lines", text = ["text"] }}
"""

CHECK = """
[[tasks]]
id = "known"
version = 1
perspective = "masking"
title = "Known"
description = "Texts that fooled another model."
rows = 24
data = { source = "file", path = "away.jsonl", format = "jsonl", text = ["text"], label = { column = "label", map = { "0" = "negative", "1" = "positive" } } }
"""

ATTACK = """
[[attacks]]
id = "textfooler"
version = 1
title = "TextFooler"
description = "From tiny parts."
on = "home"
subset = 8
recipe = "textfooler"
parameters = { candidates = 4, min_cosine = 0.0, lexicon = "counterfitted-glove-wordnet", encoder = "minilm", similarity_threshold = 0.0, window = 4, tagger = "textblob-pattern", stopwords = "textfooler" }
"""


def write_tiny_suite(folder: Path, backbone: Path, *, attack: bool = False) -> Path:
    """Write the suite and its data into a folder and return the suite's path."""
    for name, count, seed in (("train", 160, 0), ("away", 24, 7)):
        rows = [json.dumps({"text": text, "label": label}) for text, label in sentences(count, seed)]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    (folder / "foreign.txt").write_text("".join(f"unknown {'words ' * (i % 5)}number {i}\n" for i in range(20)))
    path = folder / "tiny.toml"
    path.write_text(SUITE.format(backbone=backbone) + (ATTACK if attack else ""))
    return path
