"""A small, correct suite to break: two csv files next to it, four tasks, one attack."""

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.suites import Suite, parse_suite

TOML = """
name = "small"
version = 2
title = "Small"
note = "For tests."
ranked = false
minimum_seeds = 1
backbone = "tiny"

[training]
title = "Reviews"
description = "Made up."
classes = ["negative", "positive"]
max_length = 32

[training.data]
source = "file"
path = "train.csv"
format = "csv"
text = ["text"]
group = "film"
label = { column = "verdict", map = { rotten = "negative", fresh = 1 } }
deduplicate = true

[training.split]
by = "group"
test = 0.25
validation = 0.2
train_limit = 40
train_rows = 40

[recipe]
epochs = 1
batch_size = 8
learning_rate = 1e-3
betas = [0.9, 0.98]

[[tasks]]
id = "reviews"
version = 1
perspective = "in-distribution"
title = "Reviews"
description = "Other films."
rows = 45

[[tasks]]
id = "shop"
version = 1
perspective = "shift"
title = "Shop"
description = "Made up."
rows = 20

[tasks.data]
source = "file"
path = "shop.csv"
format = "csv"
text = ["text"]
label = { column = "stars", thresholds = { at_most = 2, low = "negative", at_least = 4, high = "positive" } }
limit = 20

[[tasks]]
id = "foreign"
version = 1
perspective = "anomaly"
title = "Foreign"
description = "Made up."
rows = 10
metrics = ["auroc", "fpr95"]

[tasks.data]
source = "file"
path = "shop.csv"
format = "csv"
text = ["text"]
where = { stars = ["3"] }

[[tasks]]
id = "glue"
version = 1
perspective = "adversarial"
title = "From the Hub"
description = "Not loaded in most tests."
rows = 148

[tasks.data]
source = "hub"
repository = "AI-Secure/adv_glue"
configuration = "adv_sst2"
split = "validation"
rows = 148
text = ["sentence"]
label = { column = "label" }

[[attacks]]
id = "fooler"
version = 1
title = "Fooler"
description = "TextFooler."
on = "reviews"
subset = 12
backend = "textattack"
recipe = "textfooler"

[attacks.parameters]
candidates = 8
min_cosine = 0.5
"""


@pytest.fixture
def toml() -> str:
    return TOML


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write Write `TOML` as small.toml with its two data files."""
    rows = [f"text {n} of a review,{'fresh' if n % 3 else 'rotten'},film {n % 23}" for n in range(200)]
    (tmp_path / "train.csv").write_text("text,verdict,film\n" + "\n".join([*rows, "a plot,plot,film 1"]) + "\n")
    stars = [f"an item {n},{n % 5 + 1}" for n in range(50)]
    (tmp_path / "shop.csv").write_text("text,stars\n" + "\n".join(stars) + "\n")
    (tmp_path / "small.toml").write_text(TOML)
    return tmp_path


@pytest.fixture
def edited(folder: Path) -> Callable[..., Suite]:
    """The small suite with texts replaced: ``edited("rows = 45", "rows = 46")``."""

    def make(*changes: str) -> Suite:
        text = TOML
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new, 1)
        return parse_suite(text, path=folder / "small.toml")

    return make
