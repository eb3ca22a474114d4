"""Linear layers with their weights laid out once for the processor, for many forward passes of a model that stays."""

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def can_pack(device: torch.device) -> bool:
    """Whether this torch can lay weights out for this device."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and hasattr(_ops(), "_linear_pointwise")


def packed(model: M) -> M:
    """A copy for inference, whose linear layers multiply by oneDNN with weights that it has laid out already.

    The arithmetic stays that of the weights' type; sums are made in another order, so that numbers differ by rounding.
    On some processors that is twice as quick as torch's own choice of a float32 product, which lays weights out anew
    for every batch.

    Args:
        model: It is not changed. The copy shares its parameters and must not outlive a change of them.

    Returns:
        The copy, or the model itself where nothing can be packed.
    """
    tensors = [*model.parameters(), *model.buffers()]
    if not (tensors and can_pack(tensors[0].device)):
        return model
    shared = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    for module in list(shared.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear:
                setattr(module, name, PackedLinear(child))
    return shared


class PackedLinear(nn.Linear):
    """A linear layer for inference that keeps a second, packed copy of its weights."""

    def __init__(self, linear: nn.Linear) -> None:
        """Pack a layer's weights; the layer's own are shared, since some models read them beside calling the layer."""
        nn.Module.__init__(self)
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = _ops()._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output, shape (..., out_features)."""
        return cast(Tensor, _ops()._linear_pointwise(input, self._packed, self.bias, "none", [], ""))


def _ops() -> "torch._ops._OpNamespace":
    return torch.ops.mkldnn
