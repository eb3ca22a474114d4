"""Losses over a clean pass and a second one, as RoAST's paper and its released code take them."""

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.training.toolbox.consistency import symmetric_kl


def paired_loss(clean: Tensor, other: Tensor, targets: Tensor, kl_weight: float, *, released: bool = False) -> Tensor:
    """(CE(clean) + CE(other)) / 2 + kl_weight * symmetric KL, gradients through both sides.

    Args:
        clean: Logits of shape (batch, classes).
        other: Logits of the second pass, of the same shape.
        targets: Class indices, shape (batch,).
        kl_weight: Weight of the symmetric KL.
        released: What RoAST's released code computes: no cross-entropy of the second pass, and the KL summed over
            the batch instead of averaged.
    """
    consistency = symmetric_kl(clean, other, "sum" if released else "mean")
    loss = 0.5 * nn.functional.cross_entropy(clean, targets) + kl_weight * consistency
    return loss if released else loss + 0.5 * nn.functional.cross_entropy(other, targets)


def attend_padding(batch: Batch) -> Batch:
    """The batch with its padding attended: RoAST's released code never passes the attention mask."""
    return batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask))


def differentiable(embeds: Tensor) -> Tensor:
    """Embeddings that a gradient can be taken by, also where the embedding layer itself is frozen."""
    return embeds if embeds.requires_grad else embeds.requires_grad_()
