"""FreeLB: enhanced adversarial training for natural language understanding (Zhu et al., ICLR 2020)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.free import Ascent, free_backward


@dataclass(kw_only=True, eq=False)
class FreeLB(Method):
    """Average the gradients of K passes over word embeddings that climb the loss.

    The perturbation starts at random within each sequence (zero on padding) and moves by `rate` along its gradient
    over the sequence's norm after each pass, kept within `radius` (0: unbounded). The gradient applied is the mean
    over the passes, which share their dropout masks. Defaults: the released launch script for SST-2 on RoBERTa-large.

    Variants: ``paper`` is the above, as in the code for ALBERT and BERT. ``released`` is that of the fairseq code for
    RoBERTa: a clean pass before the K perturbed ones, all with the weight 1 / (K + 1), each with its own dropout.

    A perturbation is its sequence's own, so 4 x 4 equals 1 x 16 but for what is drawn at random: starts and dropout.
    """

    name: ClassVar[str] = "freelb"
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
        """K passes, each of whose backward serves the parameters and the next perturbation."""

        def loss_at(words: Tensor | None) -> Tensor:
            return nn.functional.cross_entropy(model(batch, words=words), batch.targets())

        released = self.variant == "released"
        free_backward(model, batch, ctx, self._ascent, loss_at, clean=released, same_dropout=not released)
