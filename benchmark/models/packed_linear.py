"""Linear layers with weights that are packed once for the CPU, for many forward passes of an unchanged model."""

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import family_facts
from benchmark.models.classifier import Classifier

M = TypeVar("M", bound=nn.Module)


def can_pack(device: torch.device) -> bool:
    """Return whether this torch build can pack weights for a device."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available() and hasattr(_ops(), "_linear_pointwise")


def packed(model: M) -> M:
    """Return a copy for inference whose linear layers use oneDNN with packed weights.

    The precision is that of the weights. Sums have another order, so results differ by rounding. On some processors
    this is twice as fast as torch's default float32 product, which packs the weights again for every batch.

    Args:
        model: It is not changed. The copy shares its parameters; discard it when they change.

    Returns:
        The copy, or the model itself if nothing can be packed.
    """
    tensors = [*model.parameters(), *model.buffers()]
    if not (tensors and can_pack(tensors[0].device)):
        return model
    shared = copy.deepcopy(model, {id(tensor): tensor for tensor in tensors})
    for module in list(shared.modules()):
        children = dict(module.named_children())
        linear = [name for name, child in children.items() if type(child) is nn.Linear]
        fused = linear == ["dense"] and _is_gelu(children.get(_ACTIVATION))
        for name in linear:
            setattr(module, name, PackedLinear(cast(nn.Linear, children[name]), "gelu" if fused else "none"))
        if fused:
            setattr(module, _ACTIVATION, nn.Identity())
    return shared


def summary_only(model: Classifier) -> Classifier:
    """Run the last block's feed-forward part on the first token only, if the head reads no other token.

    The last hidden states of the other tokens are then undefined.

    Args:
        model: A copy for inference, as from `packed`; it is changed. Families without BERT's parts, and prompt
            classifiers, are not changed.
    """
    if type(model) is Classifier and family_facts(model.family).intermediate:
        model.blocks[-1].get_submodule("intermediate").register_forward_pre_hook(lambda _, inputs: (inputs[0][:, :1],))
    return model


_ACTIVATION = "intermediate_act_fn"
"""Attribute of the activation that follows the layer `dense` in BERT-like feed-forward parts."""


def _is_gelu(module: nn.Module | None) -> bool:
    """Return whether a module is the exact GELU, which oneDNN fuses with the product, and not an approximation."""
    exact = getattr(module, "act", None) is nn.functional.gelu
    return exact or (isinstance(module, nn.GELU) and module.approximate == "none")


class PackedLinear(nn.Linear):
    """Linear layer for inference with a second, packed copy of its weights."""

    def __init__(self, linear: nn.Linear, then: str = "none") -> None:
        """Pack a layer's weights and share the unpacked ones, since some models also read them directly.

        Args:
            linear: The layer.
            then: Operation on its output: "none" or "gelu".
        """
        nn.Module.__init__(self)
        self.then = then
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = _ops()._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, input: Tensor) -> Tensor:
        """Compute the layer's output, shape (..., out_features)."""
        return cast(Tensor, _ops()._linear_pointwise(input, self._packed, self.bias, self.then, [], _KIND[self.then]))


_KIND = {"none": "", "gelu": "none"}
"""oneDNN's variant of each operation; "none" selects the exact GELU."""


def _ops() -> "torch._ops._OpNamespace":
    return torch.ops.mkldnn
