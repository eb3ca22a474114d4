"""Stars: a bootstrap p-value, corrected for how many rows are compared."""

import random

import numpy as np
import pytest

from leaderboard import load_board
from leaderboard.intervals import leaves_out_zero
from leaderboard.significance import LEVEL, holm, p_value, upper_p_value
from tests.leaderboard.synthetic import Method, card, write_results


def test_holm_counts_the_smallest_most():
    # Worked by hand: 4 x 0.01, 3 x 0.015, then never less than the one before, then the rest.
    assert holm([0.03, 0.01, 0.015, 0.5]) == pytest.approx([0.06, 0.04, 0.045, 0.5])
    assert holm([0.4, 0.4]) == pytest.approx([0.8, 0.8])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_p_value_counts_both_sides_and_is_never_zero():
    assert p_value(np.full(1999, 1.0)) == pytest.approx(2 / 2000)
    assert p_value(np.full(1999, -1.0)) == pytest.approx(2 / 2000)
    assert p_value(np.zeros(10)) == 1.0
    assert p_value(np.array([-1.0] * 49 + [1.0] * 950)) == pytest.approx(2 * 50 / 1000)


def test_a_star_needs_a_p_value_below_the_level_whatever_the_draws():
    """The bound is above the p-values that 1,000 other sets of draws give for the same chance."""
    generator = np.random.default_rng(0)
    for chance in (0.001, 0.01, 0.02):
        counted = generator.binomial(20_000, chance, size=1000)
        assert (upper_p_value(2 * chance, 20_000) > 2 * counted / 20_000).mean() > 0.999
    assert upper_p_value(0.02, 20_000) < 0.03


def test_holm_holds_the_error_over_many_boards_without_any_difference():
    generator, wrong = random.Random(1), 0
    for _ in range(400):
        wrong += min(holm([generator.random() for _ in range(10)])) < LEVEL
    assert wrong / 400 < 0.09


def stars(root, *gains, ranked=True, seeds=(0, 1, 2)):
    methods = [Method(f"m{number}", gain=gain, seeds=seeds) for number, gain in enumerate(gains)]
    write_results(root, card(ranked=ranked), Method(seeds=seeds), *methods)
    return {row.method: (row.star, row.p) for row in load_board(root).sections[0].rows}


def test_clear_rows_get_a_star_in_both_directions_and_vanilla_none(tmp_path):
    found = stars(tmp_path, 0.08, -0.05, 0.0)
    assert found["m0"][0] == found["m1"][0] == "★"
    assert found["m2"][0] == ""
    assert float(found["m2"][1]) > LEVEL
    assert found["vanilla"] == ("", "")


def test_more_rows_raise_the_corrected_p_value(tmp_path):
    alone, crowded = stars(tmp_path / "a", 0.08), stars(tmp_path / "b", *[0.08] * 60)
    assert alone["m0"][0] == "★"
    assert float(alone["m0"][1]) < float(crowded["m0"][1]) == pytest.approx(60 * float(alone["m0"][1]), abs=1e-3)


def test_rows_that_are_not_ranked_get_no_star(tmp_path):
    assert set(stars(tmp_path / "a", 0.08, ranked=False).values()) == {("", "")}
    write_results(tmp_path / "b", card(), Method(), Method("rift", gain=0.08, seeds=(0,)))
    rows = load_board(tmp_path / "b").sections[0].rows
    assert next(row.star for row in rows if row.method == "rift") == ""


def test_a_finding_says_which_rows_surely_differ(results, tmp_path):
    (section,) = load_board(results).sections
    assert section.finding == (
        "Significantly better than vanilla (★): roast. Significantly worse (★): none. "
        "No significant difference: 0 of 1."
    )
    equal = write_results(tmp_path / "equal", card(), Method(), Method("recadam"))
    assert load_board(equal).sections[0].finding.endswith("No significant difference: 1 of 1.")
    assert load_board(write_results(tmp_path / "alone", card(), Method())).sections[0].finding == ""


def test_only_a_change_whose_interval_leaves_out_zero_is_coloured(results, tmp_path):
    rows = {row.method: row for row in load_board(results).sections[0].rows}
    assert all(figure.certain for figure in rows["roast"].perspectives)
    assert not any(figure.certain for figure in (*rows["vanilla"].perspectives, *rows["roast"].probes))
    equal = load_board(write_results(tmp_path / "equal", card(), Method(), Method("recadam")))
    rows = {row.method: row for row in equal.sections[0].rows}
    assert not all(figure.certain for figure in rows["recadam"].perspectives)
    assert leaves_out_zero(np.array([1.0] * 19_600 + [-1.0] * 400))
    assert not leaves_out_zero(np.array([1.0] * 19_540 + [-1.0] * 460))
