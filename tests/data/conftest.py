"""Small files to load, without a mirror or an offline switch that the machine may have set."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.data import DataSpec


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEMPER_MIRROR", "TEMPER_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file_spec(tmp_path: Path) -> Callable[..., DataSpec]:
    """Write a file and describe it: ``file_spec("a.csv", "text\\nhello\\n", text=("text",))``."""

    def make(name: str, content: str | bytes, **keys: Any) -> DataSpec:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        form = name.split(".")[1]
        return DataSpec(**{"source": "file", "path": str(path), "format": form, "text": ("text",), **keys})

    return make
