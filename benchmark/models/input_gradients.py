"""Gradient-masking checks of a model: logits, repeated logits and input-gradient norms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.inference import at_rest, batches_of


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
    """Inspect a model in eval mode on examples of one or two texts each, without counting its passes.

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
