"""Measure how flat the optima of the tuned rows are, for docs/findings.md: `python -m scripts.measure_sharpness OUT`.

The sharpness of weights w is L(w + rho g / |g|) - L(w): how much the loss rises when the weights move by rho along its
gradient g, to first order the largest rise within that distance (SAM, Foret et al., ICLR 2021, equations 2 and 3).
L is the mean cross-entropy of `TEXTS` validation texts, without dropout.

OUT is the folder that `temper run offline --settings tuned` wrote. Each row and seed whose weights are in its store
adds a line of JSON to docs/sharpness.jsonl, unless it has one.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import get_total_norm

from benchmark.data import Example, limited
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.prompt_classifier import load_classifier
from benchmark.suites import load_suite, training_splits
from scripts.findings import SHARPNESS, sharpness_lines, trained_keys
from scripts.methods_page import SUITE

RHO = 0.05
"""SAM's default."""

TEXTS, BATCH = 500, 50


def sharpness(model: Classifier, batches: Sequence[Batch], rho: float) -> tuple[float, float]:
    """Return the mean loss and its rise; afterwards the model has the weights at distance `rho`."""
    model.eval()
    model.zero_grad()
    before = _loss(model, batches)
    gradients = [(weights, weights.grad) for weights in model.parameters() if weights.grad is not None]
    norm = float(get_total_norm([gradient for _, gradient in gradients]))
    with torch.no_grad():
        for weights, gradient in gradients:
            weights.add_(gradient, alpha=rho / norm)
        return before, _loss(model, batches) - before


def _loss(model: Classifier, batches: Sequence[Batch]) -> float:
    """Return the mean cross-entropy; where gradients are enabled, add its gradient."""
    total, count = 0.0, sum(len(batch) for batch in batches)
    for batch in batches:
        loss = cross_entropy(model(batch), batch.targets(), reduction="sum") / count
        if loss.requires_grad:
            loss.backward()
        total += float(loss.detach())
    return total


def _batches(model: Classifier, examples: Sequence[Example]) -> Iterator[Batch]:
    for start in range(0, len(examples), BATCH):
        part = examples[start : start + BATCH]
        yield model.encode([one.texts for one in part], [one.label for one in part if one.label is not None])


def main(out: str) -> None:
    """Measure every row and seed that has no line yet."""
    examples = limited(training_splits(load_suite(SUITE)).validation, TEXTS).examples
    known = {line["train"] for line in sharpness_lines()}
    for key, (row, seed) in trained_keys().items():
        folder = Path(out) / "store" / "train" / key.removeprefix("sha256:") / "model"
        if key in known or not folder.is_dir():
            continue
        model = load_classifier(folder)
        loss, rise = sharpness(model, list(_batches(model, examples)), RHO)
        line = {"row": row, "seed": seed, "train": key, "texts": TEXTS, "rho": RHO, "loss": loss, "rise": rise}
        with SHARPNESS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
