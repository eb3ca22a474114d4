"""The pilot of `offline@2`: vanilla on validation texts, to choose the recipe and the attacks before any other method.

    OMP_NUM_THREADS=1 python -m scripts.pilot training runs/pilot
    OMP_NUM_THREADS=1 python -m scripts.pilot attacks runs/pilot

It reads the training task of `offline` and never its test part. Both commands resume. Each adds a line of JSON per
point to FOLDER/training.jsonl or FOLDER/attacks.jsonl; docs/pilot.md has the results.
"""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.data import limited
from benchmark.evaluation.parquet import read_predictions
from benchmark.execution.cell_files import read_measurements
from benchmark.execution.cells import PREDICTIONS, Row, cells_of
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.row_outcomes import compute_row
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import TemperError
from benchmark.suites import Attack, load_suite, training_splits
from benchmark.tuning.study import TYPOS
from benchmark.tuning.typos import typo_dataset

ATTACKED_TEXTS = 300


@dataclass(frozen=True)
class Point:
    """A recipe of the pilot.

    Attributes:
        examples: Number of training examples.
        epochs: Passes over them.
        learning_rate: Peak learning rate.
    """

    examples: int
    epochs: int
    learning_rate: float


TRAINING = (
    *(Point(2_000, 2, rate) for rate in (5e-5, 1e-4, 2e-4, 4e-4)),
    Point(1_000, 2, 2e-4),
    Point(4_000, 1, 2e-4),
    Point(2_000, 3, 2e-4),
    Point(4_000, 2, 2e-4),
)
"""Cheap points first, so that an interrupted pilot has learnt something."""

VICTIM = Point(2_000, 2, 1e-4)
"""Recipe of the model that is attacked."""

_TEXTFOOLER = {"candidates": 16, "min_cosine": 0.7, "similarity_threshold": 0.840845}
ATTACKS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "textfooler, as offline@1": ("textfooler", _TEXTFOOLER),
    "textfooler, short texts compared": ("textfooler", {**_TEXTFOOLER, "short_texts": "compare"}),
    "textfooler, 50 candidates, short texts compared": (
        "textfooler",
        {"candidates": 50, "min_cosine": 0.5, "similarity_threshold": 0.840845, "short_texts": "compare"},
    ),
    "bert-attack, as offline@1": ("bert_attack", {"candidates": 8, "max_share": 0.4}),
    "bert-attack, a fifth of the words": ("bert_attack", {"candidates": 8, "max_share": 0.2}),
    "pwws, as offline@1": ("pwws", {}),
    "pwws, a tenth of the words": ("pwws", {"max_share": 0.1}),
    "pwws, a fifth of the words": ("pwws", {"max_share": 0.2}),
}


def workload(point: Point, attacks: tuple[Attack, ...] = ()) -> tuple[Workload, Row]:
    """Return vanilla's row at a point, and as its data the validation texts, with typos and under attacks.

    The rest of the recipe and the validation part are those of the suite.
    """
    suite = load_suite("offline")
    split = replace(suite.training.split, train_limit=point.examples, train_rows=point.examples)
    recipe = replace(suite.recipe, epochs=point.epochs, learning_rate=point.learning_rate)
    suite = replace(suite, training=replace(suite.training, split=split), recipe=recipe, tasks=(), attacks=attacks)
    splits = training_splits(suite)
    attacked = {attack.id: limited(splits.validation, attack.subset) for attack in attacks}
    work = Workload(suite, splits, {TYPOS: typo_dataset(splits.validation)}, attacked)
    return work, Row(configure(MethodRequest.parse("vanilla")), resolve_backbone(suite.backbone), seed=0)


def measured(point: Point, store: Store, attacks: tuple[Attack, ...] = ()) -> dict[str, Any]:
    """Compute what is missing at a point; return accuracies in percent, the attacks' measurements and CPU seconds.

    Raises:
        TemperError: training failed.
    """
    work, row = workload(point, attacks)
    started = time.process_time()
    outcome = compute_row(row, Runner(work, store, Quiet()))
    if outcome.failure:
        raise TemperError(outcome.failure)
    values: dict[str, Any] = {"cpu_seconds": round(time.process_time() - started)}
    for cell in cells_of(row, work, store):
        folder = store.folder(cell.kind, cell.key or "")
        if cell.kind == "predict":
            table = read_predictions(folder / PREDICTIONS)
            values[cell.subject] = round(100 * float((table.logits.argmax(axis=1) == table.labels).mean()), 2)
        elif cell.kind == "score":
            values |= {name: score.value for name, score in read_measurements(folder).items()}
    return values


def main(part: str, out: str) -> None:
    """Measure every point that is not in the file yet."""
    file, store = Path(out) / f"{part}.jsonl", Store(Path(out) / "store")
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    known = [json.loads(line)["point"] for line in lines]
    points: dict[str, tuple[Point, tuple[Attack, ...]]] = {}
    if part == "training":
        points = {json.dumps(asdict(point)): (point, ()) for point in TRAINING}
    else:
        for number, (name, (recipe, parameters)) in enumerate(ATTACKS.items()):
            attack = Attack(
                id=f"attack-{number}",
                version=1,
                title=name,
                description=name,
                on="validation",
                subset=ATTACKED_TEXTS,
                recipe=recipe,
                parameters=parameters,
                metrics=("accuracy_under_attack", "attack_success_rate", "queries"),
            )
            points[name] = (VICTIM, (attack,))
    for name, (point, attacks) in points.items():
        if name not in known:
            line = json.dumps({"point": name, **measured(point, store, attacks)})
            with file.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
