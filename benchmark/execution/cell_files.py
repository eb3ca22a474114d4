"""Read and write the JSON files of cells: what a training reports, and the measurements of a score."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.evaluation.metrics import Measurement
from benchmark.execution.cells import MEASURED, TRAINING


def write_training(folder: Path, outcome: Mapping[str, Any]) -> None:
    """Write what a training reports: its cost in passes, its environment and its best epoch."""
    (folder / TRAINING).write_text(json.dumps(outcome, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def read_training(folder: Path) -> dict[str, Any]:
    """Read what a training reported."""
    outcome: dict[str, Any] = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    return outcome


def write_measurements(folder: Path, values: Mapping[str, Measurement]) -> None:
    """Write the measurements of a score, by metric."""
    text = json.dumps({name: asdict(value) for name, value in values.items()}, sort_keys=True, allow_nan=False)
    (folder / MEASURED).write_text(text + "\n", encoding="utf-8")


def read_measurements(folder: Path) -> dict[str, Measurement]:
    """Read the measurements of a score, by metric."""
    values = json.loads((folder / MEASURED).read_text(encoding="utf-8"))
    return {name: Measurement(**fields) for name, fields in values.items()}
