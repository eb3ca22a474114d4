"""Focal loss: less weight for examples that the model already gets right (Lin et al., ICCV 2017)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search


@dataclass(kw_only=True, eq=False)
class Focal(Method):
    """Weight each example's cross-entropy by (1 - p)^gamma, p being the probability of its class (equation 4).

    Without the paper's class weights alpha, which are for rare classes. The mean is over examples, as for
    cross-entropy: the paper divides by the number of boxes that hold an object. Mukhoti et al. (NeurIPS 2020) show
    that it calibrates; with gamma 3 in their experiments.
    """

    name: ClassVar[str] = "focal"
    paper: ClassVar[str] = "Lin et al., ICCV 2017"

    gamma: Annotated[float, Ge(0), Search.linear(0.5, 5.0, source="the paper's grid: 0.5, 1, 2 and 5")] = 2.0

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Compute the mean of the weighted cross-entropies."""
        losses = nn.functional.cross_entropy(model(batch), batch.targets(), reduction="none")
        # 1 - p without cancellation. The floor keeps the gradient finite where p rounds to 1 and gamma is below 1.
        wrong = (-(-losses).expm1()).clamp_min(1e-12)
        return (wrong**self.gamma * losses).mean()
