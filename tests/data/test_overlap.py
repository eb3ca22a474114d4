"""Tests of exact and near duplicates between training and evaluation data."""

import random

import pytest

from benchmark.data import Dataset, Example, Overlap, overlap
from benchmark.data.text_normalisation import text_key, words


def dataset(*texts: str | tuple[str, ...]) -> Dataset:
    pairs = [text if isinstance(text, tuple) else (text,) for text in texts]
    return Dataset("d", tuple(Example(str(n), pair, None) for n, pair in enumerate(pairs)), ())


TRAIN = dataset(
    "One two three four five six seven eight nine ten.",
    "A dazzling dream of a film",
    ("premise words here", "hypothesis there"),
)


@pytest.mark.parametrize(
    ("task", "exact", "near"),
    [
        ("one TWO three four, five six seven eight nine ten", 1, 0),
        ("zero one two three four five six seven eight and then other words follow", 0, 1),
        ("one two three four five six seven and then other words follow", 0, 0),
        ("a dream of a film", 0, 1),  # words {a, dream, of, film} of {a, dazzling, dream, of, film}: 4/5
        ("a dream of film noir", 0, 0),  # 4/6
        ("film of a dazzling dream", 0, 1),
        (("premise words here", "hypothesis there"), 1, 0),
        ("premise words here hypothesis there", 0, 1),
        ("nothing of the kind", 0, 0),
    ],
)
def test_definition(task: str | tuple[str, ...], exact: int, near: int) -> None:
    assert overlap(TRAIN, dataset(task)) == Overlap(exact, near, 1)


def test_index_equals_exhaustive_comparison() -> None:
    rng = random.Random(0)
    vocabulary = [f"w{n}" for n in range(14)]
    train, task = (
        dataset(*(" ".join(rng.choices(vocabulary, k=rng.randint(1, 12))) for _ in range(80))) for _ in range(2)
    )

    def near(left: list[str], right: list[str]) -> bool:
        runs = [{tuple(side[start : start + 8]) for start in range(len(side) - 7)} for side in (left, right)]
        a, b = set(left), set(right)
        return bool(runs[0] & runs[1]) or 5 * len(a & b) >= 4 * len(a | b)

    keys = {text_key(example.texts) for example in train.examples}
    exact = [text_key(example.texts) in keys for example in task.examples]
    close = [any(near(words(p.texts[0]), words(t.texts[0])) for t in train.examples) for p in task.examples]
    expected = sum(c and not e for c, e in zip(close, exact, strict=True))
    assert overlap(train, task) == Overlap(sum(exact), expected, 80)
    assert expected > 5
