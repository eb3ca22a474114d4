"""HiddenCut: simple data augmentation for natural language understanding (Chen et al., ACL 2021)."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search, editing_feedforward, require_feedforward


@dataclass(kw_only=True, eq=False)
class HiddenCut(Method):
    """Train on clean passes and on passes that lose a span of hidden states in every layer.

    Loss: CE(z, y) + ce_weight * CE(z~, y) + js_weight * JS(z, z~). In the pass of z~ each block zeroes one contiguous
    span of its feed-forward output, in place of that layer's dropout: a share `ratio` of the text's tokens, from a
    token drawn among the share `top` that receives the most attention in that block. Defaults: the released script.

    Variants: ``paper`` takes JS(p || m) and leaves out the attention that padding pays. ``released`` does what the code
    does: the arguments of the JS swapped, padding's attention counted.
    """

    name: ClassVar[str] = "hiddencut"
    paper: ClassVar[str] = "Chen et al., ACL 2021"

    ratio: Annotated[
        float,
        Gt(0),
        Le(1),
        Search.linear(0.05, 0.5, source="ours: the release has 0.1; above a half little is left of a text"),
    ] = 0.1
    top: Annotated[float, Gt(0), Le(1)] = 0.4
    ce_weight: Annotated[float, Ge(0)] = 1.0
    js_weight: Annotated[float, Ge(0), Search.log(0.1, 10.0, source="ours: a decade either side of the default")] = 1.0
    variant: Literal["paper", "released"] = "paper"

    def setup(self, ctx: Context) -> None:
        """Check that the family's feed-forward layers are known."""
        require_feedforward(ctx.model)

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make a clean pass and one with a span cut in every block."""
        released = self.variant == "released"

        def cut(hidden: Tensor, attention: Tensor) -> Tensor:
            gone = attended_span(attention, batch.attention_mask, self.ratio, self.top, padding_attends=released)
            return hidden.masked_fill(gone.unsqueeze(-1), 0.0)

        clean = model(batch)
        with editing_feedforward(model, cut):
            poorer = model(batch)
        targets = batch.targets()
        losses = nn.functional.cross_entropy(clean, targets)
        losses = losses + self.ce_weight * nn.functional.cross_entropy(poorer, targets)
        return losses + self.js_weight * jensen_shannon(clean, poorer, swapped=released)


def attended_span(
    attention: Tensor, mask: Tensor, ratio: float, top: float, *, padding_attends: bool = False
) -> Tensor:
    """Draw one contiguous span per example, from a token among those that receive the most attention.

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


def jensen_shannon(first: Tensor, second: Tensor, *, swapped: bool = False) -> Tensor:
    """Compute the batch mean of (KL(p1 || m) + KL(p2 || m)) / 2, in nats, m being the mean of the two predictions.

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
