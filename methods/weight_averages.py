"""Averages of the weights along training: EMA (Tarvainen and Valpola 2017) and SWA (Izmailov et al. 2018)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Lt
from torch import Tensor

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.ema import MovingAverage


@dataclass(kw_only=True, eq=False)
class WeightAverage(Method):
    """Validate and save an average of the weights, while training continues from the last ones: the base class."""

    def setup(self, ctx: Context) -> None:
        """Start from the initial weights."""
        self._average = MovingAverage(ctx.model)

    def evaluation_weights(self, ctx: Context) -> dict[str, Tensor]:
        """Return the average."""
        names = (name for name, _ in ctx.model.named_parameters())
        return dict(zip(names, self._average.values, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average."""
        return self._average.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the average."""
        self.setup(ctx)
        self._average.load_state_dict(state)


@dataclass(kw_only=True, eq=False)
class EMA(WeightAverage):
    """After each step move the average to d * average + (1 - d) * weights; validate and save the average.

    d is `decay`, and 1 - 1 / (t + 1) after step t while that is smaller, as in the released code of the mean teacher:
    the average is the plain mean of the initial weights and all later ones at first. Training itself does not change.

    The paper has 0.99 early and 0.999 later, for tens of thousands of steps. Fine-tuning has hundreds, so 0.99.
    """

    name: ClassVar[str] = "ema"
    paper: ClassVar[str] = "Tarvainen and Valpola, NeurIPS 2017"

    decay: Annotated[
        float,
        Gt(0),
        Lt(1),
        Search.choice(0.9, 0.97, 0.99, 0.997, 0.999, source="ours: windows of 10 to 1,000 steps; the paper has two"),
    ] = 0.99

    def after_step(self, ctx: Context) -> None:
        """Update the average."""
        self._average.follow(min(self.decay, 1.0 - 1.0 / (ctx.step + 1)))


@dataclass(kw_only=True, eq=False)
class SWA(WeightAverage):
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

    def after_step(self, ctx: Context) -> None:
        """Add the weights to the mean; the first ones overwrite it."""
        count = self._count(ctx)
        if count:
            self._average.follow(1.0 - 1.0 / count)

    def evaluation_weights(self, ctx: Context) -> dict[str, Tensor]:
        """Return the mean, and nothing before it starts."""
        return super().evaluation_weights(ctx) if self._count(ctx) else {}

    def _count(self, ctx: Context) -> int:
        """Return how many steps the mean is over."""
        return max(0, ctx.step - int(self.start * ctx.steps))
