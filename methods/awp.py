"""AWP: adversarial weight perturbation (Wu et al., NeurIPS 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.sharpness import window_gradients


@dataclass(kw_only=True, eq=False)
class AWP(Method):
    """Evaluate the gradient at weights moved up the loss by a share of their norm, and apply it at the original ones.

    w~ = w + gamma * |w| * g / (|g| + 1e-20) for every tensor of two or more dimensions, with norms per tensor; biases
    and normalisation weights stay. This is the released proxy's single step of plain gradient ascent: its learning
    rate cancels in the rescaling. The paper pairs it with adversarial inputs; here the loss is the method's own, so
    alone it is cross-entropy on clean text.

    gamma is 0.01 for adversarial training in the released code (csdongxian/AWP; 0.005 with TRADES). Its warm-up of 10
    of 200 epochs is left out: fine-tuning has few. Both gradients are those of the whole accumulation window, so 4 x 4
    equals 1 x 16, and both passes draw the same dropout masks.
    """

    name: ClassVar[str] = "awp"
    paper: ClassVar[str] = "Wu et al., NeurIPS 2020"
    uses_loss: ClassVar[bool] = True

    gamma: Annotated[float, Gt(0), Search.log(0.001, 0.1, source="ours: a decade either side of the default")] = 0.01

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
        """Return the step up the loss for each weight matrix."""
        matrices = {p: gradient for p, gradient in gradients.items() if p.dim() >= 2}
        weights: list[Tensor] = list(matrices)
        steps = list(matrices.values())
        sizes = torch.stack(torch._foreach_norm(weights))
        slopes = torch.stack(torch._foreach_norm(steps)).clamp_min(1e-20)
        scales: list[float] = (self.gamma * sizes / slopes).tolist()
        torch._foreach_mul_(steps, scales)
        return dict(zip(matrices, steps, strict=True))
