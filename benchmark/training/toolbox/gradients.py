"""Gradients of parameters: collected, masked, and summed as squares over batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.schema.errors import TemperError


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
