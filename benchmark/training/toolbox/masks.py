"""Stochastic gradient masks."""

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
    masks = [torch.bernoulli(p, generator=generator) for p in probabilities]
    if unbiased:
        torch._foreach_div_(masks, torch._foreach_add(list(probabilities), 1e-12))
    return masks
