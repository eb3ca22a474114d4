"""Choose the fastest number type and weight layout on this machine; outcomes do not depend on the choice."""

import copy
import time
from functools import cache
from statistics import median
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import torch

M = TypeVar("M", bound="torch.nn.Module")

_ROUNDS, _SHAPE = 7, (1024, 384, 1536)
"""Number of timed products, and their size: that of a small encoder's feed-forward layer for one batch."""

_WORTH = 0.8
"""Share of float32's time below which bfloat16 is used, because undecided items are evaluated again in float32."""


def batched(model: M, device: str) -> list[M]:
    """Return copies of a model for full batches: one in bfloat16 if that is faster, and one in its own type."""
    import torch

    if not bfloat16_pays(torch.device(device).type):
        return [kept_type(model, device)]
    short = copy.deepcopy(model).to(torch.bfloat16).eval()
    return [kept_type(short, device), kept_type(model, device)]


def kept_type(model: M, device: str) -> M:
    """Return a copy of a model in its own type with packed weights if that is faster, else the model itself."""
    import torch

    from benchmark.models.packed_linear import packed

    return packed(model) if torch.device(device).type == "cpu" and packing_pays() else model


@cache
def packing_pays() -> bool:
    """Return whether a float32 product on the CPU is faster with packed weights than without, by timing both."""
    import torch

    from benchmark.models.packed_linear import can_pack

    if not can_pack(torch.device("cpu")):
        return False
    plain, packed = _times(_layer(torch.float32, pack=False), _layer(torch.float32, pack=True))
    return packed < plain


@cache
def bfloat16_pays(device: str) -> bool:
    """Return whether bfloat16 is enough faster than float32: timed on the CPU, as reported by the driver on a GPU."""
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

    # Packing replaces the layers of a module, so the layer needs a parent module.
    layer = torch.nn.Sequential(torch.nn.Linear(_SHAPE[1], _SHAPE[2])).to(dtype)
    return packed(layer) if pack else layer


def _times(*layers: "torch.nn.Module") -> list[float]:
    """Return the median seconds of each layer's product; the layers take turns."""
    import torch

    times: list[list[float]] = [[] for _ in layers]
    with torch.inference_mode():
        inputs = [torch.ones(_SHAPE[:2], dtype=next(layer.parameters()).dtype) for layer in layers]
        for _ in range(_ROUNDS):
            for layer, batch, seconds in zip(layers, inputs, times, strict=True):
                started = time.perf_counter()
                layer(batch)
                seconds.append(time.perf_counter() - started)
    return [median(seconds) for seconds in times]
