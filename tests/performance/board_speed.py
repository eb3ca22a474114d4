"""Measure a large leaderboard: `python -m tests.performance.board_speed`.

It prints CPU times relative to reading the same lines as JSON, the peak of memory, and the sizes of the results and of
the site. The records are synthetic, in the shape of a real suite: fourteen tasks, sixty records a seed of which a
quarter carry 200 replicates, three seeds a row.
"""

import argparse
import copy
import cProfile
import json
import pstats
import random
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import leaderboard
from benchmark.schema import card_fingerprint, fingerprint, record_line, record_path, suite_card_text
from leaderboard.board import load_board
from leaderboard.site_files import render_all

SEEDS, RESAMPLES, BACKBONE = 3, 200, "minilm"
# Perspective -> tasks and metrics of each; the first metric is the headline.
SHAPE = {
    "in-distribution": (1, ["accuracy"]),
    "shift": (3, ["accuracy"]),
    "adversarial": (1, ["accuracy_under_attack", "success", "queries", "words", "similarity", "budget", "errors"]),
    "calibration": (4, ["ece", "ece_adaptive", "ece_temperature", "ece_roast", "brier", "nll"]),
    "anomaly": (5, ["auroc", "aupr", "fpr95", "auroc_energy", "auroc_entropy"]),
}
DOWN = ("ece", "ece_adaptive", "ece_temperature", "ece_roast", "brier", "nll", "fpr95")


def digest(text: str) -> str:
    """Hash for something that does not exist."""
    return fingerprint(f"speed {text}")


def large_card() -> dict[str, Any]:
    """A suite card of the shape above."""
    tasks = []
    for perspective, (count, metrics) in SHAPE.items():
        for number in range(count):
            name = f"{perspective}-{number}"
            words = {"id": name, "perspective": perspective, "title": name, "description": "Synthetic."}
            numbers = {"version": 1, "data": digest(name), "n": 500}
            tasks.append({**words, **numbers, "metrics": metrics, "headline": metrics[0]})
    names = {metric for _, metrics in SHAPE.values() for metric in metrics}
    metrics = {
        name: {
            "version": 1, "direction": "down" if name in DOWN else "up", "title": name, "description": "Synthetic.",
            "unit": "fraction",
        }
        for name in sorted(names)
    }  # fmt: skip
    training = {"title": "Synthetic", "data": digest("train"), "n": 1000, "description": "Synthetic."}
    return {
        "schema": 2, "name": "large", "version": 1, "title": "Large", "note": "Synthetic.", "ranked": True,
        "minimum_seeds": 3, "training": training, "tasks": tasks, "metrics": metrics, "overlap": [],
    }  # fmt: skip


def write_large(root: Path, records: int, backbones: int = 1) -> int:
    """Write about that many records and return how many they are; vanilla is the first row on each backbone."""
    card = large_card()
    per_seed = sum(len(task["metrics"]) for task in card["tasks"])
    rows = max(2, round(records / per_seed / SEEDS / backbones))
    path = root / "large@1" / "suite.json"
    path.parent.mkdir(parents=True)
    path.write_text(suite_card_text(card), encoding="utf-8")
    names = [BACKBONE, *(f"{BACKBONE}-{number}" for number in range(1, backbones))]
    for row in range(rows):
        for seed in range(SEEDS):
            _write_seed(root, card, "vanilla" if row == 0 else f"method-{row:04}", names, row, seed)
    return backbones * rows * SEEDS * per_seed


def _write_seed(root: Path, card: dict[str, Any], name: str, backbones: Sequence[str], row: int, seed: int) -> None:
    """Write a row's seed, with the same values on all backbones."""
    chance = random.Random(row * SEEDS + seed)
    base = {
        "schema": 2, "kind": "measured",
        "suite": {"name": "large", "version": 1, "fingerprint": card_fingerprint(card)},
        "method": {
            "name": name, "version": "1", "configuration": "", "source": digest(name),
            "hyperparameters": {"alpha": 0.6, "beta": 1.0},
        },
        "backbone": {"name": BACKBONE, "source": f"artifact:{BACKBONE}", "revision": digest("weights")},
        "seed": seed, "status": "ok", "reason": None, "verification": "self-reported", "source": None,
        "cost": {"forward": 4000 + row, "backward": 4000, "input_backward": 0},
        "environment": {"python": "3.11.7", "device": "cpu"},
        "keys": {"train": digest("t"), "predict": digest("p"), "score": digest("s")}, "table": digest("table"),
    }  # fmt: skip
    lines = []
    for task in card["tasks"]:
        for metric in task["metrics"]:
            value = round(0.5 + 0.0003 * (row % 100) + chance.uniform(-0.02, 0.02), 6)
            replicates = [round(value + chance.gauss(0, 0.02), 6) for _ in range(RESAMPLES)]
            lines.append(
                {
                    **copy.copy(base),
                    "task": {key: task[key] for key in ("id", "version", "perspective", "data", "n")},
                    "metric": {"id": metric, "version": 1, "direction": card["metrics"][metric]["direction"]},
                    "value": value,
                    "replicates": replicates if metric == task["headline"] else None,
                }
            )
    text = "".join(map(record_line, lines))
    for backbone in backbones:
        path = root / record_path({**lines[0], "backbone": {**base["backbone"], "name": backbone}})
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(f'"{BACKBONE}"', f'"{backbone}"'), encoding="utf-8")


def read_json(root: Path) -> int:
    """The floor: parse every line and nothing else."""
    files = sorted(root.rglob("*.jsonl"))
    return sum(len([json.loads(line) for line in path.read_bytes().splitlines()]) for path in files)


def timed(work: Callable[[], object]) -> float:
    """Seconds of CPU time."""
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Print the ratios, or with --profile what takes the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--backbones", type=int, default=1, help="backbones that share the records, a section each")
    parser.add_argument("--profile", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root, site = Path(folder) / "results", Path(folder) / "site"
        count = write_large(root, asked.records, asked.backbones)
        if asked.profile:
            profile = cProfile.Profile()
            profile.runcall(leaderboard.build, root, site)
            pstats.Stats(profile).sort_stats("tottime").print_stats(25)
            return
        floor = timed(lambda: read_json(root))
        boards: list[Any] = []
        sites: list[dict[str, str]] = []
        loading = timed(lambda: boards.append(load_board(root)))
        rendering = timed(lambda: sites.append(render_all(boards[0])))
        sizes = {name: len(text.encode()) for name, text in sites[0].items()}
        unit = 1 if sys.platform == "darwin" else 2**10
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        print(
            f"{count} records on {asked.backbones} backbones, "
            f"{sum(path.stat().st_size for path in root.rglob('*.jsonl')) / 2**20:.0f} MiB"
        )
        print(
            f"loading and ranking {loading / floor:.2f}, rendering {rendering / floor:.2f}, "
            f"together {(loading + rendering) / floor:.2f} times reading the lines ({floor:.1f} s)"
        )
        pages = sum(size for name, size in sizes.items() if name.endswith(".html"))
        others = sum(sizes.values()) - pages
        print(f"peak {peak / 2**30:.2f} GiB, pages {pages / 2**20:.1f} MiB, other files {others / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
