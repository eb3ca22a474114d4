"""HiddenCut's spans: which hidden states a pass loses, by the attention that they receive."""

import torch
from torch import Tensor

from benchmark.models.feedforward import editing_feedforward, require_feedforward

__all__ = ["attended_span", "editing_feedforward", "require_feedforward"]


def attended_span(
    attention: Tensor, mask: Tensor, ratio: float, top: float, *, padding_attends: bool = False
) -> Tensor:
    """One contiguous span an example, from a token drawn among those that receive the most attention.

    The span is max(1, floor(ratio * n)) tokens long, n being the tokens that are not padding, and ends with the text;
    its start is uniform among the max(1, floor(top * n)) tokens with the largest sum of attention over heads and
    queries (HiddenCut, Chen et al. 2021).

    Args:
        attention: Probabilities of shape (batch, heads, queries, keys).
        mask: 1 for real tokens, shape (batch, length).
        ratio: Length of the span as a share of the text, in (0, 1].
        top: Share of the tokens that a span may start from, in (0, 1].
        padding_attends: Count the attention that padding pays, too.

    Returns:
        True where a hidden state is cut, shape (batch, length).
    """
    real = mask.bool()
    queries = torch.ones_like(mask) if padding_attends else mask
    received = (attention.sum(dim=1) * queries.unsqueeze(-1)).sum(dim=1).masked_fill(~real, -1.0)
    lengths = mask.sum(dim=1)
    candidates = (top * lengths).long().clamp(min=1)
    drawn = (torch.rand(len(mask), device=mask.device) * candidates).long().clamp(max=candidates - 1)
    order = received.argsort(dim=1, descending=True, stable=True)
    start = order.gather(1, drawn.unsqueeze(1))
    end = start + (ratio * lengths).long().clamp(min=1).unsqueeze(1)
    positions = torch.arange(mask.shape[1], device=mask.device)
    return (positions >= start) & (positions < end) & real
