"""Initial weights, for methods that keep the model close to them."""

from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from benchmark.training.toolbox.chunked import in_chunks
from benchmark.training.toolbox.gradients import gradients_of


class Origin:
    """A copy of parameters at the time of its creation.

    Attributes:
        parameters: The parameters in training.
        values: The copied value of each.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], values: Sequence[Tensor] | None = None) -> None:
        self.parameters: list[Tensor] = list(parameters)
        self.values = [p.detach().clone() for p in parameters] if values is None else list(values)

    @classmethod
    def from_state(cls, parameters: Sequence[nn.Parameter], state: Mapping[str, Tensor]) -> Self:
        """Restore the result of `state_dict`."""
        return cls(parameters, [state[f"origin.{index}"] for index in range(len(parameters))])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the values by position."""
        return {f"origin.{index}": value for index, value in enumerate(self.values)}

    @torch.no_grad()
    def offsets(self) -> list[Tensor]:
        """Return each parameter minus its copied value."""
        return list(torch._foreach_sub(self.parameters, self.values))

    @torch.no_grad()
    def pull_gradients(self, strength: float) -> None:
        """Add strength * (w - origin), the gradient of strength / 2 * |w - origin|^2, to every gradient."""
        # Skip a parameter without a gradient, because it has never moved.
        pairs = [(p, value) for p, value in zip(self.parameters, self.values, strict=True) if p.grad is not None]
        moved, values = [p for p, _ in pairs], [value for _, value in pairs]
        for gradients, here, there in in_chunks(gradients_of(moved), moved, values):
            torch._foreach_add_(gradients, torch._foreach_sub(here, there), alpha=strength)

    @torch.no_grad()
    def pull_weights(self, share: float) -> None:
        """Move every parameter in training by a share, in [0, 1], of its distance to the origin."""
        pairs = [(p, value) for p, value in zip(self.parameters, self.values, strict=True) if p.requires_grad]
        if pairs:
            torch._foreach_lerp_([p for p, _ in pairs], [value for _, value in pairs], share)
