"""What several tests of runs share."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.support.processes import REPOSITORY
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


@pytest.fixture(scope="module")
def cluster_port() -> Iterator[int]:
    """A free port for a cluster, whose processes import the observers of tests."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = min(free.getsockname()[1], 60000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
        yield port
