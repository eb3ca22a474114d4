"""Perturbations of embeddings inside a ball: where they start, which way they go, how they are kept inside.

Perturbations have the shape (batch, length, width); norms are those of a whole sequence, one an example.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.schema.errors import UsageError
from benchmark.training.toolbox.ascent import normalise_per_token


def check_norm(method: str, norm: str, norms: Sequence[str] = ("l2", "l_inf")) -> None:
    """Refuse a norm that a method does not know.

    Raises:
        UsageError: names the method and its norms.
    """
    if norm not in norms:
        raise UsageError(f"{method} takes one of the norms {', '.join(norms)}, not {norm!r}.")


def sequence_norm(values: Tensor, norm: str) -> Tensor:
    """Norm of each sequence, ``l2`` or ``l_inf``, at least 1e-8, shape (batch, 1, 1)."""
    flat = values.flatten(1)
    size = flat.norm(dim=1) if norm == "l2" else flat.abs().amax(dim=1)
    return size.clamp(min=1e-8).view(-1, 1, 1)


def direction(gradient: Tensor, norm: str) -> Tensor:
    """Steepest ascent: g / ||g||_2 for ``l2``, sign(g) for ``l_inf``, g / its token's largest entry for ``token``."""
    if norm == "token":
        return normalise_per_token(gradient)
    return gradient / sequence_norm(gradient, "l2") if norm == "l2" else gradient.sign()


def project(delta: Tensor, radius: float, norm: str) -> Tensor:
    """The nearest point of the ball: rescaled for ``l2``, clamped otherwise; radius 0 stands for no bound."""
    if radius == 0:
        return delta
    if norm == "l2":
        return delta * (radius / sequence_norm(delta, "l2")).clamp(max=1.0)
    return delta.clamp(-radius, radius)


def masked_start(embeds: Tensor, mask: Tensor, magnitude: float, norm: str) -> Tensor:
    """FreeLB's start (Zhu et al. 2020), zero on padding.

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


def surface_start(embeds: Tensor, radius: float, norm: str, *, lopsided: bool = False) -> Tensor:
    """A random start for an attack: on the surface of the l2 ball, or uniform in the l_inf ball.

    Args:
        embeds: Gives shape, type and device.
        radius: Of the ball, above 0.
        norm: ``l2``; anything else stands for an l_inf ball.
        lopsided: Draw r (2 r - 1) before rescaling, whose mean is 1/6, as MVP's released code does.
    """
    uniform = torch.rand_like(embeds)
    if norm != "l2":
        return (2 * uniform - 1) * radius
    noise = uniform * (2 * uniform - 1) if lopsided else 2 * uniform - 1
    return noise * (radius / sequence_norm(noise, "l2"))


def table_start(shape: Sequence[int], magnitude: float, device: torch.device) -> Tensor:
    """A table of perturbations, one a word: U(-1, 1) * magnitude / sqrt(width), float32, for `shape` (words, width)."""
    return (2 * torch.rand(tuple(shape), device=device) - 1) * (magnitude / math.sqrt(shape[-1]))
