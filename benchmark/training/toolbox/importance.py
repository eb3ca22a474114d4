"""Relative importance of parameters from squared gradients."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.schema.errors import TemperError


class SquaredGradients:
    """Mean of squared batch gradients: the diagonal-Fisher-like score of Child-Tuning and RoAST.

    Args:
        shapes_like: Tensors whose shapes and device the sums take.
        skip_first: Leave the first gradient after each reset out but count it, as RoAST's released code does.
    """

    def __init__(self, shapes_like: Sequence[Tensor], *, skip_first: bool = False) -> None:
        self.sums = [torch.zeros_like(t, dtype=torch.promote_types(t.dtype, torch.float32)) for t in shapes_like]
        self.count = 0
        self.skip_first = skip_first

    def add(self, gradients: Sequence[Tensor]) -> None:
        """Add one batch's gradients, squared."""
        self.count += 1
        if self.skip_first and self.count == 1:
            return
        torch._foreach_addcmul_(self.sums, list(gradients), list(gradients))

    def mean(self) -> list[Tensor]:
        """Sum over the gradients added, divided by their number; zeros before the first."""
        return list(torch._foreach_div(self.sums, float(max(1, self.count))))

    def reset(self) -> None:
        """Forget everything."""
        torch._foreach_zero_(self.sums)
        self.count = 0


def rank_fractions(scores: Sequence[Tensor]) -> list[Tensor]:
    """Rank of every entry among all entries of all tensors, scaled to [0, 1]; 0 is the least.

    Entries that tie are ranked in their order, so the result does not depend on the sort. A single entry gets 0.

    Returns:
        float32 tensors with the shapes of `scores`.
    """
    flat = torch.cat([s.reshape(-1) for s in scores])
    order = torch.argsort(flat, stable=True)
    fractions = torch.empty(flat.numel(), dtype=torch.float32, device=flat.device)
    ranks = torch.arange(flat.numel(), device=flat.device, dtype=torch.float64)
    fractions[order] = ranks.div_(max(1, flat.numel() - 1)).float()
    pieces = fractions.split([s.numel() for s in scores])
    return [piece.view(s.shape) for piece, s in zip(pieces, scores, strict=True)]


def gradients_of(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of parameters that all have one.

    Raises:
        TemperError: one has none; a verb forgot to back-propagate or left `requires_grad` off.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    if len(gradients) != len(parameters):
        raise TemperError(f"{len(parameters) - len(gradients)} of {len(parameters)} parameters have no gradient.")
    return gradients
