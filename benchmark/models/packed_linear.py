"""Linear layers with their weights laid out once for the processor, for many forward passes of a model that stays."""

import copy
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import LIKE_BERT
from benchmark.models.classifier import Classifier

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
        children = dict(module.named_children())
        linear = [name for name, child in children.items() if type(child) is nn.Linear]
        fused = linear == ["dense"] and _is_gelu(children.get(_ACTIVATION))
        for name in linear:
            setattr(module, name, PackedLinear(cast(nn.Linear, children[name]), "gelu" if fused else "none"))
        if fused:
            setattr(module, _ACTIVATION, nn.Identity())
    return shared


def summary_only(model: Classifier) -> Classifier:
    """Let the last block's feed-forward part work on the first token alone, where the head reads no other.

    The last hidden states of the other tokens are of no use then.

    Args:
        model: A copy for inference, such as `packed` gives; it is changed. Families that are not laid out like BERT,
            and classifiers that read a slot of a prompt, are left as they are.
    """
    if type(model) is Classifier and model.family in LIKE_BERT:
        model.blocks[-1].get_submodule("intermediate").register_forward_pre_hook(lambda _, given: (given[0][:, :1],))
    return model


_ACTIVATION = "intermediate_act_fn"
"""Name under which BERT's relatives keep what follows the layer `dense` of their feed-forward part."""


def _is_gelu(module: nn.Module | None) -> bool:
    """Whether it is the exact GELU, which oneDNN makes with the product, and no approximation of it."""
    exact = getattr(module, "act", None) is nn.functional.gelu
    return exact or (isinstance(module, nn.GELU) and module.approximate == "none")


class PackedLinear(nn.Linear):
    """A linear layer for inference that keeps a second, packed copy of its weights."""

    def __init__(self, linear: nn.Linear, then: str = "none") -> None:
        """Pack a layer's weights; the layer's own are shared, since some models read them beside calling the layer.

        Args:
            linear: The layer.
            then: What is done to its output before it is written: "none" or "gelu".
        """
        nn.Module.__init__(self)
        self.then = then
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.weight, self.bias = linear.weight, linear.bias
        self._packed = _ops()._reorder_linear_weight(linear.weight.detach(), None)

    def forward(self, input: Tensor) -> Tensor:
        """The layer's output, shape (..., out_features)."""
        return cast(Tensor, _ops()._linear_pointwise(input, self._packed, self.bias, self.then, [], _KIND[self.then]))


_KIND = {"none": "", "gelu": "none"}
"""Which kind of the operation oneDNN makes; "none" of a GELU is the exact one."""


def _ops() -> "torch._ops._OpNamespace":
    return torch.ops.mkldnn
