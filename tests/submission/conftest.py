"""An honest submission of two seeds, made once; and copies of it to do anything to."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmark.execution.cells import Row
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.submission.build import build
from benchmark.suites import load_suite
from tests.submission.forging import Forgery, copy_of
from tests.support.needs import ATTACK, missing
from tests.support.tiny_suite import CHECK, write_tiny_suite


@dataclass
class Ran:
    """A finished run of a tiny suite, and what `temper submit` made of it."""

    suite: Path
    work: Workload
    rows: list[Row]
    out: Path
    submission: Path

    @property
    def store(self) -> Store:
        return Store(self.out / "store")


@pytest.fixture(scope="session")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Ran:
    """Two seeds of worddrop; with a masking check, and an attack where its parts are on this machine."""
    folder = tmp_path_factory.mktemp("ran")
    suite = write_tiny_suite(folder, tiny_backbone, attack=not missing(*ATTACK))
    # So long that the model has learned something that an attack can take away.
    text = suite.read_text().replace("epochs = 2", "epochs = 5").replace("learning_rate = 1e-3", "learning_rate = 1e-2")
    suite.write_text(text + CHECK)
    loaded = load_suite(str(suite))
    work = materialise(loaded)
    method = configure(MethodRequest.parse("worddrop"))
    rows = [Row(method, resolve_backbone(loaded.backbone), seed) for seed in range(2)]
    report = run_rows(rows, work, Store(folder / "out/store"), folder / "out/results", Quiet())
    assert not report.failures
    made = build(rows, work, Store(folder / "out/store"), folder / "out/results", folder / "submissions")
    return Ran(suite, work, rows, folder / "out", made.folder)


@pytest.fixture()
def forgery(ran: Ran, tmp_path: Path) -> Forgery:
    return copy_of(ran.submission, tmp_path, ran.work)
