"""Perturbations of embeddings inside a ball: random starts, steps along the gradient, projections.

Perturbations have the shape (batch, length, width). Norms are those of a whole sequence, one per example.
"""

import torch
from torch import Tensor


def sequence_norm(values: Tensor, norm: str) -> Tensor:
    """Compute the norm of each sequence, ``l2`` or ``l_inf``, at least 1e-8, shape (batch, 1, 1)."""
    flat = values.flatten(1)
    size = flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)
    return size.clamp(min=1e-8).view(-1, 1, 1)


def project(delta: Tensor, radius: float, norm: str) -> Tensor:
    """Project onto the ball: rescale for ``l2``, clamp otherwise; radius 0 means no bound."""
    if radius == 0:
        return delta
    if norm == "l2":
        return delta * (radius / sequence_norm(delta, "l2")).clamp(max=1.0)
    return delta.clamp(-radius, radius)


def masked_start(embeds: Tensor, mask: Tensor, magnitude: float, norm: str) -> Tensor:
    """Draw FreeLB's start (Zhu et al. 2020), zero on padding.

    U(-1, 1) * magnitude / sqrt(tokens * width) for ``l2``, tokens being those that are not padding, so that its norm is
    magnitude / sqrt(3) on average; U(-magnitude, magnitude) for ``l_inf``.

    Args:
        embeds: Gives shape, type and device.
        mask: 1 for real tokens, shape (batch, length).
        magnitude: Scale; 0 starts at zero.
        norm: ``l2`` or ``l_inf``.
    """
    real = mask.to(embeds.dtype).unsqueeze(-1)
    noise = (2 * torch.rand_like(embeds) - 1) * real * magnitude
    if norm == "l2":
        noise = noise / (real.sum(dim=1, keepdim=True) * embeds.shape[-1]).sqrt()
    return noise.detach()


def ascend(delta: Tensor, gradient: Tensor, rate: float, radius: float, norm: str) -> Tensor:
    """Move a perturbation by `rate` along the gradient over its sequence's norm, then back into the ball (FreeLB)."""
    return project(delta.detach() + rate * gradient / sequence_norm(gradient, norm), radius, norm)


def uniform_noise(embeds: Tensor, scale: float) -> Tensor:
    """Draw noise from U(0, 1) * scale, shaped like `embeds`: the one-sided start of RoAST's released code."""
    return torch.rand_like(embeds) * scale


def normalise_per_token(gradient: Tensor, floor: float = 1e-8) -> Tensor:
    """Scale each token's gradient so that its largest coordinate is 1 in size: g / (max |g| + floor).

    The l_inf normalisation of SMART (Jiang et al. 2020) and RoAST (Kim et al. 2023), along the last axis with the
    signs kept. Shape (batch, length, width) in and out; a zero gradient stays zero.
    """
    return gradient / (gradient.abs().amax(dim=-1, keepdim=True) + floor)


def differentiable(embeds: Tensor) -> Tensor:
    """Return embeddings that require a gradient, even if the embedding layer is frozen."""
    return embeds if embeds.requires_grad else embeds.requires_grad_()
