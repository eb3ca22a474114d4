"""SAM: sharpness-aware minimisation (Foret et al., ICLR 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.importance import gradients_of
from benchmark.training.toolbox.sharpness import backward_uphill


@dataclass(kw_only=True, eq=False)
class SAM(Method):
    """Take the gradient where the weights were moved uphill, and apply it where they stand.

    w~ = w + rho * g / (|g| + 1e-12), g the gradient of the loss at w and |g| one norm over all parameters; the step
    at w uses the gradient at w~. `adaptive` scales by the weights (ASAM, Kwon et al., ICML 2021):
    w~ = w + rho * w^2 g / (| |w| g | + 1e-12).

    rho is 0.05 in the most used implementation (davda54/sam). Both gradients are those of the whole accumulation
    window, so 4 x 4 equals 1 x 16, and both passes draw the same dropout masks.
    """

    name: ClassVar[str] = "sam"
    paper: ClassVar[str] = "Foret et al., ICLR 2021"

    rho: float = 0.05
    adaptive: bool = False

    def __post_init__(self) -> None:
        if self.rho <= 0:
            raise UsageError("sam needs rho > 0.")

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Two passes over the accumulation window."""
        backward_uphill(batch, ctx, lambda part: self.loss(model, part, ctx), self._ascent)

    def _ascent(self, parameters: Sequence[nn.Parameter]) -> Mapping[nn.Parameter, Tensor]:
        steps, weights = gradients_of(parameters), cast(list[Tensor], parameters)
        if self.adaptive:
            steps = list(torch._foreach_mul(steps, weights))
        scale: Tensor = self.rho / (torch.stack(torch._foreach_norm(steps)).norm() + 1e-12)
        if self.adaptive:
            torch._foreach_mul_(steps, weights)
        torch._foreach_mul_(steps, scale)
        return dict(zip(parameters, steps, strict=True))
