"""From a suite file to records: idempotent, explained, resumable to the same bytes, failures kept in their row."""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmark.execution.cells import Row, cells_of, train_spec
from benchmark.execution.explanation import explain, state_of
from benchmark.execution.local import RunReport, run_rows
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.row_outcomes import InProcess, compute_row, compute_rows
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.store import Store
from benchmark.execution.workload import materialise
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import UnavailableError, UsageError, read_results
from benchmark.suites import load_suite
from methods.vanilla import Vanilla
from tests.support.command import temper
from tests.support.folders import tree
from tests.support.needs import ATTACK
from tests.support.processes import PROCESSES
from tests.support.tiny_suite import write_tiny_suite


def rows_of(suite: Path, methods: str = "vanilla,roast", seeds: int = 1) -> tuple[list[Row], object]:
    loaded = load_suite(str(suite))
    work = materialise(loaded)
    made = [configure(MethodRequest.parse(text)) for text in methods.split(",")]
    backbone = resolve_backbone(loaded.backbone)
    return [Row(method, backbone, seed) for seed in range(seeds) for method in made], work


def run(suite: Path, out: Path, **options) -> RunReport:
    rows, work = rows_of(suite, **options)
    return run_rows(rows, work, Store(out / "store"), out / "results", Quiet())


@dataclass
class Finished:
    """A suite and its finished run of vanilla and roast, in one folder."""

    folder: Path
    report: RunReport


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Finished:
    folder = tmp_path_factory.mktemp("finished")
    (folder / "suite").mkdir()
    return Finished(folder, run(write_tiny_suite(folder / "suite", tiny_backbone), folder / "out"))


@pytest.fixture()
def ran(finished: Finished, tmp_path: Path) -> Path:
    """The suite of a copy of the finished run, which is in `out`."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "suite/tiny.toml"


def weights_of_vanilla(out: Path) -> Path:
    (spec,) = (path for path in (out / "store/train").glob("*/spec.json") if '"vanilla"' in path.read_text())
    return spec.parent / "model/model.safetensors"


def test_a_run_fills_every_record_of_the_card_and_a_second_computes_nothing(
    finished: Finished, ran: Path, tmp_path: Path
) -> None:
    report = finished.report
    assert (report.computed, report.reused, report.failures) == (2 * 8, 0, [])
    (folder,) = read_results(tmp_path / "out/results")
    assert not folder.dropped
    wanted = sum(len(task["metrics"]) for task in folder.card["tasks"])
    assert len(folder.records) == 2 * wanted
    assert all(r.record["status"] == "ok" for r in folder.records)
    before = tree(tmp_path / "out/results")
    again = run(ran, tmp_path / "out")
    assert (again.computed, again.reused) == (0, 16)
    assert tree(tmp_path / "out/results") == before


def test_records_carry_measured_passes(finished: Finished) -> None:
    (folder,) = read_results(finished.folder / "out/results")
    cost = {r.record["method"]["name"]: r.record["cost"] for r in folder.records}
    n = folder.card["training"]["n"]
    assert cost["vanilla"] == {"forward": 2 * n, "backward": 2 * n, "input_backward": 0}
    assert cost["roast"] == {"forward": 5 * n, "backward": 5 * n, "input_backward": 2 * n}


def test_more_ece_bins_only_score_again_and_explain_says_so(ran: Path, tmp_path: Path) -> None:
    copied = ran.with_name("copied.toml")
    copied.write_text(ran.read_text().replace("ece_bins = 10", "ece_bins = 15"))
    rows, work = rows_of(copied)
    store = Store(tmp_path / "out/store")
    explanations = list(explain(rows, work, store))
    assert {e.label.split(": ")[1] for e in explanations} == {"score home", "score away"}
    assert {e.nearest_row for e in explanations} == {"vanilla, seed 0", "roast, seed 0"}
    for explanation in explanations:
        (difference,) = explanation.differences
        assert (difference.pointer, difference.expected, difference.actual) == ("/settings/ece_bins", "15", "10")
    report = run(copied, tmp_path / "out")
    assert (report.computed, report.reused) == (4, 12)


def test_cells_wait_for_what_they_read(suite: Path, tmp_path: Path) -> None:
    rows, work = rows_of(suite, methods="vanilla")
    store = Store(tmp_path / "out/store")
    states = [(c.kind, state_of(c, store)) for c in cells_of(rows[0], work, store)]
    assert states[0] == ("train", "missing")
    assert {state for _, state in states[1:]} == {"waiting"}
    (explanation,) = explain(rows, work, store)
    assert (explanation.label, explanation.nearest) == ("vanilla, seed 0: train", "")


def test_a_flipped_byte_in_the_weights_is_refused_and_made_again(ran: Path, tmp_path: Path) -> None:
    before = tree(tmp_path / "out/results")
    weights = weights_of_vanilla(tmp_path / "out")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    report = run(ran, tmp_path / "out", methods="vanilla")
    assert report.computed == 1
    assert tree(tmp_path / "out/results") == before


@dataclass(kw_only=True, eq=False)
class Diverging(Vanilla):
    """Diverges."""

    name: ClassVar[str] = "diverging"

    def loss(self, model, batch, ctx):
        return super().loss(model, batch, ctx) * float("inf")


def test_a_diverging_method_is_a_row_with_its_reason_and_stops_no_other(suite: Path, tmp_path: Path) -> None:
    rows, work = rows_of(suite, methods="vanilla")
    bad = Row(ConfiguredMethod.of(Diverging, {}, "", "sha256:" + "0" * 64), rows[0].backbone, 0)
    report = run_rows([bad, *rows], work, Store(tmp_path / "store"), tmp_path / "results", Quiet())
    assert report.failures == ["diverging, seed 0: train: The loss is inf at step 0 (epoch 0, seed 0)."]
    (folder,) = read_results(tmp_path / "results")
    assert not folder.dropped
    by_method = {
        name: {r.record["status"] for r in folder.records if r.record["method"]["name"] == name}
        for name in ("diverging", "vanilla")
    }
    assert by_method == {"diverging": {"failed"}, "vanilla": {"ok"}}


@dataclass(kw_only=True, eq=False)
class Counted(Diverging):
    """Diverges, and counts how often."""

    name: ClassVar[str] = "counted"
    trainings: ClassVar[int] = 0

    def setup(self, ctx):
        Counted.trainings += 1


def test_a_failed_training_is_not_tried_again_while_its_command_runs(suite: Path, tmp_path: Path) -> None:
    """Two rows may share one, as soups do, and be in two processes. A command that starts later tries it again."""
    (row,), work = rows_of(suite, methods="vanilla")
    bad = replace(row, method=ConfiguredMethod.of(Counted, {}, "", "sha256:" + "0" * 64))
    runner, other = (Runner(work, Store(tmp_path / "store"), Quiet()) for _ in range(2))
    outcomes = [outcome for _, outcome in compute_rows([bad, bad], runner, InProcess(runner))]
    outcomes.append(compute_row(bad, other))
    assert {outcome.failure for outcome in outcomes} == {
        "counted, seed 0: train: The loss is inf at step 0 (epoch 0, seed 0)."
    }
    assert Counted.trainings == 1
    report = run_rows([bad], work, Store(tmp_path / "store"), tmp_path / "results", Quiet())
    assert report.failures == [outcomes[0].failure]
    assert Counted.trainings == 2


@dataclass(kw_only=True, eq=False)
class Raising(Vanilla):
    """Raises."""

    name: ClassVar[str] = "raising"

    def transform_gradients(self, parameters, ctx):
        raise ZeroDivisionError("no gradients today")


def test_a_raising_plugin_is_a_row_with_verb_and_line(suite: Path, tmp_path: Path) -> None:
    rows, work = rows_of(suite, methods="vanilla")
    bad = Row(ConfiguredMethod.of(Raising, {}, "", "sha256:" + "0" * 64), rows[0].backbone, 0)
    report = run_rows([bad, *rows], work, Store(tmp_path / "store"), tmp_path / "results", Quiet())
    (failure,) = report.failures
    assert "'raising' raised ZeroDivisionError in transform_gradients at test_run.py:" in failure
    assert (report.computed, report.reused) == (8, 0)


def test_rows_of_another_state_of_the_suite_are_not_left_behind(ran: Path, tmp_path: Path) -> None:
    copied = ran.with_name("copied.toml")
    copied.write_text(ran.read_text().replace("ece_bins = 10", "ece_bins = 15"))
    before = tree(tmp_path / "out/results")
    with pytest.raises(UsageError, match=r"rows of another state of tiny@1, such as tiny@1/roast/"):
        run(copied, tmp_path / "out", methods="vanilla")
    assert tree(tmp_path / "out/results") == before


def test_trials_and_attacked_texts_do_not_bind_rows_to_a_state_of_the_suite(ran: Path, tmp_path: Path) -> None:
    (home,) = (tmp_path / "out/results/tiny@1/vanilla").glob("tiny-bert*")
    (home / "attacks").mkdir()
    for name in ("attacks/textfooler.jsonl", "trials.jsonl"):
        (home / name).touch()
    ran.write_text(ran.read_text().replace("ece_bins = 10", "ece_bins = 15"))
    assert not run(ran, tmp_path / "out").failures


def test_looking_moves_nothing_and_calls_a_broken_cell_broken(ran: Path, tmp_path: Path) -> None:
    weights = weights_of_vanilla(tmp_path / "out")
    weights.write_bytes(weights.read_bytes()[:-1])
    before = tree(tmp_path / "out")
    rows, work = rows_of(ran, methods="vanilla")
    store = Store(tmp_path / "out/store")
    states = [state_of(c, store) for c in cells_of(rows[0], work, store)]
    assert states == ["broken"] + ["waiting"] * 7
    assert [e.label for e in explain(rows, work, store)] == ["vanilla, seed 0: train"]
    assert tree(tmp_path / "out") == before


def test_a_backbone_that_cannot_be_used_stops_before_any_row(suite: Path, tmp_path: Path) -> None:
    suite.write_text(suite.read_text().replace("max_length = 16", "max_length = 65"))
    with pytest.raises(UsageError, match="reads at most 64 tokens"):
        run(suite, tmp_path / "out")
    assert not (tmp_path / "out/results").exists()


def test_a_recipe_key_enters_the_train_key_only_where_it_is_not_the_default(suite: Path) -> None:
    (row, *_), work = rows_of(suite)

    def recipe_of(**changes: str) -> dict[str, object]:
        recipe = replace(work.suite.recipe, **changes)
        return train_spec(row, replace(work, suite=replace(work.suite, recipe=recipe)))["recipe"]

    assert "batching" not in recipe_of()
    assert recipe_of(batching="length") == {**recipe_of(), "batching": "length"}
    # bf16 gives the weights of `auto` on a device with bfloat16, so it has its key.
    assert recipe_of(precision="bf16") == {**recipe_of(), "precision": "bf16"}


def test_a_precision_that_is_missing_here_stops_before_any_row(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write_text(suite.read_text().replace("[recipe]", '[recipe]\nprecision = "bf16"'))
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    run(suite, tmp_path / "out", methods="vanilla")
    (folder,) = read_results(tmp_path / "out/results")
    assert {r.record["environment"]["precision"] for r in folder.records} == {"bf16"}
    before = tree(tmp_path / "out/results")

    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert run(suite, tmp_path / "out", methods="vanilla").computed == 0
    with pytest.raises(UnavailableError, match="this CPU has neither"):
        run(suite, tmp_path / "out", methods="vanilla,roast")
    assert tree(tmp_path / "out/results") == before


def command(suite: Path, out: Path, methods: str) -> None:
    """Run `temper run` in this process with one thread, as its child does."""
    torch.set_num_threads(1)
    done = temper("run", suite, "--methods", methods, "--out", out)
    assert done.returncode == 0, done.stderr


def killed_when(condition: Callable[[], bool], *arguments: object) -> bool:
    """Run the command in a child, kill -9 it as soon as a condition holds, and say whether it ever did."""
    process = PROCESSES.Process(target=command, args=arguments)
    process.start()
    held = False
    while process.is_alive() and not held:
        held = condition()
        time.sleep(0.002)
    process.kill()
    process.join()
    return held and process.exitcode == -signal.SIGKILL


@pytest.mark.slow()
def test_a_run_killed_in_any_cell_resumes_to_the_same_bytes(suite: Path, tmp_path: Path) -> None:
    command(suite, tmp_path / "whole", "roast")
    attempts = tmp_path / "cut/store/attempts"
    for glob in (
        "train-*/*/work/scratch/checkpoint/state.json",
        "predict-*/*/work/spec.json",
        "score-*/*/work/spec.json",
    ):
        assert killed_when(lambda glob=glob: any(attempts.glob(glob)), suite, tmp_path / "cut", "roast"), glob
    command(suite, tmp_path / "cut", "roast")
    assert tree(tmp_path / "cut/results") == tree(tmp_path / "whole/results")


@pytest.mark.slow()
@pytest.mark.resources()
@pytest.mark.needs(*ATTACK)
def test_a_run_killed_in_the_attack_resumes_to_the_same_bytes(tmp_path: Path, tiny_backbone: Path) -> None:
    (tmp_path / "suite").mkdir()
    suite = write_tiny_suite(tmp_path / "suite", tiny_backbone, attack=True)

    def journalled() -> bool:
        journals = (tmp_path / "cut/store/attempts").glob("attack-*/*/work/scratch/journal.jsonl")
        return any(len(journal.read_bytes().splitlines()) > 3 for journal in journals)

    command(suite, tmp_path / "whole", "vanilla")
    assert killed_when(journalled, suite, tmp_path / "cut", "vanilla")
    command(suite, tmp_path / "cut", "vanilla")
    assert tree(tmp_path / "cut/results") == tree(tmp_path / "whole/results")
