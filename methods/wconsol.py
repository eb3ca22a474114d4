"""WConsol: L2 regularisation towards the pre-trained weights (a baseline of Kim et al. 2023, as L2-SP)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from torch import Tensor, nn

from benchmark.training import Context, Method, Search
from benchmark.training.optimization import decayed_parameters
from benchmark.training.toolbox.init_weights import Origin


@dataclass(kw_only=True, eq=False)
class WConsol(Method):
    """Penalise the distance to the pre-trained weights: loss + strength * sum (w - w_pre)^2.

    The sum runs over the body's parameters that have weight decay (no biases, no normalisation layers). The penalty's
    gradient 2 * strength * (w - w_pre) is added in closed form after clipping, so it costs no pass, is not shrunk with
    the task's gradient and is not in the logged loss; accumulation does not change it.

    The strength of the paper's baseline is unknown; 0.01 is ours. Variants: ``released`` also holds the head's matrices
    at their random start, as the compiled files in RoAST's repository do. Their source was not released.
    """

    name: ClassVar[str] = "wconsol"
    paper: ClassVar[str] = "Li et al., ICML 2018; Kim et al., Findings of EMNLP 2023"

    strength: Annotated[
        float,
        Ge(0),
        Search.log(1e-4, 1.0, source="ours: two decades either side; the strength of the paper's baseline is unknown"),
    ] = 0.01
    variant: Literal["paper", "released"] = "paper"

    def setup(self, ctx: Context) -> None:
        """Store a copy of the weights."""
        self._origin = Origin(self._held(ctx))

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Add the penalty's gradient."""
        self._origin.pull_gradients(2.0 * self.strength)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the copy of the initial weights."""
        return self._origin.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the copy."""
        self._origin = Origin.from_state(self._held(ctx), state)

    def _held(self, ctx: Context) -> list[nn.Parameter]:
        body = set(ctx.body_parameters())
        return [p for p in decayed_parameters(ctx.model) if p in body or self.variant == "released"]
