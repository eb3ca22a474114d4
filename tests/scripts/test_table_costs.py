"""The costs of the papers' tables: counted by hand for one row, and those that docs/scale.md prints."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.reproduction.paper import choose_rows, load_reproduction
from benchmark.suites import load_suite
from scripts.table_costs import Cost, lines, split_sizes, table_cost

PAGE = Path(__file__).resolve().parents[2] / "docs/scale.md"


def test_the_passes_of_a_row_are_those_counted_by_hand() -> None:
    table = choose_rows(load_reproduction("mvp-sst2"), "MLP-FT")
    assert [row.method for row in table.rows] == ["vanilla"]
    # Three seeds of 20 epochs over 60,565 examples, forward and backward, and 6,784 of validation after each.
    training = 3 * 20 * (60_565 * 3 + 6_784)
    # Validation, SST-2, MR and Amazon once; two attacks on SST-2.
    prediction = 3 * (6_784 + 872 + 1_066 + 20_000)
    assert table_cost(table) == Cost(trainings=3, training=training, prediction=prediction, attacked=3 * 2 * 872)


def test_a_suite_without_a_stated_size_is_refused() -> None:
    suite = load_suite("mvp-ag")
    training = replace(suite.training, data=replace(suite.training.data, rows=None))
    with pytest.raises(ValueError, match="mvp-ag: the number of training examples is not stated"):
        split_sizes(replace(suite, training=training))


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8").splitlines()
    start = page.index(next(lines()))
    assert page[start : start + 10] == list(lines())
