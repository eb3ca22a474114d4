"""Gradient-masking checks: attacks that do not search, and inspections. Both are on the card and enter no score."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.evaluation.parquet import read_inspection, read_predictions
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import INSPECTED, PREDICTIONS, cells_of
from benchmark.execution.local import run_rows
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload, materialise
from benchmark.schema import MASKING
from benchmark.suites import load_suite
from tests.support.rows import row_of
from tests.support.tiny_suite import ATTACK, CHECK, write_tiny_suite

RANDOM = ATTACK.replace('id = "textfooler"', 'id = "random"').replace('recipe = "textfooler"', 'recipe = "random_swap"')


def work_of(path: Path, more: str) -> Workload:
    path.write_text(path.read_text() + more)
    return materialise(load_suite(str(path)))


def test_random_swaps_are_a_check(tiny_backbone: Path, tmp_path: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone, attack=True)
    card = suite_card(work_of(path, RANDOM.replace("{ candidates", "{ queries = 9, candidates")))
    found = {entry["id"]: (entry["perspective"], entry["headline"]) for entry in card["tasks"]}
    assert found["random"] == (MASKING, "accuracy_under_attack")
    assert found["textfooler"] == ("adversarial", "accuracy_under_attack")


def test_a_masking_task_is_inspected(tiny_backbone: Path, tmp_path: Path) -> None:
    """Its records are of the inspection's table; the same texts are predicted alike, and no calibration is asked."""
    work = work_of(write_tiny_suite(tmp_path, tiny_backbone), CHECK)
    card, store = suite_card(work), Store(tmp_path / "store")
    assert [(e["perspective"], e["headline"]) for e in card["tasks"] if e["id"] == "known"] == [(MASKING, "accuracy")]
    row = row_of(work)
    report = run_rows([row], work, store, tmp_path / "results", Quiet())
    assert not report.failures
    made = {cell.subject: cell for cell in cells_of(row, work, store) if cell.kind in ("predict", "inspect")}
    assert [name for name, cell in made.items() if cell.kind == "inspect"] == ["known"]
    found = [json.loads(line) for line in report.files[0].read_text().splitlines()]
    known = {record["metric"]["id"]: record for record in found if record["task"]["id"] == "known"}
    assert sorted(known) == ["accuracy", "stochastic_share", "zero_gradient_share"]
    assert {record["keys"]["inspect"] for record in known.values()} == {made["known"].key}
    assert (known["stochastic_share"]["value"], known["zero_gradient_share"]["value"]) == (0.0, 0.0)
    assert known["accuracy"]["replicates"]
    (away,) = (r for r in found if (r["task"]["id"], r["metric"]["id"]) == ("away", "accuracy"))
    assert known["accuracy"]["value"] == away["value"]
    inspected = read_inspection(store.find("inspect", made["known"].key or "").folder / INSPECTED)  # type: ignore[union-attr]
    predicted = read_predictions(store.find("predict", made["away"].key or "").folder / PREDICTIONS)  # type: ignore[union-attr]
    np.testing.assert_array_equal(inspected.predictions.logits, predicted.logits)
    assert inspected.gradients.min() > 0


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Known"', 'title = "Known"\nmerge = [0, 1]', "tasks[known].merge: a masking check takes the task's"),
        ('title = "Known"', 'title = "Known"\nmetrics = ["ece"]', "'ece' does not fit perspective 'masking'"),
        (", label = {", ", old = {", "tasks[known].data.old: is an unknown key; remove it."),
    ],
)
def test_mistakes_in_a_masking_task(tiny_backbone: Path, tmp_path: Path, old: str, new: str, sentence: str) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the sentence is what counts
        work_of(path, CHECK.replace(old, new))
    assert sentence in str(caught.value)
