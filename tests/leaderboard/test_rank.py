"""The ranking rule, on draws made by hand."""

import math
import random

import numpy as np

from leaderboard import load_board
from leaderboard.intervals import percentile_interval
from leaderboard.rank import rank_intervals
from tests.leaderboard.synthetic import Method, card, write_results


def around(centre, spread, seed, count=4000):
    generator = random.Random(seed)
    return np.array([centre + generator.uniform(-spread, spread) for _ in range(count)])


def test_rows_that_cannot_be_told_apart_share_a_rank():
    first, second, third = around(0.10, 0.02, 1), around(0.09, 0.02, 2), around(0.0, 0.01, 3)
    assert rank_intervals([first, second, third]) == [(1, 2), (1, 2), (3, 3)]


def test_paired_rows_are_told_apart_where_their_intervals_overlap():
    shared = around(0.0, 0.5, 1)
    assert rank_intervals([shared, shared + 0.01]) == [(2, 2), (1, 1)]


def test_ties_need_not_be_transitive():
    high, middle, low = around(0.10, 0.001, 1), around(0.06, 0.06, 2), around(0.02, 0.001, 3)
    assert rank_intervals([high, middle, low]) == [(1, 2), (1, 3), (2, 3)]


def test_rule_is_the_percentile_interval_of_the_difference():
    rows = [around(centre, 0.05, seed) for seed, centre in enumerate((0.0, 0.02, 0.05, 0.051, 0.12))]

    def better(mine, theirs):
        return percentile_interval(mine - theirs)[0] > 0

    expected = [
        (1 + sum(better(other, row) for other in rows), len(rows) - sum(better(row, other) for other in rows))
        for row in rows
    ]
    assert rank_intervals(rows) == expected


def test_identical_rows_and_infinite_draws_are_ties():
    same = around(0.0, 0.1, 1)
    assert rank_intervals([same, same.copy()]) == [(1, 2), (1, 2)]
    endless = np.full(len(same), math.inf)
    assert rank_intervals([endless, endless.copy()]) == [(1, 2), (1, 2)]
    assert rank_intervals([]) == []


def test_a_pair_that_the_draws_leave_open_is_tied():
    """2.3 % of the draws against it: within four standard errors of 2.5 %, so other draws might decide otherwise."""
    zero = np.zeros(20_000)
    for against, ranks in ((460, [(1, 2), (1, 2)]), (400, [(1, 1), (2, 2)])):
        ahead = np.ones(20_000)
        ahead[:against] = -1
        assert rank_intervals([ahead, zero]) == ranks


def test_rank_stands_within_its_interval_and_rows_stand_by_rank(full_results):
    for section in load_board(full_results).sections:
        ranks = [(int(row.rank), int(row.worst)) for row in section.rows if row.group == "ranked"]
        assert all(best <= worst <= len(ranks) for best, worst in ranks)
        assert ranks == sorted(ranks, key=lambda rank: rank[0])


def groups(board, suite="toy@1", backbone="minilm"):
    section = next(s for s in board.sections if (s.suite, s.backbone) == (suite, backbone))
    return {row.method + row.configuration: row.group for row in section.rows}


def test_every_row_is_in_its_group(full_results):
    board = load_board(full_results)
    section = board.sections[0]
    assert [(row.method, row.group, row.notes) for row in section.rows if row.group not in ("ranked",)] == [
        ("rift", "apart", ("1 seed complete and shared with vanilla; the suite asks for 2",)),
        ("roast", "published", ("published: A. Author (2020), No such paper",)),
    ]
    assert {row.method for row in section.rows if row.group == "ranked"} == {"vanilla", "roast", "recadam"}


def test_suites_and_backbones_are_never_mixed(full_results):
    board = load_board(full_results)
    places = [(section.suite, section.backbone) for section in board.sections]
    assert places == [("toy@1", "minilm"), ("toy@1", "roberta"), ("demo@1", "minilm")]


def test_demonstration_is_ordered_and_says_so(full_results):
    section = load_board(full_results).sections[-1]
    assert section.rule == "Not a ranking: rows are ordered by Overall alone."
    assert [(row.method, row.group, row.rank) for row in section.rows] == [
        ("roast", "ordered", ""),
        ("vanilla", "ordered", ""),
    ]
    assert section.rows[0].notes == ("1 seed complete and shared with vanilla; the suite asks for 2",)


def test_incomplete_row_of_a_demonstration_is_shown_apart(tmp_path):
    suite = card(ranked=False)
    write_results(tmp_path, suite, Method(seeds=(0,)), Method("roast", seeds=(0,)))
    path = tmp_path / "toy@1" / "roast" / "minilm" / "seed-0.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"auroc"' not in line), encoding="utf-8")
    assert groups(load_board(tmp_path)) == {"vanilla": "ordered", "roast": "apart"}
