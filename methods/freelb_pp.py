"""FreeLB++: FreeLB with more steps and no bound, from a benchmark of text defences (Li et al., EMNLP 2021)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt

from benchmark.training import Batch, Classifier, Context, Search
from methods.freelb import FreeLB


@dataclass(kw_only=True, eq=False)
class FreeLBPlusPlus(FreeLB):
    """Run FreeLB without a bound on the perturbation and with more passes.

    The gradient applied is the mean over `steps` passes over word embeddings; the perturbation moves between them.
    Defaults: those of TextDefender, the paper's code; the step number of the paper's tables was not found.

    Variants: ``paper`` shares the dropout masks of a step's passes, as FreeLB's paper asks. ``released`` is
    TextDefender, where each pass draws its own.
    """

    name: ClassVar[str] = "freelb_pp"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Li et al., EMNLP 2021"

    steps: Annotated[int, Ge(1)] = 5
    rate: Annotated[float, Gt(0), Search.log(0.003, 0.3, source="ours: a decade either side of the default")] = 0.03
    start: Annotated[float, Ge(0), Search.log(0.005, 0.5, source="ours: a decade either side of the default")] = 0.05
    radius: Annotated[float, Ge(0)] = 0.0

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes; each backward gives the gradients of the parameters and of the next perturbation."""
        self._backward(model, batch, ctx, passes=self.steps, same_dropout=self.variant == "paper")
