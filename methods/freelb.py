"""FreeLB: enhanced adversarial training for natural language understanding (Zhu et al., ICLR 2020)."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt
from torch import nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.perturbation import ascend, masked_start


@dataclass(kw_only=True, eq=False)
class FreeLB(Method):
    """Average the gradients of several passes over word embeddings that climb the loss.

    The perturbation starts at random within each sequence (zero on padding). Between two passes it moves by `rate`
    along its gradient over the sequence's norm, and stays within `radius` (0: unbounded). The gradient applied is the
    mean over the passes. All passes of a step share their dropout masks, as the paper asks.

    Variants: ``paper`` makes `steps` passes, so the perturbation moves `steps` - 1 times, as in the paper's Algorithm 1
    and the authors' code for ALBERT and BERT. ``released`` is their fairseq code for RoBERTa: the perturbation moves
    `steps` times, so there are `steps` + 1 passes, each with the weight 1 / (`steps` + 1).

    Defaults are the values that the fairseq launch script passes for SST-2 on RoBERTa-large. With them the fairseq code
    makes three passes, as ``released`` does; ``paper`` makes two.

    A perturbation belongs to its sequence, so 4 x 4 equals 1 x 16 but for what is drawn at random: starts and dropout.
    """

    name: ClassVar[str] = "freelb"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Zhu et al., ICLR 2020"

    steps: Annotated[int, Ge(1)] = 2
    rate: Annotated[float, Gt(0), Search.log(0.01, 1.0, source="ours: a decade either side of the default")] = 0.1
    start: Annotated[float, Ge(0)] = 1.0
    radius: Annotated[float, Ge(0), Search.log(0.06, 6.0, source="ours: a decade either side of the default")] = 0.6
    norm: Literal["l2", "l_inf"] = "l2"
    variant: Literal["paper", "released"] = "paper"

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes; each backward gives the gradients of the parameters and of the next perturbation."""
        self._backward(model, batch, ctx, passes=self.steps + (self.variant == "released"), same_dropout=True)

    def _backward(self, model: Classifier, batch: Batch, ctx: Context, *, passes: int, same_dropout: bool) -> None:
        """Add the mean gradient of the passes; the perturbation moves between them."""
        delta = masked_start(model.embed_words(batch).detach(), batch.attention_mask, self.start, self.norm)
        with ctx.same_dropout() if same_dropout else nullcontext():
            for left in range(passes - 1, -1, -1):
                delta.requires_grad_(left > 0)
                logits = model(batch, words=model.embed_words(batch) + delta)
                ctx.backward(nn.functional.cross_entropy(logits, batch.targets()) / passes)
                if delta.grad is not None:
                    delta = ascend(delta, delta.grad, self.rate, self.radius, self.norm)
