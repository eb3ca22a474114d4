"""A teacher that follows the model as an exponential moving average of its weights."""

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier


class MovingAverage:
    """Exponential moving average of all of a model's parameters, from their values now.

    Args:
        model: The model to follow; the average runs through its modules and counts in its passes.
    """

    def __init__(self, model: Classifier) -> None:
        self.model = model
        self.values = [p.detach().clone() for p in model.parameters()]

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Become momentum * average + (1 - momentum) * model."""
        torch._foreach_lerp_(self.values, [p.detach() for p in self.model.parameters()], 1.0 - momentum)

    @torch.no_grad()
    def logits(self, batch: Batch) -> Tensor:
        """The averaged model's logits in the mode that the model is in, without a graph."""
        named = dict(zip((name for name, _ in self.model.named_parameters()), self.values, strict=True))
        answer: Tensor = torch.func.functional_call(self.model, named, (batch,))
        return answer

    def state_dict(self) -> dict[str, Tensor]:
        """The average, by number."""
        return {f"average.{index}": value for index, value in enumerate(self.values)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take it back."""
        self.values = [state[f"average.{index}"] for index in range(len(self.values))]
