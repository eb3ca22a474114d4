"""Checkpoints: everything an interrupted run needs, as safetensors and JSON, replaced atomically."""

import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from benchmark.schema.atomic_io import sync
from benchmark.schema.errors import TemperError, describe

_NAME = "checkpoint"


@dataclass
class Position:
    """Progress of a run, restored on resume.

    Attributes:
        phase: Index of the current phase.
        epoch: Epochs completed in that phase.
        window: Optimizer steps done in the current epoch.
        step: Optimizer steps done in the run.
        losses: Sum of the losses of the current epoch.
        best_accuracy: Best validation accuracy so far, -1 before the first epoch's end.
        best_epoch: Epoch of the run with that accuracy, counted from 1.
        log: One row per epoch.
        passes: The model's pass counters.
    """

    phase: int = 0
    epoch: int = 0
    window: int = 0
    step: int = 0
    losses: float = 0.0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)
    passes: dict[str, int] = field(default_factory=dict)


def save_checkpoint(
    folder: Path,
    model: nn.Module,
    optimizer: tuple[dict[str, Tensor], dict[str, Any]],
    method: dict[str, Tensor],
    position: Position,
) -> None:
    """Replace the checkpoint in `folder`; a kill at any moment leaves the old one or the new one.

    Args:
        folder: Of the run.
        model: Its weights are saved.
        optimizer: Result of `flatten_optimizer`.
        method: The method's tensors, as returned by `storable`.
        position: Progress of the run.
    """
    fresh, current, old = (folder / f"{_NAME}{suffix}" for suffix in (".new", "", ".old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_model(model, str(fresh / "model.safetensors"))
    tensors, numbers = optimizer
    save_file(tensors, fresh / "optimizer.safetensors")
    save_file(method, fresh / "method.safetensors")
    state = {"position": asdict(position), "optimizer": numbers}
    (fresh / "state.json").write_text(json.dumps(state, allow_nan=False), encoding="utf-8")
    for path in (*fresh.iterdir(), fresh):
        sync(path)
    if current.exists():
        shutil.rmtree(old, ignore_errors=True)
        current.rename(old)
    fresh.rename(current)
    sync(folder)
    shutil.rmtree(old, ignore_errors=True)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the newest complete checkpoint in `folder`; quarantine an unreadable one as ``….broken``."""
    # Between the two renames of a replacement, only the old checkpoint exists.
    for path in (folder / _NAME, folder / f"{_NAME}.old"):
        if not path.is_dir():
            continue
        try:
            read_position(path)
            for name in ("model", "optimizer", "method"):
                with safe_open(path / f"{name}.safetensors", framework="pt"):
                    pass
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            aside = path.with_suffix(path.suffix + ".broken")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            continue
        return path
    return None


def read_position(checkpoint: Path) -> Position:
    """Read the progress of the checkpoint's run."""
    return Position(**_state(checkpoint)["position"])


def load_checkpoint(checkpoint: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Restore weights and optimizer in place and return the method's tensors."""
    load_model(model, str(checkpoint / "model.safetensors"))
    tensors = load_file(checkpoint / "optimizer.safetensors")
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**tensors, **_state(checkpoint)["optimizer"]}.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return load_file(checkpoint / "method.safetensors")


def _state(checkpoint: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    return loaded


def flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split per-parameter state into tensors and numbers, both named ``<parameter index>.<key>``.

    Raises:
        TemperError: the state holds a value that cannot be stored.
    """
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            elif isinstance(value, (bool, int, str, NoneType)) or (isinstance(value, float) and math.isfinite(value)):
                numbers[f"{index}.{key}"] = value
            else:
                raise TemperError(
                    f"its optimizer keeps {describe(value)} under {key!r}, which no checkpoint can hold; keep tensors "
                    "and finite numbers there."
                )
    return storable(tensors), numbers


def storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that safetensors accepts: contiguous, and copied where two share memory."""
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    seen: set[tuple[torch.device, int]] = set()
    for name, tensor in contiguous.items():
        memory = (tensor.device, tensor.untyped_storage().data_ptr())
        if memory in seen:
            contiguous[name] = tensor.clone()
        seen.add(memory)
    return contiguous
