"""Label smoothing: targets that keep some probability for the other classes (Szegedy et al., CVPR 2016)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Lt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search


@dataclass(kw_only=True, eq=False)
class LabelSmoothing(Method):
    """Cross-entropy with the target (1 - smoothing) * one-hot + smoothing / classes (the paper's section 7).

    The share is spread over all classes, the right one among them. 0.1 is the paper's, for ImageNet.
    """

    name: ClassVar[str] = "label_smoothing"
    paper: ClassVar[str] = "Szegedy et al., CVPR 2016"

    smoothing: Annotated[
        float, Ge(0), Lt(1), Search.linear(0.02, 0.3, source="ours: from a fifth to three times the paper's 0.1")
    ] = 0.1

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Compute the cross-entropy with smoothed targets."""
        return nn.functional.cross_entropy(model(batch), batch.targets(), label_smoothing=self.smoothing)
