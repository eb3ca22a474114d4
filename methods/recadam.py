"""RecAdam: recall and learn with an annealed objective (Chen et al., EMNLP 2020)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.init_weights import Origin
from benchmark.training.toolbox.optimizers import ScaledAdamW


@dataclass(kw_only=True, eq=False)
class RecAdam(Method):
    """Move from recalling the pre-trained weights to learning the task within Adam's own update.

    With lam(t) = 1 / (1 + exp(-rate * (t - midpoint))) at step t = 1, 2, ..., the body's parameters take Adam's step on
    the task's gradient times lam, then move by the share lr * (1 - lam) * pull of their way back to the pre-trained
    weights, then decay by lr * weight decay (not scaled by lam). The head's take plain AdamW's step.

    Defaults of the released code: rate 0.5, midpoint 250, pull 5000; its grid has rates of 0.05 to 1 and midpoints of
    100 to 1000. A midpoint beyond the run's steps keeps the body where it was. Departures: a share above 1 would
    overshoot the pre-trained weights and is cut to 1; epsilon is placed as in PyTorch's AdamW. Accumulation does
    not change the method: t counts optimizer steps.
    """

    name: ClassVar[str] = "recadam"
    paper: ClassVar[str] = "Chen et al., EMNLP 2020"

    rate: Annotated[
        float,
        Gt(0),
        Search.log(0.05, 1.0, source="the grid of the release: 0.05, 0.1, 0.2, 0.5 and 1"),
    ] = 0.5
    midpoint: Annotated[
        int,
        Ge(0),
        Search.log(10, 1000, source="the grid of the release, 100 to 1000, and a decade below it for short runs"),
    ] = 250
    pull: Annotated[float, Ge(0)] = 5000.0

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: Context) -> torch.optim.Optimizer:
        """Build AdamW with a factor on the step and without decay; `after_step` applies the decay after the pull."""
        self._decay = [(list(g["params"]), g["weight_decay"]) for g in groups if g["weight_decay"]]
        self._optimizer = ScaledAdamW([{**g, "weight_decay": 0.0} for g in groups], ctx.recipe)
        return self._optimizer

    def setup(self, ctx: Context) -> None:
        """Store a copy of the body's weights."""
        self._origin = Origin(ctx.body_parameters())

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Scale the next step instead of the gradient, so that the moments follow the unscaled gradient."""
        self._optimizer.factors = dict.fromkeys(self._origin.parameters, self._learning(ctx.step + 1))

    @torch.no_grad()
    def after_step(self, ctx: Context) -> None:
        """Pull the body back, then decay."""
        rate = self._optimizer.param_groups[0]["lr"]
        self._origin.pull_weights(min(1.0, rate * (1.0 - self._learning(ctx.step)) * self.pull))
        for parameters, decay in self._decay:
            # Skip parameters that have never had a gradient, as AdamW does.
            moved = [p for p in parameters if p in self._optimizer.state]
            if moved:
                torch._foreach_mul_(moved, 1.0 - rate * decay)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the copy of the body's initial weights."""
        return self._origin.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the copy."""
        self._origin = Origin.from_state(ctx.body_parameters(), state)

    def _learning(self, step: int) -> float:
        """Compute the task's share of the objective, lam."""
        return 0.5 * (1.0 + math.tanh(0.5 * self.rate * (step - self.midpoint)))
