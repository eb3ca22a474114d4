"""Gradients of the whole accumulation window, for methods that move the weights up the loss."""

from collections.abc import Sequence

from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.training.context import Context
from benchmark.training.method import Method


def window_gradients(method: Method, window: Sequence[Batch], ctx: Context) -> dict[nn.Parameter, Tensor]:
    """Return the gradient of the method's mean loss over an accumulation window, by parameter.

    Gradients that were accumulated before stay as they were, and the passes that follow draw the same dropout masks.
    The gradient is neither clipped nor seen by `transform_gradients`. One forward and one full backward per example.

    Args:
        method: Gives the loss.
        window: The micro-batches as `Context.collect` returned them, each weighted by its number of examples.
        ctx: The run's context.
    """
    with ctx.scratch_gradients(), ctx.rehearsal():
        for batch in window:
            ctx.weighted(method.loss(ctx.model, batch, ctx), batch).backward()
        return {p: p.grad for p in ctx.model.parameters() if p.grad is not None}
