"""Rows and sections that are no better than a constant classifier are not ranked."""

import csv
import json
import random

import pytest

from benchmark.cli.leaderboard_commands import build as build_command
from benchmark.schema import IntegrityError, UsageError, read_results
from leaderboard import build, compare, load_board
from leaderboard.ranking import at_chance
from leaderboard.results import read_sections
from leaderboard.scores import SectionScores
from tests.leaderboard.synthetic import LEVELS, Method, card, digest, records, write_card, write_records

# A three-way task as it was measured: nearly constant answers are hard to flip, and nearly uniform ones are calibrated.
CONSTANT = {"accuracy": 103 / 300, "accuracy_under_attack": 0.367, "ece": 0.02}
VANILLA = {"accuracy": 118 / 300, "accuracy_under_attack": 0.10, "ece": 0.08}
NO_ROW = (
    "No row is ranked, because vanilla is at chance: its in-distribution accuracy, 39.33 %, is not significantly above "
    "the share of the largest class, 34.00 %."
)
NEXT_STEP = (
    " Give vanilla more epochs or a larger learning rate in a copy of the suite, or let the command temper tune choose "
    "the learning rate."
)
LEARNT = {"accuracy": 0.60, "accuracy_under_attack": 0.12, "ece": 0.07}


def write(root, suite, name, values, seeds=(0, 1, 2)):
    for seed in seeds:
        found = records(suite, Method(name), seed)
        for record in found:
            value = values.get(record["metric"]["id"])
            if value is not None:
                generator = random.Random(f"{record['task']['data']} {seed}")
                spread = 0.034  # a fraction near 1/3 of 200 examples
                record["value"] = value
                record["replicates"] = [
                    min(1.0, max(0.0, generator.gauss(value, spread))) for _ in record["replicates"]
                ]
        write_records(root, found)


def vanilla_at_chance(root):
    _, (section,) = read_sections(root)
    scores = SectionScores(section)
    return at_chance(scores, scores.vanilla)


def with_share(share, count=300):
    suite = card() | ({} if share is None else {"largest_class": {"reviews": share}})
    for entry in suite["tasks"]:
        entry["n"] = count
    return suite


def board(root, vanilla, constant, share=0.34):
    suite = with_share(share)
    write_card(root, suite)
    write(root, suite, "vanilla", vanilla)
    write(root, suite, "mvp", constant)
    (section,) = load_board(root).sections
    return section, {row.method: row for row in section.rows}


def test_a_row_at_chance_is_not_ranked_and_says_so(tmp_path):
    section, rows = board(tmp_path, LEARNT, CONSTANT)
    assert rows["vanilla"].group == "ranked"
    assert rows["mvp"].group == "apart"
    assert any(
        "34.33 %, is not significantly above the share of the largest class, 34.00 %" in note
        for note in rows["mvp"].notes
    )
    assert section.rule.startswith("Ranked by Overall")


def test_a_section_whose_vanilla_is_at_chance_is_not_ranked_and_says_so(tmp_path):
    section, rows = board(tmp_path / "results", VANILLA, LEARNT)
    assert {row.group for row in rows.values()} == {"apart"}
    assert (section.rule, section.ranked, section.finding) == (NO_ROW + NEXT_STEP, False, "")
    assert "vanilla, the reference, is at chance" in " ".join(rows["mvp"].notes)
    # By name: in an order by Overall the constant answer would be first.
    assert list(rows) == ["mvp", "vanilla"]
    build(tmp_path / "results", tmp_path / "site")
    page, text, tex = (
        (tmp_path / "site" / name).read_text("utf-8") for name in ("index.html", "board.md", "board.tex")
    )
    assert page.index(NO_ROW) < page.index('<table class="board')
    assert text.index(NO_ROW) < text.index("| Rank")
    assert NEXT_STEP in page
    assert NO_ROW.replace("%", r"\%") in tex
    # Neither the rule of ranks nor a claim that rows are ranked.
    assert "Ranked by Overall" not in page + text
    assert "Rank is 1 plus" not in tex
    (described,) = json.loads((tmp_path / "site" / "board.json").read_text("utf-8"))["sections"]
    assert (described["rule"], described["ranked"]) == (NO_ROW + NEXT_STEP, False)
    with (tmp_path / "site" / "board.csv").open(encoding="utf-8", newline="") as file:
        assert all(line["notes"].startswith(NO_ROW.removesuffix(".")) for line in csv.DictReader(file))


def test_board_build_prints_the_sentence_above_the_table(tmp_path, capsys):
    board(tmp_path / "results", VANILLA, CONSTANT)
    build_command(tmp_path / "results", site=tmp_path / "site")
    shown = " ".join(capsys.readouterr().out.split())
    assert shown.index(NO_ROW + NEXT_STEP) < shown.index("mvp")


@pytest.mark.parametrize(("right", "above"), [(118, False), (119, True)])
def test_one_seed_is_judged_by_the_score_test_whatever_its_resamples(tmp_path, right, above):
    # z is 1.95 for 118 of 300 against 34 %, and 2.07 for 119. A fifth of all sets of 200 resamples of the former have
    # so few below 34 % that counting them would let it pass.
    suite = with_share(0.34)
    write_card(tmp_path, suite)
    for luck in (0.0, 0.2):
        found = records(suite, Method(), 0)
        for record in found:
            if record["task"]["perspective"] == "in-distribution":
                record |= {"value": right / 300, "replicates": [right / 300 + luck] * 40}
        write_records(tmp_path, found)
        assert bool(vanilla_at_chance(tmp_path)) is not above


def test_compare_gives_no_verdict_on_a_row_at_chance(tmp_path):
    board(tmp_path, LEARNT, CONSTANT)
    overall, *single = compare("mvp", "vanilla", tmp_path).differences
    assert {one.verdict for one in (overall, *single)} == {"unknown"}
    assert overall.reason.startswith("mvp: in-distribution accuracy, 34.33 %, is not significantly above")


def test_compare_gives_no_verdict_on_a_row_at_chance_and_one_of_its_name(tmp_path):
    for name, values in (("here", CONSTANT), ("there", LEARNT)):
        write_card(tmp_path / name, with_share(0.34))
        write(tmp_path / name, with_share(0.34), "mvp", values)
    rows = [str(tmp_path / name / "toy@1/mvp/minilm") for name in ("here", "there")]
    for pair in (rows, rows[::-1]):
        overall, *_ = compare(*pair, tmp_path).differences
        assert overall.verdict == "unknown"
        assert overall.reason.startswith("mvp: in-distribution accuracy, 34.33 %, is not significantly above")


def test_a_mean_over_seeds_that_disagree_is_not_significantly_above(tmp_path):
    suite = with_share(0.34)
    write_card(tmp_path, suite)
    write(tmp_path, suite, "vanilla", LEARNT | {"accuracy": 0.34}, seeds=(0, 1))
    write(tmp_path, suite, "vanilla", LEARNT | {"accuracy": 0.90}, seeds=(2,))
    assert "52.67 %, is not significantly above" in vanilla_at_chance(tmp_path)
    write(tmp_path, suite, "vanilla", LEARNT, seeds=(0, 1, 2))
    assert not vanilla_at_chance(tmp_path)


def test_rows_above_chance_are_ranked_as_before(tmp_path):
    _, known = board(tmp_path / "a", LEARNT, LEARNT | {"accuracy": 0.62})
    _, unknown = board(tmp_path / "b", LEARNT, LEARNT | {"accuracy": 0.62}, share=None)
    assert {row.group for row in known.values()} == {"ranked"}
    assert [(r.rank, r.overall.text) for r in known.values()] == [(r.rank, r.overall.text) for r in unknown.values()]


def test_a_card_without_the_share_decides_nothing(tmp_path):
    _, rows = board(tmp_path, LEARNT, CONSTANT | {"accuracy": 0.58}, share=None)
    assert rows["mvp"].group == "ranked"


@pytest.mark.parametrize(
    ("share", "message"), [({"reviews": 0.0}, "a share above 0"), ({"x": 0.5}, "is not an evaluation task")]
)
def test_a_wrong_share_is_refused(tmp_path, share, message):
    suite = card() | {"largest_class": share}
    with pytest.raises((IntegrityError, UsageError, ValueError), match=message):
        write_card(tmp_path, suite)
        read_results(tmp_path)


def test_weights_count_in_the_accuracy_its_interval_and_the_share_of_the_largest_class(tmp_path, monkeypatch):
    monkeypatch.setitem(LEVELS, ("mails", "accuracy"), 0.5)
    suite = with_share(0.34)
    reviews = next(task for task in suite["tasks"] if task["perspective"] == "in-distribution")
    mails = {**reviews, "id": "mails", "title": "Mails", "data": digest("mails"), "weight": 3}
    suite = {**suite, "tasks": [*suite["tasks"], mails], "largest_class": {"reviews": 0.34, "mails": 0.5}}
    write_card(tmp_path, suite)
    for seed in (0, 1, 2):
        found = records(suite, Method(), seed)
        for record in (one for one in found if one["task"]["perspective"] == "in-distribution"):
            record["value"] = {"reviews": 0.6, "mails": 0.4687}[record["task"]["id"]]
        write_records(tmp_path, found)
    # 4.15 points above the share: more than the distance of the interval's end with equal weights, 3.96, and less than
    # that with these, sqrt(5.64² + (3 * 5.57)²) / 4 = 4.41.
    assert vanilla_at_chance(tmp_path) == (
        "in-distribution accuracy, 50.15 %, is not significantly above the share of the largest class, 46.00 %"
    )
