"""R-Drop: regularised dropout (Liang et al., NeurIPS 2021)."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.consistency import symmetric_kl
from benchmark.training.toolbox.pairs import attend_padding, paired_loss


@dataclass(kw_only=True, eq=False)
class RDrop(Method):
    """Train two passes that differ in their dropout only, and ask them to agree.

    Loss: CE(z1, y) + CE(z2, y) + kl_weight * symKL(z1, z2), symKL being half of the two directions' sum, as R-Drop's
    own code for sentence classification has it; kl_weight 1 is its default.

    Variants: ``paper`` is the above. ``released`` is the version in RoAST's release: CE(z1, y) / 2 + kl_weight * symKL
    summed over the batch (so that accumulation changes its weight), padding attended in training; its comments
    mention a kl_weight of 0.7.
    """

    name: ClassVar[str] = "r_drop"
    paper: ClassVar[str] = "Liang et al., NeurIPS 2021"

    kl_weight: float = 1.0
    variant: str = "paper"

    def __post_init__(self) -> None:
        if self.kl_weight < 0:
            raise UsageError("r_drop needs kl_weight >= 0.")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"r_drop has the variants paper and released, not {self.variant!r}.")

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend the padding where RoAST's code does."""
        return attend_padding(batch) if self.variant == "released" else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Two passes with their own dropout."""
        first, second, targets = model(batch), model(batch), batch.targets()
        if self.variant == "released":
            return paired_loss(first, second, targets, self.kl_weight, released=True)
        losses = nn.functional.cross_entropy(first, targets) + nn.functional.cross_entropy(second, targets)
        return losses + self.kl_weight * symmetric_kl(first, second)
