"""Steps up the loss in embedding space."""

import torch
from torch import Tensor


def normalise_per_token(gradient: Tensor, floor: float = 1e-8) -> Tensor:
    """Scale each token's gradient so that its largest coordinate is 1 in size: g / (max |g| + floor).

    The l_inf normalisation of SMART (Jiang et al. 2020) and RoAST (Kim et al. 2023), along the last axis with the
    signs kept. Shape (batch, length, width) in and out; a zero gradient stays zero.
    """
    return gradient / (gradient.abs().amax(dim=-1, keepdim=True) + floor)


def uniform_noise(embeds: Tensor, scale: float) -> Tensor:
    """Noise drawn from U(0, 1) * scale, shaped like `embeds`: the one-sided start of RoAST's released code."""
    return torch.rand_like(embeds) * scale
