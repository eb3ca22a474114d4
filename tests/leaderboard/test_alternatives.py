"""Tables of the same models by other metrics: other OOD scores, and what remains of a gain after calibration."""

import csv
import io
import json
from pathlib import Path
from statistics import fmean

import pytest

from benchmark.evaluation.metrics import METRICS
from leaderboard import load_board
from leaderboard.definitions import ALTERNATIVES
from leaderboard.figures import decimal
from leaderboard.site_files import render_all
from tests.leaderboard import synthetic
from tests.leaderboard.synthetic import Method, card, records, write_card, write_records, write_results

OTHERS = {
    "auroc_energy": ("anomaly", "up", 0.6),
    "auroc_knn": ("anomaly", "up", 0.8),
    "ece_beta": ("calibration", "down", 0.05),
}
METHODS = (Method(), Method("roast", gain=0.06), Method("rift", gain=0.02, seeds=(0, 2)))


@pytest.fixture
def suite(monkeypatch):
    """A card whose tasks list other metrics too, and weigh differently."""
    suite = card()
    suite["tasks"].append(
        suite["tasks"][-1] | {"id": "news", "title": "News", "data": synthetic.digest("news"), "weight": 3}
    )
    monkeypatch.setitem(synthetic.LEVELS, ("news", "auroc"), 0.5)
    for metric, (perspective, direction, level) in OTHERS.items():
        suite["metrics"][metric] = {
            "version": 1, "direction": direction, "title": metric.upper(), "description": "By <b>.", "unit": "fraction",
        }  # fmt: skip
        for entry in suite["tasks"]:
            if entry["perspective"] == perspective:
                entry["metrics"] = [*entry["metrics"], metric]
                monkeypatch.setitem(synthetic.LEVELS, (entry["id"], metric), level)
    return suite


def values(found, perspective, metric, weights):
    """The weighted mean over tasks by method and seed."""
    sums = {}
    for record in found:
        if (record["task"]["perspective"], record["metric"]["id"]) == (perspective, metric):
            weight = weights.get(record["task"]["id"], 1)
            sums.setdefault((record["method"]["name"], record["seed"]), []).append((record["value"], weight))
    return {key: sum(v * w for v, w in pairs) / sum(w for _, w in pairs) for key, pairs in sums.items()}


def test_every_metric_exists():
    for known in ALTERNATIVES.values():
        assert set(known.metrics) <= set(METRICS)


def test_columns_hold_means_and_gains_over_vanilla(suite, tmp_path):
    found = [record for method in METHODS for seed in method.seeds for record in records(suite, method, seed)]
    board = load_board(write_results(tmp_path, suite, *METHODS))
    (section,) = board.sections
    keys = ["calibration/ece", "calibration/ece_beta", "anomaly/auroc", "anomaly/auroc_energy", "anomaly/auroc_knn"]
    assert [column.key for column in section.alternatives] == keys
    rows = {row.method: row for row in section.rows}
    for column in section.alternatives:
        perspective, _, metric = column.key.partition("/")
        expected = values(found, perspective, metric, {"news": 3})
        sign = -1 if perspective == "calibration" else 1
        for method in METHODS:
            figure = column.cell(rows[method.name])
            mine = [expected[method.name, seed] for seed in method.seeds]
            theirs = [expected["vanilla", seed] for seed in method.seeds]
            assert figure.text == decimal(100 * fmean(mine), 2)
            gain = decimal(100 * sign * (fmean(mine) - fmean(theirs)), 1, signed=True)
            assert figure.change == ("" if method.name == "vanilla" else gain)
            assert not figure.significant
    for name in ("calibration", "anomaly"):
        (first,) = (c for c in section.alternatives if c.key in ("calibration/ece", "anomaly/auroc") and name in c.key)
        for row in section.rows:
            plain, figure = row.figures[name], first.cell(row)
            assert (figure.text, figure.spread, figure.change) == (plain.text, plain.spread, plain.change)


def test_files_have_the_columns_and_the_page_the_tables(suite, tmp_path):
    texts = render_all(load_board(write_results(tmp_path, suite, *METHODS)))
    row = json.loads(texts["board.json"])["sections"][0]["rows"][0]
    assert list(row["alternatives"]) == [
        "calibration/ece", "calibration/ece_beta", "anomaly/auroc", "anomaly/auroc_energy", "anomaly/auroc_knn"
    ]  # fmt: skip
    line = next(csv.DictReader(io.StringIO(texts["board.csv"])))
    assert float(line["anomaly/auroc_knn_percent"]) == row["alternatives"]["anomaly/auroc_knn"]["value"]
    page = texts["index.html"]
    for name, columns in (("anomaly", ["MSP", "Energy", "k-NN"]), ("calibration", ["As trained", "Beta"])):
        table = page.partition(f'-{name}-alternatives" class="hidden">')[2].partition("</table>")[0]
        assert [part.partition("<")[0] for part in table.split("<span>")[1:] if part[0] != "<"][1:] == columns
        assert table.count("<tr data-row=") == len(METHODS)
        assert f"<summary>{ALTERNATIVES[name].title}</summary>" in page
    assert "By &lt;b&gt;." in page
    assert "By <b>." not in page


@pytest.mark.parametrize("change", ["missing in a task", "without values", "absent"])
def test_without_values_there_is_nothing(suite, tmp_path, change):
    """A mean over other tasks would not be comparable, and a table of the headline alone says nothing new."""
    found = [record for seed in (0, 1, 2) for record in records(suite, Method(), seed)]
    if change == "without values":
        for record in found:
            if record["metric"]["id"] in OTHERS:
                record |= {"value": None, "status": "unavailable", "reason": "Why.", "replicates": None}
    else:
        tasks = ("news", "tweets") if change == "missing in a task" else [entry["id"] for entry in suite["tasks"]]
        for entry in suite["tasks"]:
            if entry["id"] in tasks:
                entry["metrics"] = [metric for metric in entry["metrics"] if metric not in OTHERS]
        found = [record for seed in (0, 1, 2) for record in records(suite, Method(), seed)]
    write_card(tmp_path, suite)
    write_records(tmp_path, found)
    board = load_board(tmp_path)
    assert board.sections[0].alternatives == ()
    page = render_all(board)["index.html"]
    assert not [known.title for known in ALTERNATIVES.values() if known.title in page]


def test_the_docs_list_the_metrics_of_the_tables():
    text = (Path(__file__).parents[2] / "docs/suites.md").read_text(encoding="utf-8")
    for known, more in ((ALTERNATIVES["anomaly"], []), (ALTERNATIVES["calibration"], ["accuracy"])):
        assert f"metrics = {json.dumps([*more, *known.metrics])}\n" in text
