"""HiddenCut: simple data augmentation for natural language understanding (Chen et al., ACL 2021)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.consistency import jensen_shannon
from benchmark.training.toolbox.cut import attended_span, editing_feedforward, require_feedforward


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

    ratio: float = 0.1
    top: float = 0.4
    ce_weight: float = 1.0
    js_weight: float = 1.0
    variant: str = "paper"

    def __post_init__(self) -> None:
        if not 0 < self.ratio <= 1 or not 0 < self.top <= 1 or self.ce_weight < 0 or self.js_weight < 0:
            raise UsageError("hiddencut needs ratio and top in (0, 1] and weights >= 0.")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"hiddencut has the variants paper and released, not {self.variant!r}.")

    def setup(self, ctx: Context) -> None:
        """Find out whether the family's feed-forward layers are known."""
        require_feedforward(ctx.model)

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """A clean pass and one with a span cut in every block."""
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
