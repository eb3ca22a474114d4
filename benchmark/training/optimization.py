"""Parameter groups, the learning-rate schedule and the precision of a run."""

from typing import Any

import torch
from torch import nn

from benchmark.schema.errors import UnavailableError
from benchmark.suites import Recipe


def decayed_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters with weight decay, frozen ones included: all but biases and normalisation weights."""
    spared = {p for m in model.modules() if "norm" in type(m).__name__.lower() for p in m.parameters(recurse=False)}
    return [p for name, p in model.named_parameters() if p not in spared and not name.endswith("bias")]


def parameter_groups(model: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the trainable parameters in two groups; biases and normalisation layers get no weight decay."""
    decayed = set(decayed_parameters(model))
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p in decayed], "weight_decay": recipe.weight_decay},
        {"params": [p for p in trained if p not in decayed], "weight_decay": 0.0},
    ]


def warmup_steps(recipe: Recipe, total: int) -> int:
    """Return the number of warm-up steps at the start of a phase of `total` steps."""
    return int(recipe.warmup * total)


def learning_rate(recipe: Recipe, step: int, total: int) -> float:
    """Return the learning rate of `step` in 0..total-1: linear warm-up over the recipe's share, then linear decay."""
    warmup = warmup_steps(recipe, total)
    if step < warmup:
        return recipe.learning_rate * (step + 1) / warmup
    return recipe.learning_rate * (total - step) / max(1, total - warmup)


def resolve_precision(precision: str, device: torch.device) -> str:
    """Return the stated precision; for ``auto``, ``bf16`` on a GPU with bfloat16 or a CPU with AMX, else ``fp32``."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    return "bf16" if torch.cpu._is_amx_tile_supported() else "fp32"


def require_precision(precision: str, device: torch.device) -> None:
    """Check that a device can train with the recipe's precision.

    Raises:
        UnavailableError: the recipe says ``bf16``, and the device would emulate it.
    """
    if precision != "bf16":
        return
    if device.type == "cuda":
        supported = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        supported = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    if not supported:
        missing = "this GPU has no bfloat16" if device.type == "cuda" else "this CPU has neither AVX-512 BF16 nor AMX"
        raise UnavailableError(
            f'The recipe trains with precision = "bf16", but {missing}. Use another machine, or "fp32" or "auto" in a '
            "copy of the suite."
        )


def pick_device() -> torch.device:
    """Return the first accelerator, or the CPU without one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
