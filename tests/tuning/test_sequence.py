"""The sequence's bytes, and what they guarantee."""

import numpy as np
import pytest

from benchmark.tuning.space import position

FIRST_16 = {
    "epsilon": [
        519203593, 3763302449, 1928634560, 2808502697, 1134762841, 577056558, 2566471904, 3634044558,
        1667546400, 1353302059, 4232070816, 1066175147, 2172400079, 3192564012, 63509379, 3291189272,
    ],
    "learning_rate_factor": [
        3976958641, 2021269950, 566679434, 2617683459, 3125049954, 107349385, 1127435635, 3322559001,
        1759376943, 361934949, 2744391050, 3687285109, 1008695022, 4238096711, 1562878773, 2377372250,
    ],
}  # fmt: skip


@pytest.mark.parametrize("dimension", FIRST_16)
def test_the_first_points_never_change(dimension):
    assert [position(dimension, number) for number in range(16)] == FIRST_16[dimension]


@pytest.mark.parametrize("dimension", ["alpha", "epsilon", "mvp.templates", "x" * 200])
@pytest.mark.parametrize("size", [2, 4, 8, 16, 64])
def test_the_first_points_and_the_next_have_one_in_each_interval(dimension, size):
    for start in (0, size):
        points = [position(dimension, number) for number in range(start, start + size)]
        assert sorted(point * size >> 32 for point in points) == list(range(size))


@pytest.mark.parametrize("pair", [("alpha", "epsilon"), ("epsilon", "learning_rate_factor"), ("rate", "radius")])
def test_dimensions_are_not_coupled(pair):
    """If all dimensions had one order, the first bits of one would determine those of another."""
    first, second = ([position(name, number) for number in range(256)] for name in pair)
    assert len({(a >> 30, b >> 30) for a, b in zip(first, second, strict=True)}) == 16
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


def test_points_are_distinct():
    assert len({position("epsilon", number) for number in range(4096)}) == 4096
