"""Whether a device multiplies quicker in bfloat16: only where it does are questions asked in it first."""

import time
from functools import cache
from statistics import median

_ROUNDS, _SHAPE = 5, (1024, 384, 1536)
"""A product of the size that a small encoder's feed-forward layer makes of a batch."""

_WORTH = 0.8
"""Share of float32's time below which asking in bfloat16 pays, since what it leaves open is asked again."""


@cache
def bfloat16_pays(device: str) -> bool:
    """Time a matrix product in both; the machine decides, and no outcome of an attack depends on it."""
    import torch

    if device.startswith("cuda"):
        return bool(torch.cuda.is_bf16_supported())
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return False
    rows, inner, columns = _SHAPE
    taken: dict[torch.dtype, list[float]] = {torch.float32: [], torch.bfloat16: []}
    for _ in range(_ROUNDS):
        for dtype, seconds in taken.items():
            left, right = torch.ones(rows, inner, dtype=dtype), torch.ones(columns, inner, dtype=dtype)
            started = time.perf_counter()
            torch.nn.functional.linear(left, right)
            seconds.append(time.perf_counter() - started)
    return median(taken[torch.bfloat16]) < _WORTH * median(taken[torch.float32])
