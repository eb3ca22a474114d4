"""Settings that must stand before torch is imported, and the fixtures that several folders share."""

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.plugins import forget_plugins

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

SHARED = Path(os.environ.get("TEMPER_SHARED", Path(__file__).resolve().parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared real data, where this machine has one."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}; set TEMPER_SHARED to a folder that has some")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def _one_torch_thread() -> None:
    """Two workers with two threads each would starve each other, and sums depend on the number of threads."""
    import sys

    if "torch" in sys.modules or os.environ.get("PYTEST_XDIST_WORKER"):
        import torch

        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_plugin_stays() -> Iterator[None]:
    """A plugin that a test loads is registered for its process, and would be there for the tests that follow."""
    yield
    forget_plugins()


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer BERT with random weights and a word-level vocabulary, in a folder as the Hub would have it."""
    from tests.support.tiny import write_tiny_bert

    return write_tiny_bert(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_model(tiny_backbone: Path) -> "Classifier":
    """A tiny classifier with random layers, whose output layer is fitted to the tiny task."""
    import torch

    from benchmark.models.classifier import Classifier
    from tests.support.probing import fit_output_layer
    from tests.support.tiny import sentences

    torch.manual_seed(0)
    model = Classifier.from_pretrained(tiny_backbone, 2, 32)
    # Random word vectors hardly differ; larger ones make texts differ as well.
    model.word_table.mul_(20)
    texts, labels = zip(*sentences(300, seed=5), strict=True)
    return fit_output_layer(model, texts, labels)
