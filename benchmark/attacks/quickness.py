"""Which ways of multiplying are quick on this machine; no outcome of an attack depends on it."""

import copy
import time
from functools import cache
from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

M = TypeVar("M", bound="torch.nn.Module")

_ROUNDS, _SHAPE = 7, (1024, 384, 1536)
"""A product of the size that a small encoder's feed-forward layer makes of a batch."""

_WORTH = 0.8
"""Share of float32's time below which asking in bfloat16 pays, since what it leaves open is asked again."""


def batched(model: M, device: str) -> list[M]:
    """Copies of a model for full batches: one in bfloat16 where that is quicker, and one in its own type."""
    import torch

    if not bfloat16_pays(torch.device(device).type):
        return [kept_type(model, device)]
    short = copy.deepcopy(model).to(torch.bfloat16).eval()
    return [kept_type(short, device), kept_type(model, device)]


def kept_type(model: M, device: str) -> M:
    """A copy of a model for full batches in its own type, packed where that is quicker; else the model itself."""
    import torch

    from benchmark.models.packed_linear import packed

    return packed(model) if torch.device(device).type == "cpu" and packing_pays() else model


@cache
def packing_pays() -> bool:
    """Time a product with packed weights and one without, both in float32, on the CPU."""
    import torch

    from benchmark.models.packed_linear import can_pack

    if not can_pack(torch.device("cpu")):
        return False
    plain, packed = _times(_layer(torch.float32, pack=False), _layer(torch.float32, pack=True))
    return packed < plain


@cache
def bfloat16_pays(device: str) -> bool:
    """Time a product in both types, packed where that pays; a graphics card is taken at its word."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    layers = [_layer(dtype, pack=packing_pays()) for dtype in (torch.bfloat16, torch.float32)]
    short, full = _times(*layers)
    return short < _WORTH * full


def _layer(dtype: "torch.dtype", *, pack: bool) -> "torch.nn.Module":
    import torch

    from benchmark.models.packed_linear import packed

    # Packing replaces a model's layers, so the layer needs a model around it.
    layer = torch.nn.Sequential(torch.nn.Linear(_SHAPE[1], _SHAPE[2])).to(dtype)
    return packed(layer) if pack else layer


def _times(*layers: "torch.nn.Module") -> list[float]:
    """Median seconds of each layer's product, taken in turn."""
    import torch

    taken: list[list[float]] = [[] for _ in layers]
    with torch.inference_mode():
        inputs = [torch.ones(_SHAPE[:2], dtype=next(layer.parameters()).dtype) for layer in layers]
        for _ in range(_ROUNDS):
            for layer, given, seconds in zip(layers, inputs, taken, strict=True):
                started = time.perf_counter()
                layer(given)
                seconds.append(time.perf_counter() - started)
    return [median(seconds) for seconds in taken]
