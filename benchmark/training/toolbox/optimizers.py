"""AdamW with a factor on each parameter's step."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from benchmark.suites import Recipe
from benchmark.training.toolbox.gradients import gradients_of


class ScaledAdamW(torch.optim.AdamW):
    """Fused AdamW whose step, weight decay included, is multiplied by a factor for each parameter.

    The moments follow the gradients whatever the factor. Parameters are grouped by factor, so that a step costs
    what AdamW's does as long as there are few different ones.

    Attributes:
        factors: Factor of a parameter's next step, 1 where there is none; a method sets it before each step.
    """

    def __init__(self, groups: Sequence[Mapping[str, Any]], recipe: Recipe) -> None:
        super().__init__(
            [dict(g) for g in groups], lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon, fused=True
        )
        self.factors: dict[Tensor, float] = {}

    @torch.no_grad()
    def hold(self, parameters: Sequence[Tensor], keep: Sequence[float]) -> None:
        """Scale each parameter's next step by a share: 1 keeps the step, 0 freezes the parameter.

        The gradient becomes keep * g + (1 - keep) * m, so that the first moment m of a held parameter stays too.
        """
        if parameters:
            torch._foreach_mul_(gradients_of(parameters), list(keep))
        met = [(p, 1.0 - share) for p, share in zip(parameters, keep, strict=True) if share < 1 and p in self.state]
        if met:
            moments = torch._foreach_mul([self.state[p]["exp_avg"] for p, _ in met], [rest for _, rest in met])
            torch._foreach_add_(gradients_of([p for p, _ in met]), moments)
        self.factors = dict(zip(parameters, keep, strict=True))

    @torch.no_grad()
    def departures(self, parameters: Sequence[Tensor]) -> Tensor | None:
        """Compute each gradient's distance from its running mean: | (1 - beta1) |g| / |m| - 1 |, norms per tensor.

        m is the first moment before the coming step. Shape (parameters,); None until all of them have one.
        """
        momenta = [self.state[p]["exp_avg"] for p in parameters if p in self.state]
        if len(momenta) < len(parameters):
            return None
        fresh, sizes = (torch.stack(torch._foreach_norm(ts)) for ts in (gradients_of(parameters), momenta))
        share: float = 1.0 - self.param_groups[0]["betas"][0]
        return (share * fresh / sizes.clamp_min(torch.finfo(sizes.dtype).tiny) - 1.0).abs()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Make one step with the current factors."""
        whole = self.param_groups
        self.param_groups = [part for group in whole for part in self._by_factor(group)]
        try:
            loss: float | None = super().step(closure)
            return loss
        finally:
            self.param_groups = whole

    def _by_factor(self, group: dict[str, Any]) -> list[dict[str, Any]]:
        split: dict[float, list[Tensor]] = {}
        for parameter in group["params"]:
            split.setdefault(self.factors.get(parameter, 1.0), []).append(parameter)
        return [{**group, "params": params, "lr": group["lr"] * factor} for factor, params in split.items()]
