"""Masking checks: each is flagged by the sign it looks for and by nothing else, and moves no score."""

import pytest

from leaderboard import load_board
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import (
    LEVELS,
    Method,
    card,
    checked_card,
    digest,
    records,
    with_checks,
    write_card,
    write_records,
    write_results,
)


def board_with(root, **values):
    suite = checked_card()
    write_card(root, suite)
    for seed in (0, 1):
        write_records(root, with_checks(suite, Method(), seed))
        write_records(root, with_checks(suite, Method("roast", gain=0.05), seed, **values))
    return load_board(root)


def row_of(board, name="roast"):
    return next(row for row in board.sections[0].rows if row.method == name)


def flagged(board):
    return [check.title for check in row_of(board).checks if check.outcome == "flagged"]


def test_an_honest_row_passes_every_check(tmp_path):
    board = board_with(tmp_path)
    assert len(row_of(board).checks) == 6
    assert flagged(board) == []


@pytest.mark.parametrize(
    ("values", "titles"),
    [
        ({"random_swap": 0.2}, ["Accuracy under Random swaps is not below that under the strongest attack"]),
        ({"transfer": 0.2}, ["Accuracy under Transfer from vanilla is not below that under the strongest attack"]),
        ({"random_swap": 0.305}, []),
        ({"zero_gradient_share": 0.06}, ["Share of examples whose input gradient is zero"]),
        ({"zero_gradient_share": 0.05}, []),
        ({"stochastic_share": 0.02}, ["Share of examples answered differently when asked again"]),
        ({"stochastic_share": 0.01}, []),
    ],
)
def test_each_check_is_flagged_by_its_own_sign(tmp_path, values, titles):
    assert flagged(board_with(tmp_path, **values)) == titles


def test_accuracy_under_attack_above_clean_accuracy_is_flagged_from_the_records_alone(tmp_path):
    suite = card()
    write_card(tmp_path, suite)
    for name in ("vanilla", "roast"):
        for seed in (0, 1):
            found = records(suite, Method(name), seed)
            for record in found:
                if name == "roast" and record["metric"]["id"] == "accuracy_under_attack":
                    record["value"] = 0.9
            write_records(tmp_path, found)
    check, _ = row_of(load_board(tmp_path)).checks
    assert (check.outcome, check.value) == ("flagged", "90.00 %")
    assert not row_of(load_board(tmp_path), "vanilla").flagged


@pytest.mark.parametrize(("gain", "outcome"), [(-0.2, "flagged"), (-0.04, "passed"), (0.1, "passed")])
def test_robustness_at_a_large_cost_in_accuracy_is_flagged(tmp_path, gain, outcome):
    suite = card()
    write_results(tmp_path, suite, Method(), Method("roast", gain=gain))
    row = row_of(load_board(tmp_path))
    check = row.checks[-1]
    assert (check.title, check.outcome) == ("Accuracy in distribution is not far below vanilla's", outcome)
    assert check.value == f"{float(row.figures['in-distribution'].text):.2f} %"
    assert row_of(load_board(tmp_path), "vanilla").checks[-1].outcome == "passed"


def test_flags_change_no_score_no_rank_and_no_column(tmp_path):
    honest, masked = board_with(tmp_path / "a"), board_with(tmp_path / "b", random_swap=0.1, zero_gradient_share=0.9)
    assert [c.key for c in masked.sections[0].perspectives] == [c.key for c in honest.sections[0].perspectives]
    assert "masking" not in {column.key.split("/")[0] for column in masked.sections[0].tasks}
    for name in ("roast", "vanilla"):
        one, other = row_of(honest, name), row_of(masked, name)
        assert (one.overall, one.rank, one.figures) == (other.overall, other.rank, other.figures)


def test_flag_and_its_numbers_are_in_every_file(tmp_path):
    texts = render_all(board_with(tmp_path, random_swap=0.2))
    page = texts["index.html"]
    assert "Flagged: Accuracy under Random swaps is not below that under the strongest attack: 20.00 %" in page
    assert "1 of 6 gradient-masking checks flagged" in texts["board.md"]
    header, *lines = texts["board.csv"].splitlines()
    place = header.split(",").index("masking_flags")
    assert [line.split(",")[place] for line in lines] == ["1", "0"]
    assert '"outcome": "flagged"' in texts["board.json"]


def test_clean_accuracy_of_other_examples_leaves_two_points_to_chance_and_of_the_same_none(tmp_path):
    suite = card()
    write_results(tmp_path / "other", suite, Method(), Method("roast"))
    row = row_of(load_board(tmp_path / "other"))
    check, _ = row.checks
    assert check.limit == f"at most {float(row.figures['in-distribution'].text) + 2:.2f} %"
    next(entry for entry in suite["tasks"] if entry["id"] == "textfooler")["data"] = digest("stores")
    write_results(tmp_path / "same", suite, Method(), Method("roast"))
    row = row_of(load_board(tmp_path / "same"))
    assert row.checks[0].limit == f"at most {row.figures['shift/stores/accuracy'].text} %"


@pytest.fixture(autouse=True)
def another_attack(monkeypatch):
    monkeypatch.setitem(LEVELS, ("pwws", "accuracy_under_attack"), 0.3)
    monkeypatch.setitem(LEVELS, ("pwws", "queries"), 100.0)


def under_attacks(root, *, data, random_swap, textfooler, pwws):
    """A row under two attacks, of which the first goes over the examples with `data`, as random swaps do."""
    suite = checked_card()
    first = next(entry for entry in suite["tasks"] if entry["id"] == "textfooler")
    check = next(entry for entry in suite["tasks"] if entry["id"] == "random-swap")
    second = {**first, "id": "pwws", "title": "PWWS", "data": digest("others")}
    first["data"], check["data"] = data, digest("attacked")
    suite["tasks"].insert(suite["tasks"].index(first) + 1, second)
    write_card(root, suite)
    for name in ("vanilla", "roast"):
        found = with_checks(suite, Method(name), 0, random_swap=random_swap)
        values = {"textfooler": textfooler, "pwws": pwws}
        for record in found:
            if record["metric"]["id"] == "accuracy_under_attack" and record["task"]["id"] in values:
                record["value"] = values[record["task"]["id"]]
        write_records(root, found)
    return next(check for check in row_of(load_board(root)).checks if "Random swaps" in check.title)


def test_swaps_at_random_are_compared_with_the_search_on_the_same_examples(tmp_path):
    values = {"random_swap": 0.3, "textfooler": 0.4, "pwws": 0.05}
    same = under_attacks(tmp_path / "same", data=digest("attacked"), **values)
    assert (same.outcome, same.limit) == ("flagged", "at least 38.00 %")
    assert same.title.endswith("under the strongest attack on the same examples")
    other = under_attacks(tmp_path / "other", data=digest("elsewhere"), **values)
    assert (other.outcome, other.limit) == ("passed", "at least 3.00 %")


def test_a_check_that_does_not_apply_is_open_and_not_passed(tmp_path):
    values = {"random_swap": 0.0, "textfooler": 0.02, "pwws": 0.5}
    assert under_attacks(tmp_path, data=digest("attacked"), **values).outcome == "open"
    row = row_of(load_board(tmp_path))
    assert row.decided == len(row.checks) - 2
    assert (
        f"{row.decided} of {row.decided} gradient-masking checks passed; 2 not applicable."
        in render_all(load_board(tmp_path))["index.html"]
    )


def test_rounding_flags_nothing(tmp_path):
    # 0.1 + 0.2 is above 0.3 in floats; a share of 5 % as such a sum is still 5 %.
    assert 0.1 + 0.2 - 0.25 > 0.05
    assert flagged(board_with(tmp_path, zero_gradient_share=0.1 + 0.2 - 0.25)) == []
