"""What several tests of runs share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.tiny_suite import write_tiny_suite


@pytest.fixture()
def suite(tmp_path: Path, tiny_backbone: Path) -> Path:
    (tmp_path / "suite").mkdir()
    return write_tiny_suite(tmp_path / "suite", tiny_backbone)


@pytest.fixture()
def _one_thread() -> Iterator[None]:
    """Use one thread here, as rows in processes, tasks and jobs do: weights depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
