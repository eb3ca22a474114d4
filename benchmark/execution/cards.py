"""Build the suite card and write it next to a suite's rows. It is the same on every machine with the training data."""

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from benchmark.attacks.recipes import ATTACKS
from benchmark.evaluation.metrics import METRICS
from benchmark.execution.cells import task_metrics
from benchmark.execution.workload import Workload
from benchmark.schema import (
    CARD_SCHEMA_VERSION,
    MASKING,
    IntegrityError,
    UsageError,
    card_fingerprint,
    read_suite_card,
    suite_card_text,
    suite_name,
)
from benchmark.schema.atomic_io import replace_file
from benchmark.schema.attachments import is_attachment
from benchmark.suites import Attack, EvaluationTask, TuningRule

CALIBRATION = "calibration"


def suite_card(work: Workload) -> dict[str, Any]:
    """Build the card of a suite: the closed list of what a complete row holds, with titles and descriptions.

    The card is the same on every machine that has the training data; other data is described as the suite declares it.
    Only `overlap` and `largest_class` depend on the evaluation data that is here; the card's fingerprint omits them.
    """
    suite = work.suite
    tasks = [entry for task in suite.tasks for entry in _task_entries(task, work)]
    tasks += [_attack_entry(attack, work) for attack in suite.attacks]
    used = sorted({metric for task in tasks for metric in task["metrics"]})
    largest = {task.id: share for task in suite.tasks if (share := _largest_class(task, work)) is not None}
    return {
        "schema": CARD_SCHEMA_VERSION,
        "name": suite.name,
        "version": suite.version,
        "title": suite.title,
        "note": suite.note,
        "ranked": suite.ranked,
        "minimum_seeds": suite.minimum_seeds,
        "settings": {"ece_bins": suite.metrics.ece_bins, "resamples": suite.metrics.resamples},
        "training": {
            "title": suite.training.title,
            "description": suite.training.description,
            "data": work.splits.train.content_hash,
            "n": len(work.splits.train),
        },
        "tasks": tasks,
        "metrics": {name: _metric(name) for name in used},
        "overlap": [
            {"task": name, "exact": o.exact, "near": o.near, "n": o.n} for name, o in sorted(work.overlaps().items())
        ],
        **({"tuning": _tuning(suite.tuning)} if suite.tuning else {}),
        **({"largest_class": largest} if largest else {}),
    }


def _tuning(rule: TuningRule) -> dict[str, Any]:
    return {"trials": rule.trials, "learning_rate_factor": list(rule.learning_rate_factor)}


def _largest_class(task: EvaluationTask, work: Workload) -> float | None:
    """Return the share of the most frequent class of an in-distribution task, after merging; None if it is unknown."""
    data = work.tasks.get(task.id)
    if data is None or task.perspective != "in-distribution" or any(e.label is None for e in data.examples):
        return None
    labels = [e.label for e in data.examples if e.label is not None]
    merged = labels if task.merge is None else [task.merge[label] for label in labels]
    return max(Counter(merged).values()) / len(merged)


def _task_entries(task: EvaluationTask, work: Workload) -> Iterator[dict[str, Any]]:
    """Yield the card's entries for an evaluation task. A labelled task has one more, under calibration."""
    data = work.splits.test.content_hash if task.data is None else task.data.content_hash
    own = [m for m in task_metrics(task) if not METRICS[m].calibration]
    calibration = [m for m in task_metrics(task) if METRICS[m].calibration]
    if own:
        yield _entry(task, task.perspective, own, data, task.rows)
    if calibration:
        yield _entry(task, CALIBRATION, calibration, data, task.rows)


def _attack_entry(attack: Attack, work: Workload) -> dict[str, Any]:
    """Return an attack's entry. The hash of its examples is known only if they come from the test part."""
    task = next(task for task in work.suite.tasks if task.id == attack.on)
    data = work.attacked[attack.id].content_hash if task.data is None else None
    perspective = MASKING if ATTACKS[attack.recipe].masking_check else "adversarial"
    return _entry(attack, perspective, sorted(attack.metrics), data, attack.subset)


def _entry(
    task: EvaluationTask | Attack, perspective: str, metrics: list[str], data: str | None, rows: int
) -> dict[str, Any]:
    return {
        "id": task.id,
        "version": task.version,
        "perspective": perspective,
        "title": task.title,
        "description": task.description,
        "data": data,
        "n": rows,
        "metrics": metrics,
        "headline": next((m for m in metrics if METRICS[m].headline), metrics[0]),
        **({"weight": task.weight} if task.weight != 1 else {}),
    }


def _metric(name: str) -> dict[str, Any]:
    metric = METRICS[name]
    return {
        "version": metric.version,
        "direction": metric.direction,
        "title": metric.title,
        "description": metric.description,
        "unit": metric.unit,
    }


def write_card(results: Path, card: dict[str, Any], ours: Collection[str]) -> Path:
    """Write ``suite.json`` next to the suite's rows, with the counts and lists that it had there already.

    Args:
        results: Folder of records.
        card: What to write.
        ours: Paths below `results` of the rows that will be overwritten.

    Raises:
        UsageError: other rows belong to another state of the suite; the leaderboard would refuse them all.
    """
    path = results / suite_name(card) / "suite.json"
    stored = _card_at(path)
    if stored is not None and card_fingerprint(stored) == card_fingerprint(card):
        known = {entry["task"]: entry for entry in (*stored["overlap"], *card["overlap"])}
        card = {**card, "overlap": [known[name] for name in sorted(known)]}
        if largest := {**stored.get("largest_class", {}), **card.get("largest_class", {})}:
            card["largest_class"] = largest
        card |= {key: stored[key] for key in ("earlier_fingerprints", "not_run") if key in stored}
    elif path.is_file():
        files = (file for file in path.parent.rglob("*.jsonl") if not is_attachment(file, path.parent))
        others = sorted({str(file.relative_to(results)) for file in files} - set(ours))
        if others:
            raise UsageError(
                f"{results} holds rows of another state of {suite_name(card)}, such as {others[0]}. Run "
                "their methods and seeds together with these, raise the suite's version, or give another --out."
            )
    replace_text(path, suite_card_text(card))
    return path


def _card_at(path: Path) -> dict[str, Any] | None:
    """Read the card from a file; return None if the file is missing or unreadable."""
    try:
        return read_suite_card(path)
    except (FileNotFoundError, IntegrityError):
        return None


def replace_text(path: Path, text: str) -> None:
    """Replace a file atomically and create its folder; leave a file with the same text alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, text.encode())
