"""A method whose weights are vanilla's: named by a run, refused by a submission, and never named without cause."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.execution.cells import Row
from benchmark.execution.local import has_vanilla_weights, run_rows, vanilla_weight_notes
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import Workload, materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import TemperError
from benchmark.submission.build import build
from benchmark.suites import load_suite
from benchmark.training import Context, Method
from tests.support.rows import Notes
from tests.support.tiny_suite import write_tiny_suite


@dataclass(kw_only=True, eq=False)
class Idle(Method):
    """Move the weights after the last epoch, where no evaluation sees it."""

    name: ClassVar[str] = "idle"
    paper: ClassVar[str] = "unpublished"
    strength: float = 0.5

    def on_epoch_end(self, ctx: Context) -> None:
        if ctx.epoch == ctx.epochs:
            for parameter in ctx.model.parameters():
                parameter.data.mul_(self.strength)


@dataclass
class Ran:
    work: Workload
    folder: Path
    rows: dict[str, list[Row]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Ran:
    """The idle method before vanilla, and one with an effect."""
    folder = tmp_path_factory.mktemp("effect")
    suite = load_suite(str(write_tiny_suite(folder, tiny_backbone)))
    made = Ran(materialise(suite), folder)
    idle = ConfiguredMethod.of(Idle, {"strength": 0.5}, "", "sha256:" + "0" * 64)
    methods = [idle, *(configure(MethodRequest.parse(name)) for name in ("vanilla", "worddrop"))]
    made.rows = {method.cls.name: [Row(method, resolve_backbone(suite.backbone), 0)] for method in methods}
    observer = Notes()
    rows = [row for rows in made.rows.values() for row in rows]
    run_rows(rows, made.work, made.store, folder / "results", observer)
    made.notes = observer.notes
    return made


def test_a_run_says_which_weights_are_vanillas(ran: Ran) -> None:
    sentence = "idle, seed 0: its weights are vanilla's, so the method has no effect. Run `temper check` on it."
    assert ran.notes == [sentence]
    rows = [row for rows in ran.rows.values() for row in rows]
    assert list(vanilla_weight_notes(rows, ran.work, ran.store)) == [sentence]


def test_without_a_vanilla_row_of_the_same_seed_nothing_is_said(ran: Ran) -> None:
    (row,) = ran.rows["idle"]
    assert has_vanilla_weights(row, ran.work, ran.store)
    assert not has_vanilla_weights(replace(row, seed=1), ran.work, ran.store)
    assert not has_vanilla_weights(row, ran.work, Store(ran.folder / "elsewhere"))


def test_a_submission_that_repeats_vanilla_is_refused(ran: Ran) -> None:
    with pytest.raises(TemperError, match="idle has no effect: the weights of every seed are vanilla's"):
        build(ran.rows["idle"], ran.work, ran.store, ran.folder / "results", ran.folder / "to")
    assert not list((ran.folder / "to").glob("*@*"))


@pytest.mark.parametrize("method", ["vanilla", "worddrop"])
def test_vanilla_itself_and_a_method_with_an_effect_are_submitted(ran: Ran, method: str) -> None:
    made = build(ran.rows[method], ran.work, ran.store, ran.folder / "results", ran.folder / "to")
    assert made.idle == ()


def test_a_seed_without_an_effect_among_others_is_a_warning(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [ran.rows["worddrop"][0], replace(ran.rows["worddrop"][0], seed=1)]
    run_rows(rows, ran.work, ran.store, ran.folder / "results", Quiet())
    monkeypatch.setattr("benchmark.submission.build.has_vanilla_weights", lambda row, *_: row.seed == 1)
    assert build(rows, ran.work, ran.store, ran.folder / "results", ran.folder / "to").idle == (1,)
