"""The suites that come with Temper: what each must say of itself, and the data that a mirror has of them."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.attacks import parameters_of
from benchmark.data import DataSpec, load
from benchmark.execution.workload import materialise
from benchmark.suites import Suite, available_groups, available_suites, find_group, load_suite, load_suites
from tests.support.needs import skipped_if_unavailable

DOCUMENT = Path(__file__).parents[2] / "docs" / "suites.md"
LICENCE = re.compile(r"MIT|Apache|CC BY|[Ll]icence|terms of use|non-commercial", re.DOTALL)
HASHED_BY_THE_MIRROR = ("sentiment", "entailment", "rose-rte", "rose-qqp", "rose-qnli", "mvp-ag")


def specs(suite: Suite) -> Iterator[tuple[str, DataSpec]]:
    """Every data table of a suite with what it is called."""
    yield "training", suite.training.data
    for task in suite.tasks:
        if task.data is not None:
            yield task.id, task.data


@pytest.fixture
def mirror(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_MIRROR", str(shared / "hub"))
    monkeypatch.setenv("TEMPER_OFFLINE", "1")


@pytest.mark.parametrize("name", available_suites())
def test_a_suite_says_what_it_is(name: str) -> None:
    suite = load_suite(name)
    assert suite.minimum_seeds >= 3
    for said in (suite.training.description, *(task.description for task in suite.tasks if task.data)):
        assert LICENCE.search(said), said
    assert f"`{name}`" in DOCUMENT.read_text(encoding="utf-8")
    if suite.ranked:
        assert suite.training.data.content_hash


@pytest.mark.parametrize("name", available_suites())
def test_an_attack_states_all_its_numbers(name: str) -> None:
    for attack in load_suite(name).attacks:
        numbers = parameters_of(attack)
        assert {key: getattr(numbers, key) for key in attack.parameters} == attack.parameters
        left = numbers.identifying_parameters().keys() - attack.parameters.keys()
        assert left <= {"query_budget", "max_share", "max_combinations"}


@pytest.mark.parametrize("name", available_groups())
def test_a_group_loads_and_is_documented(name: str) -> None:
    group = find_group(name)
    assert group is not None
    assert f"`{name}@{group.version}`" in DOCUMENT.read_text(encoding="utf-8")
    assert [suite.full_name for suite in load_suites(name)] == list(group.suites)


@pytest.mark.parametrize("name", ["demo", "offline", "decoder", "topics", "mirror-sentiment", "mirror-entailment"])
def test_what_needs_no_hub_is_pinned_throughout(name: str) -> None:
    for place, data in specs(load_suite(name)):
        assert data.content_hash, place
        assert data.source != "hub"


def test_the_same_set_has_the_same_hash_everywhere() -> None:
    hashes = defaultdict(set)
    for suite in map(load_suite, available_suites()):
        for _, data in specs(suite):
            content = replace(data, source="hub", revision=None, content_hash=None)
            hashes[repr((content, suite.training.classes if data.label else ()))].add(data.content_hash)
    assert [content for content, found in hashes.items() if len(found) > 1] == []


def test_two_way_sets_merge_neutral_and_contradiction() -> None:
    merged = {task.id for task in load_suite("entailment").tasks if task.merge == (0, 1, 1)}
    assert merged == {"hans", "qnli", "wnli"}
    merged = {task.id for task in load_suite("mirror-entailment").tasks if task.merge == (0, 1, 1)}
    assert merged == {"rte", "advglue-rte", "advglue-qnli"}


@pytest.mark.slow
@pytest.mark.resources
def test_the_suite_of_the_board_materialises_and_was_not_trained_on() -> None:
    with skipped_if_unavailable():
        work = materialise(load_suite("offline"))
    assert (len(work.splits.train), len(work.splits.validation)) == (2000, 1500)
    assert {task: overlap.exact for task, overlap in work.overlaps().items() if overlap.exact} == {}


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("name", ["mirror-sentiment", "mirror-entailment"])
def test_a_mirror_suite_materialises_with_its_hashes_and_was_hardly_trained_on(name: str) -> None:
    work = materialise(load_suite(name))
    assert {task: len(data) for task, data in work.tasks.items()} == {p.id: p.rows for p in work.suite.tasks}
    for task, overlap in work.overlaps().items():
        assert overlap.exact <= 1, task


@pytest.mark.slow
@pytest.mark.usefixtures("mirror")
@pytest.mark.parametrize("name", HASHED_BY_THE_MIRROR)
def test_sets_of_the_hub_that_the_mirror_has_whole_have_the_declared_hash(name: str) -> None:
    suite = load_suite(name)
    hashed = [data for _, data in specs(suite) if data.content_hash]
    assert hashed
    for data in hashed:
        assert load(data, classes=suite.training.classes).content_hash == data.content_hash
