"""BitFit: train the biases and the head alone (Ben Zaken et al., ACL 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from benchmark.training import Classifier, Method, Phase, Recipe, UsageError


@dataclass(kw_only=True, eq=False)
class BitFit(Method):
    """Freeze the body but for its biases, those of the normalisation layers included (section 3); train the head.

    `rate_factor` multiplies the recipe's learning rate, which suits full fine-tuning. The paper's rates for BERT, 1e-4
    to 1e-3, are about ten times those of its full fine-tuning.
    """

    name: ClassVar[str] = "bitfit"
    paper: ClassVar[str] = "Ben Zaken et al., ACL 2022"

    rate_factor: Annotated[float, Gt(0)] = 10.0

    def adapt_model(self, model: Classifier) -> None:
        """Note the names of the parameters to train."""
        body = set(model.body.parameters())
        if not any(name.endswith("bias") for name, _ in model.body.named_parameters()):
            raise UsageError("the backbone has no biases, so only the head would be trained; use another backbone.")
        self._trained = {name for name, p in model.named_parameters() if p not in body or name.endswith("bias")}

    def phases(self, recipe: Recipe) -> Sequence[Phase]:
        """Train the noted parameters for the recipe's epochs."""
        return [Phase("biases and head", recipe.epochs, self._trained.__contains__, self.rate_factor)]
