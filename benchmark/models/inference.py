"""Logits of many texts, in full batches of texts of like length."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.models.batch import Encoded
from benchmark.models.classifier import Classifier

TOKENS_PER_BATCH = 2048
"""Padded tokens in a batch: past about 500 a CPU gains nothing more, and memory stays small."""

PADDED_BATCH = 16
"""Texts in a batch where padding is attended to: that of RoAST's training."""


def predict_logits(
    model: Classifier,
    texts: Sequence[Sequence[str]],
    *,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Logits of examples of one or two texts each, float32 of shape (len(texts), classes), in the order given.

    The model is put into eval mode for it, runs in fp32 and is put back; its pass counters do not move. A model that
    attends to padding reads the texts as they come, `PADDED_BATCH` at a time: what it says depends on it.
    """
    encoded = [model.tokenise(t) for t in texts]
    logits = np.zeros((len(texts), model.classes), dtype=np.float32)
    done = 0
    with at_rest(model), torch.inference_mode():
        for rows in batches_of(model, encoded, tokens_per_batch):
            logits[rows] = model(model.collate([encoded[r] for r in rows])).cpu().numpy()
            done += len(rows)
            if report is not None:
                report(done, len(texts))
    return logits


@contextmanager
def at_rest(model: Classifier) -> Iterator[None]:
    """Inside, a model is in eval mode and its passes are not counted; afterwards it is as it was."""
    training = model.training
    model.eval()
    try:
        with model.passes.paused():
            yield
    finally:
        model.train(training)


def batches_of(model: Classifier, encoded: Sequence[Encoded], budget: int = TOKENS_PER_BATCH) -> list[list[int]]:
    """Row numbers in batches: of like length, or as they come for a model that attends to padding."""
    return _as_they_come(len(encoded)) if model.attend_padding else _pack(encoded, budget)


def _pack(encoded: Sequence[Encoded], budget: int) -> list[list[int]]:
    """Row numbers by length, cut into batches of at most `budget` padded tokens (at least one row each)."""
    lengths = [len(e["input_ids"]) for e in encoded]
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not batches or (len(batches[-1]) + 1) * lengths[row] > budget:
            batches.append([])
        batches[-1].append(row)
    return batches


def _as_they_come(count: int) -> list[list[int]]:
    return [list(range(start, min(start + PADDED_BATCH, count))) for start in range(0, count, PADDED_BATCH)]
