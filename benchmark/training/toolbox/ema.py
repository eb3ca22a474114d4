"""A teacher model whose weights are an exponential moving average of the model's."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

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
        """Update the average to momentum * average + (1 - momentum) * model."""
        torch._foreach_lerp_(self.values, [p.detach() for p in self.model.parameters()], 1.0 - momentum)

    @torch.no_grad()
    def embed(self, batch: Batch) -> Tensor:
        """Compute the output of the averaged model's embedding layer in the model's current mode, without a graph."""
        answer: Tensor = torch.func.functional_call(_Embedding(self.model), self._named("model."), (batch,))
        return answer

    @torch.no_grad()
    def logits(self, batch: Batch, embeds: Tensor | None = None) -> Tensor:
        """Compute the logits of the averaged model in the model's current mode, without a graph.

        Args:
            batch: The examples.
            embeds: Result of `embed`, to start from.
        """
        answer: Tensor = torch.func.functional_call(self.model, self._named(), (batch, embeds))
        return answer

    def _named(self, prefix: str = "") -> dict[str, Tensor]:
        names = (prefix + name for name, _ in self.model.named_parameters())
        return dict(zip(names, self.values, strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the average, by number."""
        return {f"average.{index}": value for index, value in enumerate(self.values)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the average."""
        self.values = [state[f"average.{index}"] for index in range(len(self.values))]


class _Embedding(nn.Module):
    """A model whose forward returns the embedding layer's output, because `functional_call` only calls forward."""

    def __init__(self, model: Classifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        return self.model.embed(batch)
