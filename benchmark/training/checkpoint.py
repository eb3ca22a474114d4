"""Checkpoints: everything an interrupted run needs, as safetensors and JSON, replaced atomically."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn

from benchmark.schema.disk import sync

_NAME = "checkpoint"


@dataclass
class Position:
    """Where a run stands; all of it is restored on resume.

    Attributes:
        phase: Index of the phase under way.
        epoch: Epochs done in that phase.
        window: Optimizer steps done in the epoch under way.
        step: Optimizer steps done in the run.
        losses: Sum of the losses of the epoch under way.
        best_accuracy: Best validation accuracy so far, -1 before the first epoch's end.
        best_epoch: Epoch of the run, from 1, with that accuracy.
        log: One row an epoch.
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
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, method: Mapping[str, Tensor], position: Position
) -> None:
    """Replace the checkpoint in `folder`; a kill at any moment leaves the old one or the new one."""
    fresh, current, old = (folder / f"{_NAME}{suffix}" for suffix in (".new", "", ".old"))
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    save_model(model, str(fresh / "model.safetensors"))
    tensors, numbers = _flatten_optimizer(optimizer)
    save_file(tensors, fresh / "optimizer.safetensors")
    save_file({name: t.contiguous() for name, t in method.items()}, fresh / "method.safetensors")
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
    """The newest whole checkpoint in `folder`; one that cannot be read is set aside as ``….broken``."""
    # Between the two renames of a replacement only the old one stands.
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
    """Where the checkpoint's run stood."""
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


def _flatten_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split per-parameter state into tensors and numbers, both named ``<parameter index>.<key>``."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            (tensors if isinstance(value, Tensor) else numbers)[f"{index}.{key}"] = value
    return tensors, numbers
