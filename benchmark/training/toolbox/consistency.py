"""Losses on the difference between two predictions, as RoAST's paper and its released code compute them."""

from typing import Literal

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch


def symmetric_kl(first: Tensor, second: Tensor, reduction: Literal["mean", "sum"] = "mean") -> Tensor:
    """Compute half of KL(p1 || p2) + KL(p2 || p1), in nats, with gradients through both sides.

    Args:
        first: Logits of shape (batch, classes); the softmax is taken in float32 or better.
        second: Logits of the same shape.
        reduction: Over the batch: the mean, or the sum, whose weight grows with the batch.
    """
    p, q = (z.to(torch.promote_types(z.dtype, torch.float32)).log_softmax(dim=-1) for z in (first, second))
    # KL(p||q) + KL(q||p) = sum (p - q)(log p - log q)
    per_example = 0.5 * ((p.exp() - q.exp()) * (p - q)).sum(dim=-1)
    return per_example.mean() if reduction == "mean" else per_example.sum()


def paired_loss(clean: Tensor, other: Tensor, targets: Tensor, kl_weight: float, *, released: bool = False) -> Tensor:
    """Compute (CE(clean) + CE(other)) / 2 + kl_weight * symmetric KL, with gradients through both sides.

    Args:
        clean: Logits of shape (batch, classes).
        other: Logits of the second pass, of the same shape.
        targets: Class indices, shape (batch,).
        kl_weight: Weight of the symmetric KL.
        released: Compute the loss of RoAST's released code: no cross-entropy of the second pass, and the KL summed over
            the batch instead of averaged.
    """
    consistency = symmetric_kl(clean, other, "sum" if released else "mean")
    loss = 0.5 * nn.functional.cross_entropy(clean, targets) + kl_weight * consistency
    return loss if released else loss + 0.5 * nn.functional.cross_entropy(other, targets)


def attend_padding(batch: Batch) -> Batch:
    """Return the batch with its padding attended, since RoAST's released code never passes the attention mask."""
    return batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask))
