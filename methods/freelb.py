"""FreeLB: enhanced adversarial training for natural language understanding (Zhu et al., ICLR 2020)."""

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.free import Ascent, free_backward


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

    steps: int = 2
    rate: float = 0.1
    start: float = 1.0
    radius: float = 0.6
    norm: str = "l2"
    variant: str = "paper"

    def __post_init__(self) -> None:
        self._ascent.check("freelb")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"freelb has the variants paper and released, not {self.variant!r}.")

    @property
    def _ascent(self) -> Ascent:
        return Ascent(self.steps, self.rate, self.start, self.radius, self.norm)

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes; each backward serves the parameters and the next perturbation."""

        def loss_at(words: Tensor) -> Tensor:
            return nn.functional.cross_entropy(model(batch, words=words), batch.targets())

        released = self.variant == "released"
        ascent = replace(self._ascent, steps=self.steps + 1) if released else self._ascent
        free_backward(model, batch, ctx, ascent, loss_at)
