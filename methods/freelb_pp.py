"""FreeLB++: FreeLB with more steps and no bound, from a benchmark of text defences (Li et al., EMNLP 2021)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.free import Ascent, free_backward


@dataclass(kw_only=True, eq=False)
class FreeLBPlusPlus(Method):
    """FreeLB without a bound on the perturbation and with more passes.

    The gradient applied is the mean over `steps` passes over word embeddings; the perturbation moves between them.
    Defaults: those of TextDefender, the paper's code; the step number of the paper's tables was not found.

    Variants: ``paper`` shares the dropout masks of a step's passes, as FreeLB's paper asks. ``released`` is
    TextDefender, where each pass draws its own.
    """

    name: ClassVar[str] = "freelb_pp"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Li et al., EMNLP 2021"

    steps: int = 5
    rate: float = 0.03
    start: float = 0.05
    radius: float = 0.0
    norm: str = "l2"
    variant: str = "paper"

    def __post_init__(self) -> None:
        self._ascent.check("freelb_pp")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"freelb_pp has the variants paper and released, not {self.variant!r}.")

    @property
    def _ascent(self) -> Ascent:
        return Ascent(self.steps, self.rate, self.start, self.radius, self.norm)

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes; each backward serves the parameters and the next perturbation."""

        def loss_at(words: Tensor) -> Tensor:
            return nn.functional.cross_entropy(model(batch, words=words), batch.targets())

        free_backward(model, batch, ctx, self._ascent, loss_at, same_dropout=self.variant == "paper")
