"""Compute the logits, features or input gradients of many texts, in batches of texts of similar length."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier

TOKENS_PER_BATCH = 2048
"""Padded tokens per batch: a CPU gains nothing beyond about 500, and memory stays small."""

PADDED_BATCH = 16
"""Texts per batch of a model that attends to padding, as in RoAST's training."""


def predict_logits(
    model: Classifier,
    texts: Sequence[Sequence[str]],
    *,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.float32]:
    """Compute logits of examples of one or two texts, float32 of shape (len(texts), classes), in the same order.

    The model runs in eval mode and fp32, its previous mode is restored, and its passes are not counted. A model that
    attends to padding reads the texts in order, `PADDED_BATCH` at a time, because its logits depend on the batch.
    """
    logits = np.zeros((len(texts), model.classes), dtype=np.float32)
    _fill(logits, model, model, texts, tokens_per_batch=tokens_per_batch, report=report)
    return logits


def summary_features(
    model: Classifier, texts: Sequence[Sequence[str]], *, report: Callable[[int, int], None] | None = None
) -> NDArray[np.float16]:
    """Compute the inputs of the last linear layer, float16 of shape (len(texts), width); see `Classifier.penultimate`.

    The model runs as in `predict_logits`. A feature beyond 65,504, the largest number in 16 bits, becomes infinite.
    """
    features = np.zeros((len(texts), model.feature_width), dtype=np.float32)
    _fill(features, model, model.penultimate, texts, report=report)
    with np.errstate(over="ignore"):
        return features.astype(np.float16)


def body_features(
    model: Classifier,
    texts: Sequence[Sequence[str]],
    max_length: int,
    *,
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.float16]:
    """Average the encoder's last hidden states over the tokens of each text, float16 of shape (len(texts), width).

    The head plays no part, and texts are read without a prompt and with their padding masked, so that models of
    different methods are asked alike. The model runs as in `predict_logits`. A feature beyond 65,504 becomes infinite.

    Args:
        model: Its width is 0 if it has no encoder.
        texts: Examples of one or two texts.
        max_length: Maximum input length in tokens; longer texts are truncated.
        report: Receives how many texts are done, and their number.
    """
    if not model.feature_width:
        return np.zeros((len(texts), 0), dtype=np.float16)

    def pooled(batch: Batch) -> Tensor:
        hidden: Tensor = model.body(**batch.tokens).last_hidden_state.float()
        mask = batch.attention_mask.unsqueeze(-1)
        mean: Tensor = (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        return mean

    encoded = [cast(Encoded, dict(model.tokenizer(*t, truncation=True, max_length=max_length))) for t in texts]
    features: list[NDArray[np.float32]] = [np.zeros(0, dtype=np.float32)] * len(texts)
    done = 0
    with at_rest(model), torch.inference_mode():
        for rows in _pack(encoded, TOKENS_PER_BATCH):
            # The class's own method, because a prompt classifier's puts the texts into templates.
            values = pooled(Classifier.collate(model, [encoded[r] for r in rows])).cpu().numpy()
            for row, value in zip(rows, values, strict=True):
                features[row] = value
            done += len(rows)
            if report is not None:
                report(done, len(texts))
    with np.errstate(over="ignore"):
        return np.stack(features).astype(np.float16)


def _fill(
    values: NDArray[np.float32],
    model: Classifier,
    function: Callable[[Batch], Tensor],
    texts: Sequence[Sequence[str]],
    *,
    tokens_per_batch: int = TOKENS_PER_BATCH,
    report: Callable[[int, int], None] | None = None,
) -> None:
    """Fill an array of shape (texts, width) with the values of a function of the model on every text."""
    encoded = [model.tokenise(t) for t in texts]
    done = 0
    with at_rest(model), torch.inference_mode():
        for rows in batches_of(model, encoded, tokens_per_batch):
            values[rows] = function(model.collate([encoded[r] for r in rows])).cpu().numpy()
            done += len(rows)
            if report is not None:
                report(done, len(texts))


@contextmanager
def at_rest(model: Classifier) -> Iterator[None]:
    """Set a model to eval mode without counting its passes, and restore its mode afterwards."""
    training = model.training
    model.eval()
    try:
        with model.passes.paused():
            yield
    finally:
        model.train(training)


def batches_of(model: Classifier, encoded: Sequence[Encoded], budget: int = TOKENS_PER_BATCH) -> list[list[int]]:
    """Divide row numbers into batches: of similar length, or in order for a model that attends to padding."""
    return _in_order(len(encoded)) if model.attend_padding else _pack(encoded, budget)


def _pack(encoded: Sequence[Encoded], budget: int) -> list[list[int]]:
    """Sort row numbers by length into batches of at most `budget` padded tokens (at least one row each)."""
    lengths = [len(e["input_ids"]) for e in encoded]
    batches: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if not batches or (len(batches[-1]) + 1) * lengths[row] > budget:
            batches.append([])
        batches[-1].append(row)
    return batches


def _in_order(count: int) -> list[list[int]]:
    return [list(range(start, min(start + PADDED_BATCH, count))) for start in range(0, count, PADDED_BATCH)]


@dataclass(frozen=True)
class Inspection:
    """Logits and gradients of each example, in the order of the texts.

    Attributes:
        logits: float32, shape (examples, classes).
        again: Logits of a second pass with the same batches.
        gradients: Largest absolute entry of the gradient of the cross-entropy with respect to the embedding layer's
            output, float32, shape (examples,); 0 if the gradient is zero in 32 bits, NaN if the model has no
            embeddings.
    """

    logits: NDArray[np.float32]
    again: NDArray[np.float32]
    gradients: NDArray[np.float32]


def inspect_model(
    model: Classifier,
    texts: Sequence[Sequence[str]],
    labels: Sequence[int],
    *,
    report: Callable[[int, int], None] | None = None,
) -> Inspection:
    """Inspect a model for gradient masking, in eval mode on examples of one or two texts, without counting its passes.

    Source: signs of obfuscated gradients, Athalye et al. (ICML 2018), sections 3 and 4.
    """
    encoded = [model.tokenise(t) for t in texts]
    shape = (len(texts), model.classes)
    inspection = Inspection(np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape[0], np.float32))
    done = 0
    with at_rest(model):
        for rows in batches_of(model, encoded):
            batch = model.collate([encoded[r] for r in rows], [labels[r] for r in rows])
            with torch.inference_mode():
                inspection.logits[rows] = model(batch).cpu().numpy()
                inspection.again[rows] = model(batch).cpu().numpy()
            inspection.gradients[rows] = _gradient_norms(model, batch) if model.has_input_gradients else np.nan
            done += len(rows)
            if report is not None:
                report(done, len(texts))
    return inspection


def _gradient_norms(model: Classifier, batch: Batch) -> NDArray[np.float32]:
    """Compute the largest absolute entry of each example's input gradient, over all its sequences."""
    embeds = model.embed(batch).detach().requires_grad_()
    # Sum the losses, so that an example's gradient does not depend on the batch size.
    loss = cross_entropy(model(batch, embeds=embeds), batch.targets(), reduction="sum")
    (gradient,) = torch.autograd.grad(loss, embeds)
    largest: NDArray[np.float32] = gradient.abs().reshape(len(batch), -1).amax(dim=1).float().cpu().numpy()
    return largest
