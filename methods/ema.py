"""EMA: evaluate an exponential moving average of the weights (Tarvainen and Valpola, NeurIPS 2017)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt, Lt
from torch import Tensor

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.ema import MovingAverage


@dataclass(kw_only=True, eq=False)
class EMA(Method):
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

    def setup(self, ctx: Context) -> None:
        """Start from the initial weights."""
        self._average = MovingAverage(ctx.model)

    def after_step(self, ctx: Context) -> None:
        """Update the average."""
        self._average.follow(min(self.decay, 1.0 - 1.0 / (ctx.step + 1)))

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
