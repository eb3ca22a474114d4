"""Masks over gradients: sampled, thresholded and between quantiles."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.training.toolbox.pieces import in_pieces


def keep_probabilities(fractions: Sequence[Tensor], alpha: float, beta: float) -> list[Tensor]:
    """Probability to keep each entry: sigmoid(2 * beta * (s - alpha)) for its rank fraction s (RoAST).

    Args:
        fractions: Rank fractions in [0, 1].
        alpha: Fraction at which half of the entries are kept, in (0, 1).
        beta: Sharpness, above 0; the larger, the nearer to a hard threshold.
    """
    return [torch.sigmoid(2.0 * beta * (s - alpha)) for s in fractions]


def sample_multipliers(
    probabilities: Sequence[Tensor], generator: torch.Generator, *, unbiased: bool = True
) -> list[Tensor]:
    """Draw Bernoulli masks, divided by their probability where `unbiased`, so that the mean multiplier is 1.

    Returns:
        float32 tensors of 0 and 1, or of 0 and 1 / (p + 1e-12).
    """
    # In float32 a probability of 1e-8 is drawn several times too often: its uniform numbers are too coarse.
    masks = [torch.bernoulli(p.double(), generator=generator).to(p.dtype) for p in probabilities]
    if unbiased:
        torch._foreach_div_(masks, torch._foreach_add(list(probabilities), 1e-12))
    return masks


def keep_largest(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Mark this share of all entries of all tensors, the largest: 1 where kept and 0 elsewhere, in the scores' type.

    The threshold is the (1 - share) quantile, found without sorting; entries that tie with it are kept.
    """
    flat = torch.cat([s.reshape(-1) for s in scores])
    below = math.ceil((1.0 - share) * (flat.numel() - 1))
    threshold = flat.kthvalue(below + 1).values
    return [(s >= threshold).to(s.dtype) for s in scores]


def thin_gradients(parameters: Sequence[Tensor], keep: float, generator: torch.Generator) -> None:
    """Multiply every entry of the gradients there are by m / p, m ~ Bernoulli(p), in place.

    p is `keep` rounded to a multiple of 2^-16, so that four draws come from one 64-bit random number.
    """
    levels = min(2**16 - 1, max(1, round(keep * 2**16)))
    for (pieces,) in in_pieces([p.grad for p in parameters if p.grad is not None]):
        sizes = [piece.numel() for piece in pieces]
        numbers = torch.empty((sum(sizes) + 3) // 4, dtype=torch.int64, device=pieces[0].device)
        draws = numbers.random_(-(2**63), None, generator=generator).view(torch.int16)[: sum(sizes)]
        multipliers = draws.lt_(levels - 2**15).to(pieces[0].dtype).mul_(2**16 / levels)
        torch._foreach_mul_(pieces, list(multipliers.split(sizes)))


def mask_gradients(parameters: Sequence[Tensor], multipliers: Sequence[Tensor]) -> None:
    """Multiply each parameter's gradient, where it has one, by its multiplier, in place."""
    pairs = [(p.grad, m) for p, m in zip(parameters, multipliers, strict=True) if p.grad is not None]
    if pairs:
        torch._foreach_mul_([g for g, _ in pairs], [m for _, m in pairs])


def within_quantiles(values: Tensor, lower: float, upper: float) -> Tensor:
    """Whether each value lies between two quantiles (linear interpolation), both included; shape (n,)."""
    ends = torch.quantile(values, torch.tensor([lower, upper], dtype=values.dtype, device=values.device))
    return (values >= ends[0]) & (values <= ends[1])
