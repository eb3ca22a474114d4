"""Losses that ask two predictions to agree."""

import math
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


def jensen_shannon(first: Tensor, second: Tensor, *, swapped: bool = False) -> Tensor:
    """Mean over the batch of (KL(p1 || m) + KL(p2 || m)) / 2, in nats, m being the mean of the two predictions.

    Args:
        first: Logits of shape (batch, classes); the softmax is taken in float32 or better.
        second: Logits of the same shape.
        swapped: Take KL(m || p1) and KL(m || p2) instead, as HiddenCut's released code does.
    """
    p, q = (z.to(torch.promote_types(z.dtype, torch.float32)).log_softmax(dim=-1) for z in (first, second))
    middle = torch.logaddexp(p, q) - math.log(2)
    if swapped:
        return (middle.exp() * (middle - 0.5 * (p + q))).sum(dim=-1).mean()
    return 0.5 * (p.exp() * (p - middle) + q.exp() * (q - middle)).sum(dim=-1).mean()
