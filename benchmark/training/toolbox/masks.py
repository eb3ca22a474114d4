"""Masks over gradients: sampled, thresholded and between quantiles."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


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


def bernoulli_multipliers(shapes_like: Sequence[Tensor], keep: float, generator: torch.Generator) -> list[Tensor]:
    """Draw m / p for every entry, m ~ Bernoulli(p), where p is `keep` rounded to a multiple of 2^-16.

    Four draws come from one 64-bit random number: several times faster than `torch.bernoulli`.
    """
    total, device = sum(t.numel() for t in shapes_like), shapes_like[0].device
    numbers = torch.empty((total + 3) // 4, dtype=torch.int64, device=device)
    draws = numbers.random_(-(2**63), None, generator=generator).view(torch.int16)[:total]
    levels = min(2**16 - 1, max(1, round(keep * 2**16)))
    pieces = (draws < levels - 2**15).split([t.numel() for t in shapes_like])
    scale = 2**16 / levels
    return [piece.view(t.shape).to(t.dtype).mul_(scale) for piece, t in zip(pieces, shapes_like, strict=True)]


def within_quantiles(values: Tensor, lower: float, upper: float) -> Tensor:
    """Whether each value lies between two quantiles (linear interpolation), both included; shape (n,)."""
    ends = torch.quantile(values, torch.tensor([lower, upper], dtype=values.dtype, device=values.device))
    return (values >= ends[0]) & (values <= ends[1])
