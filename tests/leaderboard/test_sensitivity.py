"""Sensitivity of the order: by hand, by another computation from the records, and what more draws change."""

from dataclasses import replace
from itertools import combinations
from math import sqrt

import numpy as np
import pytest

from leaderboard import load_board, load_results, sensitivity
from leaderboard.bootstrap import DRAWS, Resampling, Score
from leaderboard.ranking import ranking
from leaderboard.results import read_sections
from leaderboard.scores import SectionScores
from tests.leaderboard.synthetic import Method, card, records, write_card, write_records, write_results


def section_of(root, suite="toy@1", backbone="minilm"):
    return next(s for s in load_board(root).sections if (s.suite, s.backbone) == (suite, backbone))


def smallest(root):
    return {a.kind: (a.without, a.tau) for a in section_of(root).sensitivity.agreements}


def write_values(root, suite, values):
    """Write rows of two seeds with these values by row: lists over seeds by (task, perspective)."""
    write_card(root, suite)
    for name, of_row in values.items():
        for seed in (0, 1):
            of_seed = records(suite, Method(name), seed)
            for record in of_seed:
                chosen = of_row.get((record["task"]["id"], record["task"]["perspective"]))
                record["value"] = record["value"] if chosen is None else chosen[seed]
            write_records(root, of_seed)
    return root


REVIEWS, STORES, TWEETS = ("reviews", "in-distribution"), ("stores", "shift"), ("tweets", "shift")


def test_by_hand(tmp_path):
    """Two perspectives, three tasks, two seeds.

    Gains in points, in distribution and in shift (the mean of stores and tweets):

    | row | seed 0 | seed 1 | both | Overall |
    |---|---|---|---|---|
    | a | 4; 0, 0 | 4; 0, 8 | 4; 0, 4 | (4 + 2) / 2 = 3 |
    | b | 0; 8, 0 | 0; 2, 0 | 0; 5, 0 | (0 + 2.5) / 2 = 1.25 |
    | vanilla | 0 | 0 | 0 | 0 |

    The order is a, b, vanilla. Without reviews, shift is left: a 2, b 2.5, so one pair of three changes and tau is 1/3.
    Without stores: a 4, b 0, which ties with vanilla. Two of three pairs agree, so tau-b is 2 / sqrt(3 x 2).
    Without tweets: a 2, b 2.5. Without shift: a 4, b 0. Without seed 0: a 4, b 0.5. Without seed 1: a 2, b 2, a tie.
    """
    suite = card()
    suite["tasks"] = [task for task in suite["tasks"] if (task["id"], task["perspective"]) in (REVIEWS, STORES, TWEETS)]
    values = {
        "vanilla": {REVIEWS: [0.80, 0.80], STORES: [0.70, 0.70], TWEETS: [0.60, 0.60]},
        "a": {REVIEWS: [0.84, 0.84], STORES: [0.70, 0.70], TWEETS: [0.60, 0.68]},
        "b": {REVIEWS: [0.80, 0.80], STORES: [0.78, 0.72], TWEETS: [0.60, 0.60]},
    }
    root = write_values(tmp_path, suite, values)
    assert [row.method for row in section_of(root).rows if row.group == "ranked"] == ["a", "b", "vanilla"]
    assert smallest(root) == {
        "task": ("In-distribution: Reviews", pytest.approx(1 / 3)),
        "perspective": ("In-distribution", pytest.approx(1 / 3)),
        "seed": ("seed 1", pytest.approx(2 / sqrt(6))),
    }
    assert section_of(root).sensitivity.text.startswith(
        "Kendall's tau-b of the order by Overall when one part is left out, at least: "
        "0.33 for a task (In-distribution: Reviews), 0.33 for a perspective (In-distribution), "
        "0.82 for a seed (seed 1)."
    )


def test_a_task_is_left_out_of_one_perspective_only(tmp_path):
    """Reviews in two perspectives. Gains in points of a: 0, 0 and 6; of b: 0, 1 and 3.

    Without reviews in distribution, a and b have 3 and 2: tau is 1. Without them in calibration, 0 and 0.5: tau-b is 0.
    """
    suite, ece = card(), ("reviews", "calibration")
    suite["tasks"] = [task for task in suite["tasks"] if (task["id"], task["perspective"]) in (REVIEWS, STORES, ece)]
    values = {
        "vanilla": {REVIEWS: [0.80, 0.80], STORES: [0.70, 0.70], ece: [0.20, 0.20]},
        "a": {REVIEWS: [0.80, 0.80], STORES: [0.70, 0.70], ece: [0.14, 0.14]},
        "b": {REVIEWS: [0.80, 0.80], STORES: [0.71, 0.71], ece: [0.17, 0.17]},
    }
    assert smallest(write_values(tmp_path, suite, values))["task"] == ("Calibration: Reviews", 0.0)


def tau_b(one, other):
    """Kendall's tau-b by counting pairs."""
    pairs = combinations(zip(one, other, strict=True), 2)
    signs = [(np.sign(round(a - b, 9)), np.sign(round(c - d, 9))) for (a, c), (b, d) in pairs]
    untied = [sum(sign[place] != 0 for sign in signs) for place in (0, 1)]
    return sum(a * c for a, c in signs) / sqrt(untied[0] * untied[1])


def overall(frame, weights, *, without_task=None, without_perspective="", without_seed=-1):
    """Overall of every method from the table of records, with nothing of the leaderboard's own."""
    frame = frame[(frame["perspective"] != without_perspective) & (frame["seed"] != without_seed)]
    if without_task is not None:
        frame = frame[(frame["task"] != without_task[0]) | (frame["perspective"] != without_task[1])]
    signed = frame.assign(
        value=frame["value"] * np.where(frame["direction"] == "down", -1, 1),
        weight=[weights.get(key, 1.0) for key in zip(frame["task"], frame["perspective"], strict=True)],
    )
    signed["value"] *= signed["weight"]
    sums = signed.groupby(["method", "perspective", "seed"])[["value", "weight"]].sum()
    scores = sums["value"] / sums["weight"]
    gains = (scores - scores.xs("vanilla", level="method")).dropna()
    return gains.groupby(["method", "perspective"]).mean().groupby("method").mean()


def test_another_computation_from_the_records_agrees(tmp_path):
    """Weights, both directions, a tie, and a row that lacks a seed."""
    suite = card()
    suite["tasks"][2]["weight"] = 0.25
    names = {f"m{number}": Method(f"m{number}", gain=0.001 * number) for number in range(6)}
    write_results(tmp_path, suite, Method(), *names.values(), Method("short", gain=0.004, seeds=(0, 2)))
    for seed in (0, 1, 2):
        alias = records(suite, names["m3"], seed)
        for record in alias:
            record["method"] = {**record["method"], "name": "alias"}
        write_records(tmp_path, alias)
    frame = load_results(tmp_path)
    frame = frame[frame["metric"].isin(["accuracy", "accuracy_under_attack", "ece", "auroc"])]
    weights = {("tweets", "shift"): 0.25}
    order = overall(frame, weights)
    tasks = [(task["id"], task["perspective"], task["title"]) for task in suite["tasks"]]
    others = {
        "task": {(f, t): overall(frame, weights, without_task=(i, f)) for i, f, t in tasks},
        "perspective": {f: overall(frame, weights, without_perspective=f) for _, f, _ in tasks},
        "seed": {seed: overall(frame, weights, without_seed=seed) for seed in (0, 1, 2)},
    }
    expected = {kind: min(tau_b(order, other) for other in of_kind.values()) for kind, of_kind in others.items()}
    computed = smallest(tmp_path)
    assert {kind: tau for kind, (_, tau) in computed.items()} == pytest.approx(expected)
    assert max(expected.values()) < 1
    task, perspective, seed = (computed[kind][0] for kind in expected)
    by_title = {f"{f}: {t}".lower(): other for (f, t), other in others["task"].items()}
    named = (by_title[task.lower()], others["perspective"][perspective.lower()], others["seed"][int(seed[-1])])
    assert [tau_b(order, other) for other in named] == pytest.approx(list(expected.values()))


def test_nothing_is_correlated_where_there_is_no_order(full_results, tmp_path):
    """Two rows, a single seed that cannot be left out, and rows that are all equal."""
    two = section_of(full_results, backbone="roberta").sensitivity
    assert (two.agreements, two.draws) == ((), 10 * DRAWS)
    assert section_of(full_results, "demo@1").sensitivity.text == ""
    alone = write_results(tmp_path / "alone", card(), Method())
    assert section_of(alone).sensitivity.text == ""
    single = card(ranked=False)
    rows = [Method(name, gain=gain, seeds=(0,)) for name, gain in (("vanilla", 0.0), ("a", 0.05), ("b", 0.08))]
    assert set(smallest(write_results(tmp_path / "single", single, *rows))) == {"task", "perspective"}
    same = {name: {(t["id"], t["perspective"]): [0.5, 0.5] for t in card()["tasks"]} for name in ("vanilla", "a", "b")}
    assert smallest(write_values(tmp_path / "same", card(), same)) == {}


def ranked_rows(root):
    _, (section, *_) = read_sections(root)
    return [row for row in ranking(SectionScores(section)) if row.rank is not None]


def test_the_same_number_of_draws_gives_the_tables_decisions(full_results):
    rows = ranked_rows(full_results)
    of_table = [(row.rank, row.worst_rank, row.significant) for row in rows]
    assert sensitivity.decisions(rows, Resampling(DRAWS)) == of_table
    assert {row.significant for row in rows} == {True, False}


def test_more_draws_decide_what_fewer_leave_open(results):
    """22 of 1,000 resamples against a row: 2.2 % lies within four standard errors of 2.5 % for 20,000 draws only."""
    first, vanilla = ranked_rows(results)
    against = np.where(np.arange(1000) < 22, -1.0, 1.0)[None, :]
    border = replace(first, scores=replace(first.scores, score=Score((0,), np.zeros(1), {("data", 1000): against})))
    zero = replace(vanilla, scores=replace(vanilla.scores, score=Score((0,), np.zeros(1), {})))
    assert sensitivity.decisions([border, zero], Resampling(DRAWS)) == [(1, 2, False), (1, 2, False)]
    assert sensitivity.decisions([border, zero], Resampling(10 * DRAWS)) == [(1, 1, True), (2, 2, False)]


def test_draws_of_the_ranking_are_not_drawn_again(results, monkeypatch):
    _, (section, *_) = read_sections(results)
    scores = SectionScores(section)
    rows = ranking(scores)
    for row in rows:
        scores.finer_tests(row.scores)
    monkeypatch.setattr("leaderboard.bootstrap.picks", None)
    assert sensitivity.sensitivity(scores, rows).draws == 10 * DRAWS


def test_changes_are_named(results, monkeypatch):
    assert section_of(results).sensitivity.text == (
        "With 200,000 bootstrap draws instead of 20,000, no rank and no star of Overall changes."
    )
    monkeypatch.setattr("leaderboard.scores.MORE_DRAWS", 100)
    assert section_of(results).sensitivity.text == (
        "With 100 bootstrap draws instead of 20,000, roast has rank 1 (1 to 2) instead of 1; roast loses its star; "
        "vanilla has rank 1 (1 to 2) instead of 2."
    )
    many = sensitivity.Sensitivity(draws=100, changes=tuple("abcdefghij")).text
    assert many == "With 100 bootstrap draws instead of 20,000, a; b; c; d; e; f; g; h; and 2 more."
    monkeypatch.setattr(sensitivity, "MOST_ROWS", 1)
    assert section_of(results).sensitivity.text == ""


def test_it_is_below_the_table_of_every_file(full_results, shared_files):
    section, texts = section_of(full_results), shared_files
    assert section.sensitivity.agreements
    before, after = texts["board.md"].split(section.sensitivity.text)[:2]
    assert "### Ranked" in before
    assert after.startswith("\n\n### Evaluation tasks")
    page = texts["index.html"].replace("&#39;", "'")
    assert page.index('<table class="board') < page.index(section.sensitivity.text) < page.index('<table class="tasks')
    assert '"smallest_tau": {' in texts["board.json"]
