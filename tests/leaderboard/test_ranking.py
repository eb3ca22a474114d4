"""The rule of ranks on draws made by hand, groups of rows, and stars."""

import random
from types import SimpleNamespace

import numpy as np
import pytest

from benchmark.schema import SANITY_CHECKS
from leaderboard import load_board, ranking
from leaderboard.bootstrap import Distribution
from leaderboard.intervals import percentile_interval, upper_p_value
from leaderboard.ranking import LEVEL
from leaderboard.render.charts import forest
from tests.leaderboard.synthetic import Method, card, records, write_card, write_records, write_results


def around(centre, spread, seed, count=4000):
    generator = random.Random(seed)
    return np.array([centre + generator.uniform(-spread, spread) for _ in range(count)])


def rank_intervals(draws):
    """Rank rows by draws of their seed part."""
    rows = [Distribution(0.0, drawn, np.zeros(len(drawn)), 1.0) for drawn in draws]
    return ranking.rank_intervals(rows, np.ones((len(rows), len(rows))))


def test_statistically_tied_rows_share_a_rank():
    first, second, third = around(0.10, 0.02, 1), around(0.09, 0.02, 2), around(0.0, 0.01, 3)
    assert rank_intervals([first, second, third]) == [(1, 2), (1, 2), (3, 3)]


def test_paired_rows_differ_where_their_intervals_overlap():
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


def test_identical_rows_are_ties():
    same = around(0.0, 0.1, 1)
    assert rank_intervals([same, same.copy()]) == [(1, 2), (1, 2)]
    assert rank_intervals([]) == []


def test_a_pair_that_the_draws_leave_open_is_tied():
    """2.3 % of the draws against it: within four standard errors of 2.5 %, so other draws might decide otherwise."""
    zero = np.zeros(20_000)
    for against, ranks in ((460, [(1, 2), (1, 2)]), (400, [(1, 1), (2, 2)])):
        ahead = np.ones(20_000)
        ahead[:against] = -1
        assert rank_intervals([ahead, zero]) == ranks


def test_rank_lies_within_its_interval_and_rows_are_sorted_by_rank(shared_board):
    for section in shared_board.sections:
        ranks = [(int(row.rank), int(row.worst_rank)) for row in section.rows if row.group == "ranked"]
        assert all(best <= worst <= len(ranks) for best, worst in ranks)
        assert ranks == sorted(ranks, key=lambda rank: rank[0])


def groups(board, suite="toy@1", backbone="minilm"):
    section = next(s for s in board.sections if (s.suite, s.backbone) == (suite, backbone))
    return {row.method + row.configuration: row.group for row in section.rows}


def test_every_row_is_in_its_group(shared_board):
    section = shared_board.sections[0]
    assert [(row.method, row.group, row.notes) for row in section.rows if row.group not in ("ranked",)] == [
        ("rift", "apart", ("1 seed complete and shared with vanilla; the suite asks for 2",)),
        ("roast", "published", ("published: A. Author (2020), No such paper",)),
    ]
    assert {row.method for row in section.rows if row.group == "ranked"} == {"vanilla", "roast", "recadam"}


def test_suites_and_backbones_are_never_mixed(shared_board):
    places = [(section.suite, section.backbone) for section in shared_board.sections]
    assert places == [("toy@1", "minilm"), ("toy@1", "roberta"), ("demo@1", "minilm")]


def test_demonstration_is_ordered_and_says_so(shared_board):
    section = shared_board.sections[-1]
    assert section.rule == "Not a ranking: rows are ordered by Overall alone."
    assert [(row.method, row.group, row.rank) for row in section.rows] == [
        ("roast", "ordered", ""),
        ("vanilla", "ordered", ""),
    ]
    assert section.rows[0].notes == ("1 seed complete and shared with vanilla; the suite asks for 2",)
    assert section.rows[1].notes == ("1 seed complete; the suite asks for 2",)


def test_incomplete_row_of_a_demonstration_is_shown_apart(tmp_path):
    suite = card(ranked=False)
    write_results(tmp_path, suite, Method(seeds=(0,)), Method("roast", seeds=(0,)))
    path = tmp_path / "toy@1" / "roast" / "minilm" / "seed-0.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if '"auroc"' not in line), encoding="utf-8")
    assert groups(load_board(tmp_path)) == {"vanilla": "ordered", "roast": "apart"}


def stars(root, *gains, ranked=True, seeds=(0, 1, 2)):
    methods = [Method(f"m{number}", gain=gain, seeds=seeds) for number, gain in enumerate(gains)]
    write_results(root, card(ranked=ranked), Method(seeds=seeds), *methods)
    return {row.method: ("★" if row.overall.star else "", row.p) for row in load_board(root).sections[0].rows}


def test_clear_rows_get_a_star_in_both_directions_and_vanilla_none(tmp_path):
    found = stars(tmp_path, 0.08, -0.05, 0.0)
    assert found["m0"][0] == found["m1"][0] == "★"
    assert found["m2"][0] == ""
    assert float(found["m2"][1]) > LEVEL
    assert found["vanilla"] == ("", "")


def test_more_rows_raise_the_corrected_p_value(tmp_path):
    alone, crowded = stars(tmp_path / "a", 0.08), stars(tmp_path / "b", *[0.08] * 60)
    assert alone["m0"][0] == "★"
    # The p-value alone counts two of 20,000 draws, the other is of ten times as many.
    assert float(alone["m0"][1]) < float(crowded["m0"][1]) == pytest.approx(60 * float(alone["m0"][1]), rel=0.3)


def test_among_many_rows_a_clear_one_is_still_found(tmp_path):
    """With 31 rows and 5 perspectives, 20,000 draws leave even a p-value of which no draw is on the other side open."""
    seeds = tuple(range(10))
    methods = [Method(f"m{number}", gain=0.08 * (number == 0), seeds=seeds) for number in range(31)]
    write_results(tmp_path, card(), Method(seeds=seeds), *methods)
    (section,) = load_board(tmp_path).sections
    assert "m0 is better in Overall" in section.finding
    assert "in-distribution (+" in section.finding


@pytest.mark.parametrize(("finer", "significant"), [(1e-5, True), (1e-3, False)])
def test_a_p_value_at_its_least_is_computed_again_however_many_tests_there_are(finer, significant):
    """Of 600 tests, a corrected p-value of 2 / 20,001 is above the level."""

    def row(number, p, draws):
        gain = SimpleNamespace(p=p, p_bound=upper_p_value(p, draws))
        return SimpleNamespace(scores=SimpleNamespace(row=SimpleNamespace(number=number), tests={"shift": gain}))

    rows = [row(0, 2 / 20_001, 20_000), *[row(number, 0.5, 20_000) for number in range(1, 600)]]
    scores = SimpleNamespace(finer_tests=lambda scores: row(0, finer, 200_000).scores.tests)
    corrected = ranking._corrected(scores, rows, ["shift"])
    assert corrected[0, "shift"] == (pytest.approx(600 * finer), significant)
    assert not any(test.significant for key, test in corrected.items() if key != (0, "shift"))


def test_rows_that_are_not_ranked_get_no_star(tmp_path):
    assert set(stars(tmp_path / "a", 0.08, ranked=False).values()) == {("", "")}
    write_results(tmp_path / "b", card(), Method(), Method("rift", gain=0.08, seeds=(0,)))
    rows = load_board(tmp_path / "b").sections[0].rows
    assert not next(row.overall.star for row in rows if row.method == "rift")


def test_a_finding_says_which_rows_differ_where_and_by_how_much(results, tmp_path):
    (section,) = load_board(results).sections
    assert section.finding == (
        "Significant differences from vanilla, in points: roast is better in Overall (+3.2), in-distribution (+4.9), "
        "shift (+4.4), adversarial (+1.6), calibration (+0.7), anomaly (+4.3). No significant difference: 0 of 1."
    )
    equal = write_results(tmp_path / "equal", card(), Method(), Method("recadam"))
    assert load_board(equal).sections[0].finding == "No row differs significantly from vanilla (1 row compared)."
    assert load_board(write_results(tmp_path / "alone", card(), Method())).sections[0].finding == ""


def test_smallest_detectable_difference_is_stated_above_the_table(results, tmp_path):
    (section,) = load_board(results).sections
    smallest = dict(section.detectable)
    assert list(smallest) == ["in-distribution", "shift", "adversarial", "calibration", "anomaly", "overall"]
    assert section.above.endswith(f"anomaly {smallest['anomaly']}, Overall {smallest['overall']}.")
    assert "Smallest difference from vanilla that 3 seeds detect with 80 % power" in section.above
    alone = load_board(write_results(tmp_path / "alone", card(), Method())).sections[0]
    assert [name for name, _ in alone.detectable] == list(smallest)
    single = load_board(write_results(tmp_path / "single", card(), Method(seeds=(0,)))).sections[0]
    assert (single.detectable, single.detectable_rule) == ((), "")


def test_few_seeds_are_said_to_be_few(tmp_path):
    for needed, few in ((3, True), (5, False)):
        root = write_results(tmp_path / str(needed), card(minimum_seeds=needed), Method(seeds=(0, 1, 2, 3, 4)))
        assert ("only large differences show" in load_board(root).sections[0].rule) == few


def test_vanilla_under_another_name_is_tied_with_it(tmp_path):
    suite = card()
    write_results(tmp_path, suite, Method())
    for seed in (0, 1, 2):
        alias = records(suite, Method(), seed)
        for record in alias:
            record["method"] = {**record["method"], "name": "alias"}
        write_records(tmp_path, alias)
    section = load_board(tmp_path).sections[0]
    rows = {row.method: row for row in section.rows}
    assert (rows["alias"].overall.text, rows["alias"].overall.star, rows["alias"].p) == ("0.00", False, "1.0000")
    assert (rows["alias"].better.text, rows["alias"].equivalent) == ("50.0", "yes")
    assert {row.rank for row in rows.values()} == {"1"}
    assert not any(gain.significant for gain in section.gains_of(rows["alias"]))


@pytest.mark.parametrize("attacked", [0.0, 0.2])
def test_a_constant_classifier_and_a_coin_are_never_better_than_vanilla(tmp_path, attacked):
    """A constant answer is right for half of the texts, cannot be flipped, and can be perfectly calibrated."""
    suite = card() | {"largest_class": {"reviews": 0.52}}
    write_card(tmp_path, suite)
    share = {"accuracy": 0.52, "accuracy_under_attack": 0.52, "ece": 0.0, "auroc": 0.5}
    coin = share | {"accuracy": 0.5, "accuracy_under_attack": 0.25}
    vanilla = {"accuracy": 0.80, "accuracy_under_attack": attacked, "ece": 0.10, "auroc": 0.7}
    generator = random.Random(0)
    for name, values in (("vanilla", vanilla), ("majority", share), ("coin", coin)):
        for seed in range(5):
            found = records(suite, Method(name), seed)
            for record in found:
                value = values.get(record["metric"]["id"])
                if value is not None:
                    record["value"] = min(max(value + (name != "majority") * generator.gauss(0, 0.01), 0.0), 1.0)
                    record["replicates"] = [
                        min(max(record["value"] + generator.gauss(0, 0.02), 0.0), 1.0) for _ in record["replicates"]
                    ]
            write_records(tmp_path, found)
    section = load_board(tmp_path).sections[0]
    rows = {row.method: row for row in section.rows}
    for name in ("majority", "coin"):
        assert (rows[name].group, rows[name].rank, rows[name].overall.star) == ("apart", "", False)
        assert name not in section.finding
        assert float(rows[name].overall.text) < 0 or attacked == 0.0
    assert float(rows["coin"].overall.text) < 0


def test_sanity_checks_are_a_group_that_changes_no_other_row(tmp_path):
    """However good it is, a sanity check has no rank, no star and no part in the correction."""
    seeds = (0, 1, 2, 3, 4)
    write_results(tmp_path, card(), Method(seeds=seeds), Method("better", gain=0.05, seeds=seeds))
    before = load_board(tmp_path).sections[0]
    write_results(tmp_path, card(), *(Method(name, gain=0.1, seeds=seeds) for name in SANITY_CHECKS))
    section = load_board(tmp_path).sections[0]
    assert [row for row in section.rows if row.group != "sanity"] == list(before.rows)
    assert section.finding == before.finding
    checks = {row.method: row for row in section.rows if row.group == "sanity"}
    assert set(checks) == set(SANITY_CHECKS)
    for row in checks.values():
        assert (row.rank, row.p, row.overall.star) == ("", "", False)
        assert not any(row.figures[column.key].star for column in section.perspectives)
    assert not {bar.label for panel in forest(section).panels for bar in panel.bars} & set(SANITY_CHECKS)


def ranks(root):
    return {row.method: (row.rank, row.worst_rank) for row in load_board(root).sections[0].rows}


def test_ranking_does_not_depend_on_names_or_on_a_row_without_a_significant_difference(tmp_path):
    """Permuted rows get the same ranks, and a row that is better than none moves no other."""
    gains = {"a": 0.08, "b": 0.05, "c": 0.0, "d": -0.05}
    seeds = (0, 1, 2, 3, 4)

    def written(folder, order, *more):
        suite = card()
        write_results(folder, suite, Method(seeds=seeds))
        for name, original in order.items():
            for seed in seeds:
                found = records(suite, Method(original, gain=gains[original]), seed)
                for record in found:
                    record["method"] = {**record["method"], "name": name}
                write_records(folder, found)
        write_results(folder, suite, *more)
        return ranks(folder)

    plain = written(tmp_path / "plain", {name: name for name in gains})
    permuted = written(tmp_path / "permuted", dict(zip(gains, "cadb", strict=True)))
    assert {original: permuted[name] for name, original in zip(gains, "cadb", strict=True)} == {
        name: plain[name] for name in gains
    }
    added = written(tmp_path / "added", {name: name for name in gains}, Method("zz", gain=-0.2, seeds=seeds))
    assert {name: added[name][0] for name in plain} == {name: rank for name, (rank, _) in plain.items()}


def test_only_a_change_whose_interval_leaves_out_zero_is_coloured(results, tmp_path):
    section = load_board(results).sections[0]
    rows = {row.method: row for row in section.rows}
    scores, tasks = section.perspectives, section.tasks
    assert all(rows["roast"].figures[column.key].significant for column in scores)
    assert not any(rows["vanilla"].figures[column.key].significant for column in scores)
    assert not any(rows["roast"].figures[column.key].significant for column in tasks)
    equal = load_board(write_results(tmp_path / "equal", card(), Method(), Method("recadam")))
    rows = {row.method: row for row in equal.sections[0].rows}
    assert not all(rows["recadam"].figures[column.key].significant for column in scores)
