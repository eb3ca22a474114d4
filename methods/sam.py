"""SAM: sharpness-aware minimisation (Foret et al., ICLR 2021)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.sharpness import window_gradients


@dataclass(kw_only=True, eq=False)
class SAM(Method):
    """Evaluate the gradient at weights perturbed up the loss, and apply it at the original ones.

    w~ = w + rho * g / (|g| + 1e-12), g the gradient of the loss at w and |g| one norm over all parameters; the step
    at w uses the gradient at w~. `adaptive` scales by the weights (ASAM, Kwon et al., ICML 2021):
    w~ = w + rho * w^2 g / (| |w| g | + 1e-12).

    rho is 0.05 in the most used implementation (davda54/sam). Both gradients are those of the whole accumulation
    window, so 4 x 4 equals 1 x 16, and both passes draw the same dropout masks.
    """

    name: ClassVar[str] = "sam"
    paper: ClassVar[str] = "Foret et al., ICLR 2021"
    uses_loss: ClassVar[bool] = True

    rho: Annotated[
        float,
        Gt(0),
        Search.log(0.01, 0.5, source="ours: the default is 0.05; a fifth of it to ten times it"),
    ] = 0.05
    adaptive: bool = False

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make two passes over the accumulation window: at the weights, and at the perturbed weights."""
        window = ctx.collect(batch)
        if not window:
            return
        with ctx.perturbed(self.perturbation(window_gradients(self, window, ctx))):
            for part in window:
                ctx.backward(self.loss(model, part, ctx), part)

    @torch.no_grad()
    def perturbation(self, gradients: Mapping[nn.Parameter, Tensor]) -> dict[nn.Parameter, Tensor]:
        """Return the step up the loss for each parameter."""
        weights: list[Tensor] = list(gradients)
        steps = list(gradients.values())
        if self.adaptive:
            steps = list(torch._foreach_mul(steps, weights))
        scale: Tensor = self.rho / (torch.stack(torch._foreach_norm(steps)).norm() + 1e-12)
        if self.adaptive:
            torch._foreach_mul_(steps, weights)
        torch._foreach_mul_(steps, scale)
        return dict(zip(gradients, steps, strict=True))
