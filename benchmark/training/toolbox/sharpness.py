"""Gradients taken where the weights were moved up the loss."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.training.context import Context

Ascent = Callable[[Sequence[nn.Parameter]], Mapping[nn.Parameter, Tensor]]


def backward_uphill(batch: Batch, ctx: Context, loss: Callable[[Batch], Tensor], ascent: Ascent) -> None:
    """Add the gradient at w + ascent(g), g being the gradient at w; the weights stay at w.

    Both are gradients of the whole accumulation window, so micro-batches are held back until it is whole: k
    micro-batches make the same step as one batch of their size. Both passes draw the same dropout masks; g is
    neither clipped nor seen by `transform_gradients`, and the logged loss is the one uphill. Two forwards and two full
    backwards an example.

    Args:
        batch: A micro-batch of the window under way.
        ctx: The run's context.
        loss: Mean loss of a batch.
        ascent: Deltas from parameters that all have a gradient, which it may change in place; a parameter that it
            leaves out stays where it is.
    """
    window = ctx.collect(batch)
    if not window:
        return
    with ctx.scratch_gradients():
        with ctx.rehearsal():
            for part in window:
                (loss(part) / len(window)).backward()
        with torch.no_grad():
            deltas = ascent([p for p in ctx.model.parameters() if p.grad is not None])
    with ctx.perturbed(deltas):
        for part in window:
            ctx.backward(loss(part))
