"""Requirements of tests that a machine may lack: the only reason for which a test is skipped.

A test says so with `@pytest.mark.needs(...)`, a fixture with `require(...)`. A need is `textattack`, `playwright`,
`gguf`, `tensorboard`, `wandb`, `mlflow`, `ray`, `submitit`, `slurm`, `chromium`, `oneDNN`, a path under `shared/`, or a
resource.
`pytest --no-skips` reports a skip as a failure.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.resources import locate
from benchmark.schema import UnavailableError

SHARED = Path(os.environ.get("TEMPER_SHARED", Path(__file__).resolve().parents[3] / "shared"))
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
ATTACK = ("textattack", "minilm")
"""What an attack of the packaged recipes needs."""


def missing(*needs: str) -> str:
    """Say what of the needs this machine lacks, and how to get it; an empty text if nothing is missing."""
    return " ".join(filter(None, map(_missing, needs)))


def _missing(need: str) -> str:
    if need == "textattack":
        installed = all(importlib.util.find_spec(name) for name in ("textattack", "textblob"))
        return "" if installed else "The extra [textattack] is not installed."
    if need in ("playwright", "gguf", "tensorboard", "wandb", "mlflow", "ray", "submitit"):
        return "" if importlib.util.find_spec(need) else f"{need} is not installed; it is in the extra [dev]."
    if need == "slurm":
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        absent = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name, path=path) is None]
        return f"There is no {absent[0]}: apt-get install slurm-wlm munge." if absent else ""
    if need == "chromium":
        return "" if CHROMIUM else "There is no chromium or chrome on the PATH: apt-get install chromium."
    if need == "oneDNN":
        import torch

        from benchmark.models.packed_linear import can_pack

        return "" if can_pack(torch.device("cpu")) else "This torch has no oneDNN."
    if need.startswith("shared"):
        path = SHARED / need.removeprefix("shared").lstrip("/")
        return "" if path.exists() else f"{path} does not exist; set TEMPER_SHARED to a folder of shared data."
    try:
        locate(need)
    except UnavailableError as error:
        return str(error)
    return ""


def require(*needs: str) -> None:
    """Skip the test that runs if this machine lacks something."""
    if reason := missing(*needs):
        pytest.skip(reason)


@contextmanager
def skipped_if_unavailable() -> Iterator[None]:
    """Skip the test that runs if a resource or data that Temper itself asks for is missing."""
    try:
        yield
    except UnavailableError as error:
        pytest.skip(str(error))
