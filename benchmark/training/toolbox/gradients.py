"""Gradients of parameters: collected, masked, cut into chunks, and summed over batches or a window."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.schema.errors import TemperError
from benchmark.training.context import Context
from benchmark.training.method import Method


class SquaredGradients:
    """Sums of squared batch gradients: the diagonal-Fisher-like score of Child-Tuning and RoAST, up to a factor.

    Args:
        shapes_like: Tensors whose shapes and device the sums take.
        skip_first: Leave the first gradient after each reset out but count it, as RoAST's released code does.
    """

    def __init__(self, shapes_like: Sequence[Tensor], *, skip_first: bool = False) -> None:
        self.sums = [torch.zeros_like(t, dtype=torch.promote_types(t.dtype, torch.float32)) for t in shapes_like]
        self.count = 0
        self.skip_first = skip_first

    def add(self, gradients: Sequence[Tensor | None]) -> None:
        """Add one batch's squared gradients; None for a tensor without a gradient."""
        self.count += 1
        if self.skip_first and self.count == 1:
            return
        pairs = [(total, g) for total, g in zip(self.sums, gradients, strict=True) if g is not None]
        if pairs:
            totals, present = [total for total, _ in pairs], [g for _, g in pairs]
            torch._foreach_addcmul_(totals, present, present)

    def seen(self) -> list[int]:
        """Return the numbers of the tensors with a nonzero gradient since the last reset."""
        return [index for index, total in enumerate(self.sums) if bool(total.any())]

    def reset(self) -> None:
        """Set all sums to zero."""
        torch._foreach_zero_(self.sums)
        self.count = 0


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of parameters that all have one.

    Raises:
        TemperError: one has none; a hook forgot to back-propagate or left `requires_grad` off.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if len(gradients) != len(parameters):
        raise TemperError(f"{len(parameters) - len(gradients)} of {len(parameters)} parameters have no gradient.")
    return gradients


def mask_gradients(parameters: Sequence[Tensor], multipliers: Sequence[Tensor]) -> None:
    """Multiply each existing gradient by its parameter's multiplier, in place."""
    pairs = [(p.grad, m) for p, m in zip(parameters, multipliers, strict=True) if p.grad is not None]
    if pairs:
        torch._foreach_mul_([g for g, _ in pairs], [m for _, m in pairs])


def in_chunks(*lists: Sequence[Tensor]) -> Iterator[tuple[list[Tensor], ...]]:
    """Iterate over lists of tensors together, as flat views of at most a quarter of a million entries.

    Work that needs temporaries is done fastest that way: they stay in the cache, and none is as large as the model. On
    an accelerator a round takes up to 2^26 entries, since there each operation costs a launch.

    Args:
        lists: Of equal length; tensors in the same place have the same number of entries and are contiguous.

    Yields:
        For each list the views of this round, which foreach operations take.
    """
    most = 2**18 if all(t.device.type == "cpu" for t in lists[0]) else 2**26
    taken: tuple[list[Tensor], ...] = tuple([] for _ in lists)
    size = 0
    for tensors in zip(*lists, strict=True):
        for pieces in zip(*(t.view(-1).split(most) for t in tensors), strict=True):
            if size and size + pieces[0].numel() > most:
                yield taken
                taken, size = tuple([] for _ in lists), 0
            for own, piece in zip(taken, pieces, strict=True):
                own.append(piece)
            size += pieces[0].numel()
    if size:
        yield taken


def window_gradients(method: Method, window: Sequence[Batch], ctx: Context) -> dict[nn.Parameter, Tensor]:
    """Return the gradient of the method's mean loss over an accumulation window, by parameter.

    Gradients that were accumulated before stay as they were, and the passes that follow draw the same dropout masks.
    The gradient is neither clipped nor seen by `transform_gradients`. One forward and one full backward per example.

    Args:
        method: Gives the loss.
        window: The micro-batches, all of the same weight; k of them give the gradient of one batch of their size.
        ctx: The run's context.
    """
    with ctx.scratch_gradients(), ctx.rehearsal():
        for batch in window:
            (method.loss(ctx.model, batch, ctx) / len(window)).backward()
        return {p: p.grad for p in ctx.model.parameters() if p.grad is not None}
