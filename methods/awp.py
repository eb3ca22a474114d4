"""AWP: adversarial weight perturbation (Wu et al., NeurIPS 2020)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.importance import gradients_of
from benchmark.training.toolbox.sharpness import backward_uphill


@dataclass(kw_only=True, eq=False)
class AWP(Method):
    """Take the gradient where each weight matrix was moved uphill by a share of its own norm.

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

    gamma: float = 0.01

    def __post_init__(self) -> None:
        if self.gamma <= 0:
            raise UsageError("awp needs gamma > 0.")

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Two passes over the accumulation window."""
        backward_uphill(batch, ctx, lambda part: self.loss(model, part, ctx), self._ascent)

    def _ascent(self, parameters: Sequence[nn.Parameter]) -> Mapping[nn.Parameter, Tensor]:
        matrices = [p for p in parameters if p.dim() >= 2]
        gradients = gradients_of(matrices)
        sizes = torch.stack(torch._foreach_norm(cast(list[Tensor], matrices)))
        slopes = torch.stack(torch._foreach_norm(gradients)).clamp_min(1e-20)
        scales: list[float] = (self.gamma * sizes / slopes).tolist()
        torch._foreach_mul_(gradients, scales)
        return dict(zip(matrices, gradients, strict=True))
