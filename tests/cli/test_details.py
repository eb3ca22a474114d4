"""`temper details`: every metric of stored predictions, without a change of records."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.evaluation.metrics import METRICS, labelled_measurements
from benchmark.evaluation.parquet import read_predictions
from benchmark.execution import every_metric
from benchmark.execution.cells import PREDICTIONS
from benchmark.execution.plan import run
from benchmark.schema import read_results
from tests.support.tiny_suite import write_tiny_suite

SCORES = ("AUROC", "AUROC, entropy", "AUROC, energy", "AUROC, max logit", "AUROC, Mahalanobis", "AUROC, k-NN")


def details(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["details", *arguments], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    # The progress of features is on standard error.
    return done.stdout + "".join(line for line in done.stderr.splitlines(keepends=True) if ": features " not in line)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def shown(text: str, metric: str, table: int = 0) -> list[str]:
    """The cells of a metric in the n-th table that has it."""
    return re.findall(rf"^{re.escape(metric)} %? ?[↑↓]\s+(.*)$", text, re.MULTILINE)[table].split("  ")


@pytest.mark.slow
def test_details_measure_what_the_suite_does_not_list(tmp_path: Path, tiny_backbone: Path) -> None:
    suite, out = str(write_tiny_suite(tmp_path, tiny_backbone)), tmp_path / "out"
    run(suite, "vanilla,roast", seeds=2, out=out)
    records = files_of(out / "results")
    text = details(suite, "--methods", "roast", "--seeds", "2", "--out", str(out))
    assert files_of(out / "results") == records
    titles = re.findall(r"^(?:vanilla|roast), 2 seeds: .*$", text, re.MULTILINE)
    assert [title.split(",")[0] for title in titles] == ["vanilla", "vanilla", "roast", "roast"]
    assert [title.endswith("vanilla in parentheses") for title in titles] == [False, False, True, True]
    for metric in ("AURC", "E-AURC", "AUARC", "Accuracy at 80% coverage", "ECE, isotonic", "ECE, scaled", *SCORES):
        assert "(" not in "".join(shown(text, metric))
        (vanilla, *_), (roast, *_) = shown(text, metric), shown(text, metric, table=1)
        assert roast.endswith(f"({vanilla})")

    # The values that the suite lists too are those of the records.
    (folder,) = read_results(out / "results")
    ece = [
        located.record["value"]
        for located in folder.records
        if (located.record["method"]["name"], located.record["task"]["id"]) == ("vanilla", "away")
        and located.record["metric"]["id"] == "ece"
    ]
    assert shown(text, "ECE")[-1].strip() == f"{50 * sum(ece):.2f}"

    # AURC is that of the stored tables.
    stored = next(
        read_predictions(path)
        for path in (out / "store/predict").glob(f"*/{PREDICTIONS}")
        if len(read_predictions(path).ids) == 24
    )
    value = labelled_measurements(stored.logits, stored.labels, metrics=["aurc"], seed_text="")["aurc"].value
    scored = [json.loads(path.read_text()) for path in (out / "store/score").glob("*/measurements.json")]
    assert value in [measured["aurc"]["value"] for measured in scored if "aurc" in measured]

    store = files_of(out / "store")
    assert details(suite, "--methods", "roast", "--seeds", "2", "--out", str(out)) == text
    assert files_of(out / "store") == store


def test_a_row_without_predictions_is_named_with_the_command(tmp_path: Path, tiny_backbone: Path) -> None:
    suite, out = str(write_tiny_suite(tmp_path, tiny_backbone)), str(tmp_path / "out")
    text = details(suite, "--out", out)
    assert "no predictions of vanilla, seed 0." in text
    assert f"temper run {suite} --methods vanilla --seeds 1 --settings defaults --out {out}" in text


def test_metrics_whose_library_is_missing_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every_metric, "find_spec", lambda name: None)
    left = [name for name in METRICS if not every_metric._is_installed(name)]
    assert left == ["ece_isotonic", "ece_histogram", "ece_beta"]
