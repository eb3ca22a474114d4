"""SWA: evaluate the mean of the weights along the end of training (Izmailov et al., UAI 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from torch import Tensor

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.ema import MovingAverage


@dataclass(kw_only=True, eq=False)
class SWA(Method):
    """Average the weights after every step from a share `start` of the run on; validate and save the mean.

    The paper averages the ends of epochs under a constant or cyclical learning rate. Fine-tuning has few epochs, so
    the mean is over steps here, as in SWAD (Cha et al., NeurIPS 2021), and the rate is the recipe's, which decays. An
    epoch that ends before `start` is judged by the model's own weights. There is no batch normalisation to refresh.

    The paper starts after about 75 % of the budget.
    """

    name: ClassVar[str] = "swa"
    paper: ClassVar[str] = "Izmailov et al., UAI 2018"

    start: Annotated[
        float, Ge(0), Lt(1), Search.linear(0.25, 0.9, source="ours: around the 75 % of the paper's section 4")
    ] = 0.75

    def setup(self, ctx: Context) -> None:
        """Reserve the mean, which the first averaged step overwrites."""
        self._mean = MovingAverage(ctx.model)

    def after_step(self, ctx: Context) -> None:
        """Add the weights to the mean."""
        count = self._count(ctx)
        if count:
            self._mean.follow(1.0 - 1.0 / count)

    def evaluation_weights(self, ctx: Context) -> dict[str, Tensor]:
        """Return the mean, and nothing before it starts."""
        if not self._count(ctx):
            return {}
        names = (name for name, _ in ctx.model.named_parameters())
        return dict(zip(names, self._mean.values, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the mean."""
        return self._mean.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the mean."""
        self.setup(ctx)
        self._mean.load_state_dict(state)

    def _count(self, ctx: Context) -> int:
        """Return how many steps the mean is over."""
        return max(0, ctx.step - int(self.start * ctx.steps))
