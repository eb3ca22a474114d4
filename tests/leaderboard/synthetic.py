"""Synthetic results: examples that methods get right or wrong by seeded chance, and records scored from them."""

import copy
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.schema import (
    attack_example_line,
    card_fingerprint,
    fingerprint,
    line_order,
    method_card_text,
    method_slug,
    record_line,
    record_path,
    suite_card_text,
)

RESAMPLES = 40

METRICS = {
    "accuracy": ("Accuracy", "up", "fraction", "Share of examples whose most probable class is the label."),
    "accuracy_under_attack": ("Accuracy under attack", "up", "fraction", "Share that is right and stays right."),
    "queries": ("Queries", "none", "count", "Model calls for one attacked example."),
    "ece": ("Calibration error", "down", "fraction", "Mean distance of confidence from accuracy."),
    "nll": ("Log loss", "down", "nats", "Mean negative logarithm of the label's probability."),
    "auroc": ("AUROC", "up", "fraction", "Chance that foreign text looks more foreign than the task's own."),
}
PROBES = [
    ("reviews", "in-distribution", "Reviews", ["accuracy"]),
    ("stores", "shift", "Stores", ["accuracy"]),
    ("tweets", "shift", "Tweets", ["accuracy"]),
    ("textfooler", "adversarial", "TextFooler", ["accuracy_under_attack", "queries"]),
    ("reviews", "calibration", "Reviews", ["ece", "nll"]),
    ("tweets", "calibration", "Tweets", ["ece", "nll"]),
    ("questions", "anomaly", "Questions", ["auroc"]),
]
# What the numbers of the least robust method hover around.
LEVELS = {
    ("reviews", "accuracy"): 0.85,
    ("stores", "accuracy"): 0.80,
    ("tweets", "accuracy"): 0.72,
    ("textfooler", "accuracy_under_attack"): 0.30,
    ("textfooler", "queries"): 91.4,
    ("reviews", "ece"): 0.08,
    ("tweets", "ece"): 0.16,
    ("reviews", "nll"): 0.41,
    ("tweets", "nll"): 0.77,
    ("questions", "auroc"): 0.70,
}


def digest(text: str) -> str:
    """A hash for something that does not exist."""
    return fingerprint(f"synthetic {text}")


def card(*, name: str = "toy", version: int = 1, ranked: bool = True, minimum_seeds: int = 2) -> dict[str, Any]:
    """A suite card with every perspective."""
    return {
        "schema": 2,
        "name": name,
        "version": version,
        "title": "Toy sentiment",
        "note": "Synthetic numbers for tests.",
        "ranked": ranked,
        "minimum_seeds": minimum_seeds,
        "training": {"title": "Short reviews", "data": digest("train"), "n": 1600, "description": "Two classes."},
        "tasks": [
            {
                "id": task,
                "version": 1,
                "perspective": perspective,
                "title": title,
                "description": f"Synthetic {title.lower()}.",
                "data": digest(task),
                "n": 200,
                "metrics": metrics,
                "headline": metrics[0],
            }
            for task, perspective, title, metrics in PROBES
        ],
        "metrics": {
            metric: {"version": 1, "direction": direction, "title": title, "description": text, "unit": unit}
            for metric, (title, direction, unit, text) in METRICS.items()
        },
        "overlap": [{"task": "reviews", "exact": 0, "near": 2, "n": 200}],
    }


@dataclass
class Method:
    """A method of the synthetic leaderboard: `gain` moves every metric by that share in its better direction."""

    name: str = "vanilla"
    configuration: str = ""
    gain: float = 0.0
    seeds: tuple[int, ...] = (0, 1, 2)
    backbone: str = "minilm"
    cost: int = 4000
    changes: dict[str, Any] = field(default_factory=dict)


def records(suite: dict[str, Any], method: Method, seed: int) -> list[dict[str, Any]]:
    """All records of one run. Replicates share a wobble a data set, so that rows are correlated."""
    chance = random.Random(f"{method.name} {method.configuration} {seed}")
    base = {
        "schema": 2,
        "kind": "measured",
        "suite": {"name": suite["name"], "version": suite["version"], "fingerprint": card_fingerprint(suite)},
        "method": {
            "name": method.name,
            "version": "1",
            "configuration": method.configuration,
            "source": digest(method.name),
            "hyperparameters": {"learning_rate": 0.0001},
        },
        "backbone": {"name": method.backbone, "source": f"artifact:{method.backbone}", "revision": digest("weights")},
        "seed": seed,
        "cost": {"forward": method.cost, "backward": method.cost, "input_backward": 0},
        "environment": {"python": "3.11.7", "device": "cpu"},
        "keys": {"train": digest("train"), "predict": digest("predict"), "score": digest("score")},
        "table": digest("table"),
        "verification": "self-reported",
        "source": None,
        "status": "ok",
        "reason": None,
    }
    base |= copy.deepcopy(method.changes)
    found = [
        {**copy.deepcopy(base), **_scored(suite, entry, metric, method, chance)}
        for entry in suite["tasks"]
        for metric in entry["metrics"]
    ]
    return sorted(found, key=line_order)


def _scored(
    suite: dict[str, Any], entry: dict[str, Any], metric: str, method: Method, chance: random.Random
) -> dict[str, Any]:
    direction = suite["metrics"][metric]["direction"]
    sign = {"up": 1, "down": -1, "none": 0}[direction]
    value = LEVELS[entry["id"], metric] * (1 + sign * method.gain + chance.uniform(-0.01, 0.01))
    wobble = random.Random(entry["data"])
    replicates = [value * (1 + wobble.gauss(0, 0.04) + chance.gauss(0, 0.005)) for _ in range(RESAMPLES)]
    keep = metric == entry["headline"]
    task = {key: entry[key] for key in ("id", "version", "perspective", "data", "n")}
    return {
        "task": task,
        "metric": {"id": metric, "version": 1, "direction": direction},
        "value": round(value, 6),
        "replicates": [round(min(replicate, 1.0), 6) for replicate in replicates] if keep else None,
    }


def published(suite: dict[str, Any], name: str, paper: str, task: str, value: float) -> dict[str, Any]:
    """A number printed in a paper."""
    entry = next(entry for entry in suite["tasks"] if entry["id"] == task)
    return {
        "schema": 2,
        "kind": "published",
        "suite": {"name": suite["name"], "version": suite["version"], "fingerprint": None},
        "method": {"name": name, "version": None, "configuration": "", "source": None, "hyperparameters": {}},
        "backbone": {"name": "minilm", "source": None, "revision": None},
        "seed": None,
        "task": {**{key: entry[key] for key in ("id", "version", "perspective")}, "data": None, "n": None},
        "metric": {"id": entry["headline"], "version": 1, "direction": "up"},
        "value": value,
        "status": "ok",
        "reason": None,
        "replicates": None,
        "cost": None,
        "environment": {},
        "keys": {},
        "table": None,
        "verification": "self-reported",
        "source": {"paper": paper, "table": "Table 1", "row": name, "column": entry["title"]},
    }


def write_card(root: Path, suite: dict[str, Any]) -> None:
    """Write a suite's card into a results folder."""
    path = root / f"{suite['name']}@{suite['version']}" / "suite.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(suite_card_text(suite), encoding="utf-8")


def write_records(root: Path, found: list[dict[str, Any]]) -> None:
    """Write records to their files."""
    files: dict[str, list[str]] = {}
    for record in found:
        files.setdefault(record_path(record), []).append(record_line(record))
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(lines), encoding="utf-8")


def write_published(root: Path, found: list[dict[str, Any]]) -> None:
    """Write the numbers of one paper to its file."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "a-paper.jsonl").write_text("".join(map(record_line, found)), encoding="utf-8")


def write_results(root: Path, suite: dict[str, Any], *methods: Method) -> Path:
    """Write a results folder: the card, and a file for every method and seed."""
    write_card(root, suite)
    for method in methods:
        for seed in method.seeds:
            write_records(root, records(suite, method, seed))
    return root


MASKING = [
    ("random-swap", "Random swaps", ["accuracy_under_attack"]),
    ("transfer", "Transfer from vanilla", ["accuracy_under_attack"]),
    ("gradients", "Input gradients", ["zero_gradient_share", "stochastic_share"]),
]
MASKING_METRICS = {
    "zero_gradient_share": ("Zero gradients", "none", "fraction", "Share of examples whose input gradient is zero."),
    "stochastic_share": ("Stochastic answers", "none", "fraction", "Share of examples answered differently again."),
}
# What an honest model does under the checks; the least of the attack's accuracies is 0.30.
PASSING = {
    ("random-swap", "accuracy_under_attack"): 0.70,
    ("transfer", "accuracy_under_attack"): 0.60,
    ("gradients", "zero_gradient_share"): 0.0,
    ("gradients", "stochastic_share"): 0.0,
}


def checked_card(**options: Any) -> dict[str, Any]:
    """A suite card with gradient-masking checks."""
    suite = card(**options)
    for task, title, metrics in MASKING:
        entry = {"id": task, "version": 1, "perspective": "masking", "title": title, "description": f"{title}."}
        suite["tasks"].append(entry | {"data": digest(task), "n": 200, "metrics": metrics, "headline": metrics[0]})
    for metric, (title, direction, unit, text) in MASKING_METRICS.items():
        suite["metrics"][metric] = {
            "version": 1, "direction": direction, "title": title, "description": text, "unit": unit,
        }  # fmt: skip
    return suite


def with_checks(suite: dict[str, Any], method: Method, seed: int, **values: float) -> list[dict[str, Any]]:
    """Records of a run of a suite with gradient-masking checks; `values` are by metric or by task (``_`` is ``-``)."""
    scored = {**suite, "tasks": [entry for entry in suite["tasks"] if entry["perspective"] != "masking"]}
    found = records(scored, method, seed)
    for record in found:
        record["suite"]["fingerprint"] = card_fingerprint(suite)
    template = found[0]
    for entry in suite["tasks"]:
        for metric in entry["metrics"] if entry["perspective"] == "masking" else ():
            direction = suite["metrics"][metric]["direction"]
            value = values.get(entry["id"].replace("-", "_"), values.get(metric, PASSING[entry["id"], metric]))
            found.append(
                {
                    **copy.deepcopy(template),
                    "task": {key: entry[key] for key in ("id", "version", "perspective", "data", "n")},
                    "metric": {"id": metric, "version": 1, "direction": direction},
                    "value": value,
                    "replicates": None,
                }
            )
    return sorted(found, key=line_order)


def attacked(seed: int = 0, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A flipped text, as a results folder holds it."""
    return {
        "seed": seed,
        "table": digest("table"),
        "id": f"reviews-{number}",
        "outcome": "flipped",
        "label": 1,
        "predicted": 0,
        "queries": 40 + number,
        "similarity": 0.91,
        "original": "a warm and witty film that never loses its nerve .",
        "perturbed": "a tepid and witty movie that never loses its nerve .",
    } | changes


def write_attachments(
    root: Path, suite: dict[str, Any], method: Method, *examples: dict[str, Any], **about: str
) -> None:
    """Write what explains a row: ``method.json``, and examples of TextFooler."""
    folder = root / f"{suite['name']}@{suite['version']}" / method_slug(method.name, method.configuration)
    text = {"summary": f"What {method.name} does.", "paper": "A. Author, Venue 2020"} | about
    (folder / method.backbone / "attacks").mkdir(parents=True, exist_ok=True)
    (folder / "method.json").write_text(method_card_text(method.name, **text), encoding="utf-8")
    lines = "".join(map(attack_example_line, examples))
    (folder / method.backbone / "attacks" / "textfooler.jsonl").write_text(lines, encoding="utf-8")
