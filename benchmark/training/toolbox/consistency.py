"""Losses that ask two predictions to agree."""

from typing import Literal

import torch
from torch import Tensor


def symmetric_kl(first: Tensor, second: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """Half of KL(p1 || p2) + KL(p2 || p1), in nats, with gradients through both sides.

    Args:
        first: Logits of shape (batch, classes); the softmax is taken in float32 or better.
        second: Logits of the same shape.
        reduction: Over the batch: the mean, or the sum, whose weight grows with the batch.
    """
    p, q = (z.to(torch.promote_types(z.dtype, torch.float32)).log_softmax(dim=-1) for z in (first, second))
    # KL(p||q) + KL(q||p) = sum (p - q)(log p - log q)
    per_example = 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1)
    return per_example.mean() if reduction == "mean" else per_example.sum()
