"""A packaged suite and a table of a paper, both tiny, in place of the real ones."""

from pathlib import Path

import pytest

from tests.support.tiny_suite import write_tiny_suite

TABLE = """
name = "tiny-table"
title = "Tiny"
paper = "A. Author (2020)"
backbone = "tiny-bert0"
seeds = 2
notes = ["A note."]

[[columns]]
label = "inD"
suite = "tiny"
perspective = "in-distribution"
metric = "accuracy"
tasks = ["home"]

[[columns]]
label = "ooD"
suite = "tiny"
perspective = "shift"
metric = "accuracy"
tasks = ["away"]
[columns.absent]
poem = "exists as the authors' file only"

[[rows]]
label = "Vanilla"
method = "vanilla"

[[rows]]
label = "RoAST"
method = "roast:alpha=0.9:beta=10"
cases = [{ suite = "tiny", backbone = "tuned", method = "roast", learning_rate = 2e-3 }]
"""

MIRROR_PROBE = """
[[tasks]]
id = "hub"
version = 1
perspective = "shift"
title = "Hub"
description = "A set of the Hub."
rows = 100

[tasks.data]
source = "mirror"
repository = "owner/set"
split = "test"
rows = 100
text = ["text"]
label = { column = "label" }
"""


@pytest.fixture
def packaged(tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of packaged suites that holds the tiny one, with its table next to it."""
    folder = tmp_path / "packaged"
    (folder / "papers").mkdir(parents=True)
    write_tiny_suite(folder, tiny_backbone, attack=True)
    (folder / "papers/tiny-table.toml").write_text(TABLE)
    monkeypatch.setattr("benchmark.suites.suite_files._FOLDER", folder)
    monkeypatch.setattr("benchmark.reproduction.paper._FOLDER", folder / "papers")
    return folder


@pytest.fixture
def mirrored(packaged: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same with a set of the Hub of which the mirror has 30 rows of 100."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tests.support.tiny import sentences

    texts, labels = zip(*sentences(30, seed=9), strict=True)
    folder = tmp_path / "mirror/owner/set"
    folder.mkdir(parents=True)
    pq.write_table(pa.table({"text": list(texts), "label": list(labels)}), folder / "test-00000-of-00001.parquet")
    monkeypatch.setenv("TEMPER_MIRROR", str(tmp_path / "mirror"))
    suite = packaged / "tiny.toml"
    suite.write_text(suite.read_text() + MIRROR_PROBE)
    return packaged
