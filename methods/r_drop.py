"""R-Drop: regularised dropout (Liang et al., NeurIPS 2021)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.consistency import attend_padding, paired_loss, symmetric_kl


@dataclass(kw_only=True, eq=False)
class RDrop(Method):
    """Train on two passes that differ only in their dropout, and penalise their disagreement.

    Loss: CE(z1, y) + CE(z2, y) + kl_weight * symKL(z1, z2), symKL being half of the two directions' sum, as R-Drop's
    own code for sentence classification has it; kl_weight 1 is its default.

    Variants: ``paper`` is the above. ``released`` is the version in RoAST's release: CE(z1, y) / 2 + kl_weight * symKL
    summed over the batch (so that accumulation changes its weight), padding attended in training; its comments
    mention a kl_weight of 0.7.
    """

    name: ClassVar[str] = "r_drop"
    paper: ClassVar[str] = "Liang et al., NeurIPS 2021"

    kl_weight: Annotated[float, Ge(0), Search.log(0.1, 10.0, source="ours: a decade either side of the default")] = 1.0
    variant: Literal["paper", "released"] = "paper"

    def setup(self, ctx: Context) -> None:
        """Check that the passes can differ.

        Raises:
            UsageError: the model has no dropout.
        """
        ctx.model.require_dropout(self.name)

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend to the padding if RoAST's code does."""
        return attend_padding(batch) if self.variant == "released" else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make two passes, each with its own dropout."""
        first, second, targets = model(batch), model(batch), batch.targets()
        if self.variant == "released":
            return paired_loss(first, second, targets, self.kl_weight, released=True)
        losses = nn.functional.cross_entropy(first, targets) + nn.functional.cross_entropy(second, targets)
        return losses + self.kl_weight * symmetric_kl(first, second)
