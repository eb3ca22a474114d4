"""Tests with real data sets from a local mirror, if this machine has one."""

from collections import Counter
from pathlib import Path

import pytest

from benchmark.data import DataSpec, LabelSpec, load, overlap
from benchmark.schema.errors import IntegrityError

NLI = ("entailment", "neutral", "contradiction")
SENTIMENT = ("negative", "positive")


@pytest.fixture(autouse=True)
def _mirror(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_MIRROR", str(shared / "hub"))


def spec(repository: str, configuration: str | None, split: str, *text: str, rows: int) -> DataSpec:
    return DataSpec(
        source="hub",
        repository=repository,
        configuration=configuration,
        split=split,
        text=text,
        label=LabelSpec("label"),
        rows=rows,
    )


@pytest.mark.parametrize(
    ("found", "classes", "labels"),
    [
        (spec("nyu-mll/glue", "sst2", "validation", "sentence", rows=872), SENTIMENT, {0: 428, 1: 444}),
        (
            spec("nyu-mll/glue", "mnli", "validation_matched", "premise", "hypothesis", rows=1000),
            NLI,
            {0: 373, 1: 311, 2: 316},
        ),
        (spec("stanfordnlp/snli", None, "test", "premise", "hypothesis", rows=1000), NLI, {0: 367, 1: 322, 2: 311}),
        (spec("AI-Secure/adv_glue", "adv_sst2", "validation", "sentence", rows=148), SENTIMENT, {0: 72, 1: 76}),
        (
            spec("AI-Secure/adv_glue", "adv_mnli", "validation", "premise", "hypothesis", rows=121),
            NLI,
            {0: 32, 1: 39, 2: 50},
        ),
    ],
    ids=lambda value: value.place if isinstance(value, DataSpec) else "",
)
def test_sets_load_with_their_declared_rows(found: DataSpec, classes: tuple[str, ...], labels: dict[int, int]) -> None:
    dataset = load(found, classes=classes)
    assert len(dataset) == found.rows
    assert Counter(example.label for example in dataset.examples) == labels
    assert all(len(example.texts) == len(found.text) for example in dataset.examples)


def test_incomplete_data_set_is_refused() -> None:
    whole = spec("nyu-mll/glue", "mnli", "validation_matched", "premise", "hypothesis", rows=9815)
    with pytest.raises(IntegrityError, match="mnli validation_matched has 1000 rows here, but the suite declares 9815"):
        load(whole, classes=NLI)


def test_adversarial_sentences_are_near_their_originals() -> None:
    """AdvGLUE changed a few words of SST-2's validation sentences; one of its sentences is there word for word."""
    train = load(spec("nyu-mll/glue", "sst2", "validation", "sentence", rows=872), classes=SENTIMENT)
    task = load(spec("AI-Secure/adv_glue", "adv_sst2", "validation", "sentence", rows=148), classes=SENTIMENT)
    found = overlap(train, task)
    assert (found.exact, found.near, found.n) == (1, 82, 148)


@pytest.mark.slow
def test_hub_loader_reads_the_same_rows_from_the_mirror(
    shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets

    found = spec("AI-Secure/adv_glue", "adv_sst2", "validation", "sentence", rows=148)
    mine = load(found, classes=SENTIMENT)
    loader = datasets.load_dataset

    def local(repository: str, configuration: str, **keys: object) -> object:
        return loader(str(shared / "hub" / repository / configuration), split=keys["split"], cache_dir=str(tmp_path))

    monkeypatch.delenv("TEMPER_MIRROR")
    monkeypatch.setattr(datasets, "load_dataset", local)
    theirs = load(found, classes=SENTIMENT)
    assert theirs.content_hash == mine.content_hash
    assert theirs.examples == mine.examples
