"""A paper's table out of records: means per seed first, intervals, what was published, gaps, and every format."""

import csv
import io
import json

import pytest

from leaderboard.paper_table import (
    GRID_FORMATS,
    PaperColumn,
    PaperRow,
    PaperTable,
    Place,
    as_json,
    fill,
    grid,
)
from tests.leaderboard.synthetic import Method, card, published, records, write_card, write_published, write_records
from tests.leaderboard.test_trial_notes import write_tuned

SUITE = "toy@1"


def column(label, perspective, metric, *tasks, absent=None, departs="", better="up"):
    single = len(tasks) == 1 and not absent
    item = (tasks[0] if single else perspective, perspective, metric)
    return PaperColumn(label, SUITE, item, tasks, absent or {}, departs, "fraction", better)


COLUMNS = (
    column("inD", "in-distribution", "accuracy", "reviews"),
    column("ooD", "shift", "accuracy", "stores", "tweets"),
    column("more", "shift", "accuracy", "stores", absent={"poem": "exists as the authors' file only"}),
    column("ECE", "calibration", "ece", "reviews", "tweets", better="down"),
    column("other", "in-distribution", "accuracy", "reviews", departs="another part of the set"),
)


def table(*names, seeds=(0, 1, 2), title="A table", columns=COLUMNS):
    rows = tuple(PaperRow(name.title(), {SUITE: Place(SUITE, name, "")}) for name in names)
    return PaperTable(title, "A. Author (2020)", "minilm", seeds, columns, rows, ("A note.",))


@pytest.fixture
def measured(tmp_path):
    """Two methods, three seeds; the records, by method and seed, next to the folder."""
    suite = card()
    found = {name: {seed: records(suite, Method(name), seed) for seed in range(3)} for name in ("vanilla", "roast")}
    write_card(tmp_path / "results", suite)
    for by_seed in found.values():
        for record in by_seed.values():
            write_records(tmp_path / "results", record)
    return tmp_path / "results", found


def value(record_list, task, metric):
    return next(r["value"] for r in record_list if (r["task"]["id"], r["metric"]["id"]) == (task, metric))


def test_a_cell_is_the_mean_over_seeds_of_means_over_sets_with_a_t_interval(measured):
    results, found = measured
    cell = fill(table("vanilla"), results, None)[0][1]
    points = [(value(r, "stores", "accuracy") + value(r, "tweets", "accuracy")) / 2 for r in found["vanilla"].values()]
    mean = sum(points) / 3
    spread = (sum((p - mean) ** 2 for p in points) / 2) ** 0.5
    assert cell.measured.value == pytest.approx(mean)
    assert cell.measured.high - mean == pytest.approx(4.3026527 * spread / 3**0.5)
    assert (cell.published, cell.difference, cell.notes, cell.missing) == (None, None, (), {})


def test_one_seed_has_no_interval_and_other_seeds_do_not_count(measured):
    results, found = measured
    cell = fill(table("vanilla", seeds=(1,)), results, None)[0][0]
    assert cell.measured.value == value(found["vanilla"][1], "reviews", "accuracy")
    assert (cell.measured.low, cell.measured.high) == (None, None)


def test_tuned_rows_do_not_count(measured):
    results, _ = measured
    write_tuned(results, card(), "mixup", [(150, 120)])
    assert fill(table("mixup"), results, None)[0][0].notes == ("not run",)


def test_a_published_number_stands_in_the_row_that_the_paper_prints_it_in(measured, tmp_path):
    results, _ = measured
    record = published(card(), "roast", "A. Author (2020)", "reviews", 0.9)
    record["source"]["row"] = "Roast"
    mean = {**record, "task": {**record["task"], "id": "shift", "perspective": "shift"}, "value": 0.5}
    write_published(tmp_path / "printed", [record, mean])
    vanilla, roast = fill(table("vanilla", "roast"), results, tmp_path / "printed")
    assert [cell.published for cell in vanilla] == [None] * 5
    assert [cell.published for cell in roast] == [0.9, 0.5, 0.5, None, 0.9]
    assert roast[0].difference == pytest.approx(roast[0].measured.value - 0.9)
    assert roast[1].difference == pytest.approx(roast[1].measured.value - 0.5)


def test_no_difference_is_taken_between_means_over_other_sets(measured, tmp_path):
    results, _ = measured
    record = published(card(), "roast", "A. Author (2020)", "reviews", 0.9)
    record["source"]["row"] = "Roast"
    mean = {**record, "task": {**record["task"], "id": "shift", "perspective": "shift"}}
    write_published(tmp_path / "printed", [record, mean])
    (cells,) = fill(table("roast"), results, tmp_path / "printed")
    assert (cells[2].published, cells[2].difference) == (0.9, None)
    assert cells[2].notes == ("a mean over 1 of the paper's 2 sets, without poem",)
    assert (cells[4].published, cells[4].difference, cells[4].notes) == (0.9, None, ("another part of the set",))


@pytest.mark.parametrize("change", [{"paper": "B. Author (2021)"}, {"row": "RoAST, large"}])
def test_numbers_of_other_papers_and_rows_stay_out(measured, tmp_path, change):
    results, _ = measured
    record = published(card(), "roast", "A. Author (2020)", "reviews", 0.9)
    write_published(tmp_path / "printed", [{**record, "source": {**record["source"], "row": "Roast", **change}}])
    assert fill(table("roast"), results, tmp_path / "printed")[0][0].published is None


def test_a_set_that_is_unavailable_is_a_gap_with_its_reason(measured):
    results, found = measured
    for record in (r for seed in range(3) for r in found["vanilla"][seed] if r["task"]["id"] == "tweets"):
        record.update(value=None, status="unavailable", reason="not available here", replicates=None)
    for seed in range(3):
        write_records(results, found["vanilla"][seed])
    cells = fill(table("vanilla"), results, None)[0]
    assert cells[1].notes == ("a mean over 1 of the paper's 2 sets, without tweets",)
    assert cells[1].missing == {"tweets": "not available here"}
    assert cells[0].missing == {}


def test_a_row_that_was_not_run_is_empty_with_a_reason(measured):
    results, _ = measured
    cells = fill(table("smart"), results, None)[0]
    assert all(cell.measured.value is None and cell.notes == ("not run",) for cell in cells)
    assert fill(table("smart"), results / "nowhere", None)[0][0].notes == ("not run",)


def test_a_run_with_a_protocol_option_is_no_row_of_the_table(measured):
    results, found = measured
    plain = fill(table("vanilla"), results, None)[0][0].measured
    for seed in range(3):
        write_records(results, [{**r, "protocol": ["ece-index-bug"], "value": 0.01} for r in found["vanilla"][seed]])
    assert fill(table("vanilla"), results, None)[0][0].measured == plain


def test_every_format_has_the_same_texts_and_three_lines_a_row(measured):
    results, _ = measured
    shown = table("vanilla", "roast")
    cells = fill(shown, results, None)
    made = grid(shown, cells)
    assert [line[1] for line in made.lines] == ["measured", "published", "difference"] * 2
    assert made.headings == ("Method", "", "inD % ↑", "ooD % ↑", "more % ↑", "ECE % ↓", "other % ↑")
    assert made.lines[0][3].count("±") == 1
    assert made.lines[1][2:] == made.lines[2][2:] == ("",) * 5
    rows = list(csv.reader(io.StringIO(GRID_FORMATS["csv"](made))))
    assert rows[1][2:] == list(made.lines[0][2:])
    assert made.lines[0][2] in GRID_FORMATS["md"](made)
    assert json.loads(as_json(shown, cells))["rows"][0]["cells"][0]["measured"] == cells[0][0].measured.value
    assert not any(line.startswith("[") for line in GRID_FORMATS["tex"](made).splitlines())
    assert any("no number was found in a source that can be cited" in note for note in made.notes)
    assert [note for note in made.notes if note.startswith("poem:")] == ["poem: exists as the authors' file only"]


def test_hostile_labels_and_reasons_are_escaped(measured):
    results, _ = measured
    rows = (PaperRow("=HYPERLINK(1)", {SUITE: Place(SUITE, "vanilla", "")}),)
    hostile = PaperTable(
        r"\input{x} <b>", "P", "minilm", (0,), COLUMNS[:1], rows, ("<script>alert(1)</script> | $x$ \\write18",)
    )
    made = grid(hostile, fill(hostile, results, None))
    assert "'=HYPERLINK(1)" in GRID_FORMATS["csv"](made)
    assert "<script>" not in GRID_FORMATS["md"](made).replace(r"\<", "&lt;")
    assert r"\input" not in GRID_FORMATS["tex"](made)
    assert r"\write" not in GRID_FORMATS["tex"](made)
