"""Settings that must be made before torch is imported, and shared fixtures."""

import os
from collections.abc import Iterator

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# A worker of pytest-xdist has a width of 80 columns, to which commands would wrap their output.
os.environ.pop("COLUMNS", None)

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest

from tests.support.needs import SHARED, require
from tests.support.plugins import forget_plugins

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="report a test that is skipped as a failure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that read shared data, so that `-m "not shared"` runs the others; start with the longest test."""
    # Last, it would leave the other worker of pytest-xdist without work for minutes.
    items.sort(key=lambda item: item.path.name != "test_contributing.py")
    for item in items:
        if "shared" in getattr(item, "fixturenames", ()):
            item.add_marker("shared")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs what this machine lacks, before its fixtures are made."""
    require(*(need for mark in item.iter_markers("needs") for need in mark.args))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    return _without_skips((yield), item.config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    return _without_skips((yield), collector.config)


def _without_skips(report: Report, config: pytest.Config) -> Report:
    if report.skipped and not hasattr(report, "wasxfail") and config.getoption("--no-skips"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome, report.longrepr = "failed", f"Skipped, which --no-skips forbids. {reason}"
    return report


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data next to the checkout, where this machine has one."""
    require("shared")
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


@pytest.fixture()
def _preloaded_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the engine's workers as copies of a process that has imported the libraries, which saves seconds each."""
    from benchmark import worker_processes
    from tests.support.processes import PROCESSES

    monkeypatch.setattr(worker_processes, "CONTEXT", PROCESSES)


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
