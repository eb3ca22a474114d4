"""Tests that order, duplicates, limits and splits depend on content and never on position."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.data import Dataset, Example, limited, split, stratified
from benchmark.data.selection import canonical, deduplicate
from benchmark.data.text_normalisation import text_key
from benchmark.schema.errors import TemperError


def examples(labels: list[int], groups: int = 7) -> list[Example]:
    return [Example(str(n), (f"text {n}",), label, f"film {n % groups}") for n, label in enumerate(labels)]


def shuffled(items: list[Example], seed: int) -> list[Example]:
    """Reorder and renumber the rows."""
    mixed = random.Random(seed).sample(items, len(items))
    return [Example(str(n), item.texts, item.label, item.group) for n, item in enumerate(mixed)]


def said(items: tuple[Example, ...]) -> list[tuple[tuple[str, ...], int | None, str | None]]:
    return [(item.texts, item.label, item.group) for item in items]


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=60), st.integers(1, 60), st.integers(0, 5))
def test_limit_ignores_source_order(labels: list[int], limit: int, seed: int) -> None:
    items = examples(labels)
    chosen = stratified(items, limit)
    assert said(chosen) == said(stratified(shuffled(items, seed), limit))
    assert len(chosen) == min(limit, len(items))
    assert chosen == canonical(chosen)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=80), st.integers(1, 80))
def test_every_class_gets_its_share_to_within_one(labels: list[int], limit: int) -> None:
    chosen = Counter(example.label for example in stratified(examples(labels), limit))
    for label, count in Counter(labels).items():
        assert abs(chosen[label] - min(limit, len(labels)) * count / len(labels)) < 1


def test_texts_with_different_pictures_are_not_duplicates() -> None:
    items = [Example("0", ("good \U0001f600",), 1), Example("1", ("good \U0001f622",), 0), Example("2", ("Good!",), 1)]
    unique = deduplicate(items)
    assert (len(unique.kept), unique.duplicates, unique.conflicts) == (3, 0, 0)
    parts = split(Dataset("x", tuple(items), ("n", "p")), by="example", test=0.5, validation=0.2)
    assert sorted(len(part) for part in (parts.train, parts.validation, parts.test)) == [0, 0, 3]


def test_largest_remainders_by_hand() -> None:
    # 10 of 50, 30 and 20: shares 5, 3, 2; of 7: 3.5, 2.1, 1.4 -> 3, 2, 1 and the seat left goes to the first.
    items = examples([0] * 50 + [1] * 30 + [2] * 20)
    assert Counter(example.label for example in stratified(items, 10)) == {0: 5, 1: 3, 2: 2}
    assert Counter(example.label for example in stratified(items, 7)) == {0: 4, 1: 2, 2: 1}


def test_smaller_limit_is_a_subset_of_a_larger_one() -> None:
    items = examples([n % 2 for n in range(100)])
    chosen = [set(said(stratified(items, limit))) for limit in range(2, 100, 2)]
    assert all(smaller < larger for smaller, larger in pairwise(chosen))


def test_unlabelled_examples_are_one_class() -> None:
    items = [Example(str(n), (f"t{n}",), None) for n in range(30)]
    assert len(stratified(items, 11)) == 11
    assert len(limited(Dataset("d", tuple(items), ()), None)) == 30


def test_duplicates_leave_one_and_conflicts_none() -> None:
    items = [
        Example("0", ("Good film!",), 1, "b"),
        Example("1", ("good FILM",), 1, "a"),
        Example("2", ("Good film!",), 1, "a"),
        Example("3", ("so so",), 1),
        Example("4", ("So so.",), 0),
        Example("5", ("alone",), 0),
    ]
    unique = deduplicate(items)
    assert (len(unique.kept), unique.duplicates, unique.conflicts) == (2, 2, 2)
    for seed in range(5):
        assert said(deduplicate(shuffled(items, seed)).kept) == said(unique.kept)


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(st.integers(10, 150), st.integers(1, 30), st.floats(0.05, 0.5), st.floats(0.05, 0.4))
def test_a_split_shares_neither_a_group_nor_a_text(rows: int, groups: int, test: float, validation: float) -> None:
    dataset = Dataset("d", tuple(examples([n % 2 for n in range(rows)], groups)), ("a", "b"))
    parts = split(dataset, by="group", test=test, validation=validation)
    held = [{example.group for example in part.examples} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, held)) == len(set().union(*held))
    assert sum(map(len, (parts.train, parts.validation, parts.test))) == rows
    again = split(
        Dataset("d", tuple(shuffled(list(dataset.examples), 1)), ("a", "b")),
        by="group",
        test=test,
        validation=validation,
    )
    assert said(parts.train.examples) == said(again.train.examples)


def test_split_by_example_keeps_equal_texts_together() -> None:
    pairs = [
        Example(str(n), (text,), 0)
        for n, text in enumerate(f"{word} {k}{end}" for k in range(300) for word, end in (("Text", "!"), ("text", "")))
    ]
    parts = split(Dataset("d", tuple(pairs), ("a",)), by="example", test=0.3, validation=0.2)
    keys = [
        {text_key(example.texts) for example in part.examples} for part in (parts.train, parts.validation, parts.test)
    ]
    assert sum(map(len, keys)) == len(set().union(*keys))
    assert 130 < len(parts.test) < 230


def test_text_in_two_parts_is_refused() -> None:
    items = [Example(str(n), (f"same {n % 20}",), 0, f"film {n}") for n in range(200)]
    with pytest.raises(TemperError, match=r"d: two parts of the split share texts \(\d+ examples\)\. Set `dedup"):
        split(Dataset("d", tuple(items), ("a",)), by="group", test=0.3, validation=0.2)


def test_an_example_without_a_group_is_refused() -> None:
    items = (Example("0", ("a",), 0, "g"), Example("1", ("b",), 0), Example("2", ("c",), 0))
    with pytest.raises(TemperError, match="2 of 3 examples have no group, the first is row 1"):
        split(Dataset("d", items, ("a",)), by="group", test=0.3, validation=0.2)
