"""`temper submit`: the files it writes, and runs that it refuses."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.cli.submission import submitted_lines
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import Row
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.schema import TemperError, UsageError
from benchmark.submission.build import SubmissionSummary, build, seeds_to_submit
from benchmark.submission.read import read_submission
from methods.vanilla import Vanilla
from tests.submission.conftest import Ran
from tests.support.folders import tree


@pytest.fixture()
def own(ran: Ran, tmp_path: Path) -> Ran:
    """A copy of the run, to break."""
    shutil.copytree(ran.out, tmp_path / "out")
    return Ran(ran.suite, ran.work, ran.rows, tmp_path / "out", ran.submission)


def submit(ran: Ran, to: Path, rows: list[Row] | None = None) -> Path:
    return build(rows or ran.rows, ran.work, ran.store, ran.out / "results", to).folder


def refusal(ran: Ran, to: Path, rows: list[Row] | None = None) -> str:
    with pytest.raises(TemperError) as caught:
        submit(ran, to, rows)
    assert not list(to.glob("*@*"))
    return str(caught.value)


def records_file(ran: Ran, seed: int = 0) -> Path:
    return ran.out / f"results/tiny@1/worddrop/{ran.rows[0].backbone.name}/seed-{seed}.jsonl"


def test_a_submission_holds_everything_and_is_the_same_bytes_each_time(ran: Ran, tmp_path: Path) -> None:
    folder = submit(ran, tmp_path)
    assert folder.relative_to(tmp_path).parts[:2] == ("tiny@1", "worddrop")
    names = set(tree(folder))
    assert {"submission.json", "source.json", "tables/seed-1/validation.parquet"} <= names
    assert tree(folder) == tree(ran.submission)
    before = tree(folder)
    assert tree(submit(ran, tmp_path)) == before
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_it_says_nothing_of_the_machine_it_was_made_on(ran: Ran) -> None:
    for name, data in tree(ran.submission).items():
        assert str(ran.out).encode() not in data, name
        assert str(Path.home()).encode() + b"/" not in data, name


def test_a_missing_seed_is_named_with_the_command(own: Ran, tmp_path: Path) -> None:
    rows = [*own.rows, Row(own.rows[0].method, own.rows[0].backbone, 2)]
    said = refusal(own, tmp_path / "to", rows)
    first, second = said.split("\n")
    assert first.startswith("worddrop, seed 2: train is missing, and ")
    assert second == f"Run `temper run {own.suite} --methods worddrop --seeds 3 --out {own.out}`."


def test_the_command_for_a_missing_seed_has_the_options_of_the_row(own: Ran, tmp_path: Path) -> None:
    first = own.rows[0]
    method = configure(MethodRequest.parse("worddrop:probability=0.2"))
    backbone = replace(first.backbone, name="mine")
    row = Row(method, backbone, 0, ("ece-unmerged",), tuning={"count": 1})
    assert refusal(own, tmp_path / "to", [row]).split("\n")[1] == (
        f"Run `temper run {own.suite} --methods worddrop:probability=0.2 --seeds 1 --settings tuned "
        f"--protocol ece-unmerged --backbone mine={backbone.path} --out {own.out}`."
    )


def test_the_command_for_a_missing_seed_looks_up_no_backbone_of_the_hub(own: Ran, tmp_path: Path) -> None:
    suite = replace(own.work.suite, backbone="me/far")
    ran = Ran(own.suite, replace(own.work, suite=suite), own.rows, own.out, own.submission)
    row = replace(own.rows[0], seed=2)
    assert f"--backbone {row.backbone.name}={row.backbone.path} " in refusal(ran, tmp_path / "to", [row])
    backbone = replace(row.backbone, name="far", source="hub:me/far", revision="c" * 40)
    said = refusal(ran, tmp_path / "to", [replace(row, backbone=backbone)])
    assert f"--backbone far=hub:me/far@{'c' * 40} " in said


def test_seeds_are_counted_from_none_to_the_highest_that_was_run(own: Ran) -> None:
    card = suite_card(own.work)
    assert seeds_to_submit(own.rows[0], own.work, own.out / "results", card) == [0, 1]
    records_file(own, 0).unlink()
    assert seeds_to_submit(own.rows[0], own.work, own.out / "results", card) == [0, 1]


def test_a_table_that_is_missing_from_the_store_is_named(own: Ran, tmp_path: Path) -> None:
    folder = next((own.out / "store/predict").iterdir())
    shutil.rmtree(folder)
    assert "predict" in refusal(own, tmp_path / "to")


def test_a_broken_table_is_named(own: Ran, tmp_path: Path) -> None:
    table = next((own.out / "store/predict").glob("*/predictions.parquet"))
    table.write_bytes(table.read_bytes()[:-1] + b"?")
    assert "does not match its checksum" in refusal(own, tmp_path / "to")


def test_records_that_were_edited_are_refused(own: Ran, tmp_path: Path) -> None:
    path = records_file(own)
    lines = path.read_text().splitlines()
    record = json.loads(lines[0])
    record["value"] = 0.99
    path.write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n")
    said = refusal(own, tmp_path / "to")
    assert f"does not match the stored tables.\nRun `temper run {own.suite} --methods worddrop" in said


def test_records_that_are_missing_are_refused(own: Ran, tmp_path: Path) -> None:
    records_file(own).unlink()
    assert "does not match the stored tables." in refusal(own, tmp_path / "to")


def test_another_source_than_the_one_that_was_run_is_refused(own: Ran, tmp_path: Path) -> None:
    method = own.rows[0].method
    changed = ConfiguredMethod.of(method.cls, method.hyperparameters, method.configuration, "sha256:" + "1" * 64)
    rows = [Row(changed, row.backbone, row.seed) for row in own.rows]
    assert "the method's source changed after the run." in refusal(own, tmp_path / "to", rows)


def test_a_method_that_was_not_run_did_not_change(own: Ran, tmp_path: Path) -> None:
    method = replace(own.rows[0].method, name="other", source="sha256:" + "1" * 64)
    said = refusal(own, tmp_path / "to", [replace(own.rows[0], method=method)])
    assert said.startswith("other, seed 0: train is missing, and ")


@dataclass(kw_only=True, eq=False)
class Diverging(Vanilla):
    """Diverges."""

    name: ClassVar[str] = "diverging"

    def loss(self, model, batch, ctx):
        return super().loss(model, batch, ctx) * float("inf")


def test_a_failed_row_is_refused_with_its_reason(own: Ran, tmp_path: Path) -> None:
    row = Row(ConfiguredMethod.of(Diverging, {}, "", "sha256:" + "0" * 64), own.rows[0].backbone, 0)
    run_rows([row], own.work, Store(tmp_path / "out2/store"), tmp_path / "out2/results", Quiet())
    ran = Ran(own.suite, own.work, [row], tmp_path / "out2", own.submission)
    said = refusal(ran, tmp_path / "to")
    assert said.startswith("diverging, seed 0 failed: diverging, seed 0: train: The loss is inf")


def test_a_folder_that_is_no_submission_is_left_alone(ran: Ran, tmp_path: Path) -> None:
    taken = tmp_path / "to" / ran.submission.relative_to(ran.submission.parents[2])
    taken.mkdir(parents=True)
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and is not a submission"):
        submit(ran, tmp_path / "to")
    assert tree(taken) == {"notes.txt": b"mine"}


def test_what_was_gathered_can_be_read(ran: Ran) -> None:
    submission = read_submission(ran.submission)
    assert sorted(submission.runs) == [0, 1]
    assert all(record["status"] == "ok" for record in submission.records(0))


def test_what_submit_says_fits_80_columns() -> None:
    folder = Path("submissions/offline@1/my_method~alpha=0.6/minilm")
    lines = submitted_lines(SubmissionSummary(folder, 54, 850_000, (0, 10)), 3, "")
    assert lines == [
        "warning: seed 0: its weights are vanilla's; the method has no effect.",
        "warning: seed 10: its weights are vanilla's; the method has no effect.",
        f"Submission: {folder}",
        "  3 seeds, 54 files, 0.85 MB.",
        "Check it, and commit the whole folder:",
        "  temper verify 'submissions/offline@1/my_method~alpha=0.6/minilm'",
    ]
    assert all(len(line) <= 80 for line in lines)
    assert submitted_lines(SubmissionSummary(folder, 1, 1, ()), 1, "my suite.toml")[-1].endswith(
        " --suite 'my suite.toml'"
    )


def test_two_seeds_that_need_one_command_name_it_once(own: Ran, tmp_path: Path) -> None:
    shutil.rmtree(own.out / "store/predict")
    lines = refusal(own, tmp_path / "to").split("\n")
    assert all(len(line) <= 80 for line in lines if not line.startswith("Run `")), lines
    assert len(lines) == 4
