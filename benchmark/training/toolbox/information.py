"""Bounds on mutual information between hidden states, as InfoBERT (Wang et al., ICLR 2021) uses them."""

import math

import torch
from torch import Tensor, nn


def bottleneck(tokens: Tensor, partners: Tensor) -> Tensor:
    """Upper bound on what embeddings keep of the text: mean over tokens of half their squared distance to another.

    CLUB's bound for a Gaussian around the embedding itself.

    Args:
        tokens: Embeddings of tokens, shape (tokens, width).
        partners: For each the number of the token to compare it with, shape (tokens,).
    """
    return 0.5 * (tokens - tokens[partners]).square().sum(dim=-1).mean()


def middle_ranked(gradient: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
    """Tokens whose gradient's norm ranks from ceil(low * n) to below ceil(high * n) among the n of their text.

    Args:
        gradient: By the word embeddings, shape (batch, length, width).
        mask: 1 for real tokens, shape (batch, length).
        low: Share of the least relevant tokens left out.
        high: Share above which tokens are left out, too.

    Returns:
        True for the chosen tokens, shape (batch, length).
    """
    norms = gradient.norm(dim=-1).masked_fill(mask == 0, math.inf)
    ranks = norms.argsort(dim=1, stable=True).argsort(dim=1)
    lengths = mask.sum(dim=1, keepdim=True).double()
    chosen: Tensor = (ranks >= (low * lengths).ceil()) & (ranks < (high * lengths).ceil()) & mask.bool()
    return chosen


class Critic(nn.Module):
    """InfoNCE between local and global features, with a learnt score softplus(w relu(W [x; y] + b) + c).

    Args:
        local_width: Width of the local features x.
        global_width: Width of the global features y.
        hidden: Width of the hidden layer.
    """

    def __init__(self, local_width: int, global_width: int, hidden: int = 300) -> None:
        super().__init__()
        self.local = nn.Linear(local_width, hidden)
        # One map of the pair, in two parts, so that all pairs cost one map of each side.
        self.whole = nn.Linear(global_width, hidden, bias=False)
        self.score = nn.Linear(hidden, 1)

    def forward(self, local: Tensor, whole: Tensor, group: int) -> Tensor:
        """Lower bound on the mutual information of n pairs, the mean over groups of `group` pairs, in nats.

        In a group of m: mean T(x_i, y_i) - mean over i of logsumexp over j of T(x_j, y_i) + log m.

        Args:
            local: Shape (n, local_width), n at least 1.
            whole: Shape (n, global_width).
            group: Pairs that are contrasted with each other.
        """
        bounds = []
        for x, y in zip(self.local(local).split(group), self.whole(whole).split(group), strict=True):
            scores = nn.functional.softplus(self.score((x.unsqueeze(0) + y.unsqueeze(1)).relu()).squeeze(-1))
            bounds.append(scores.diagonal().mean() - scores.logsumexp(dim=1).mean() + math.log(len(x)))
        return torch.stack(bounds).mean()
