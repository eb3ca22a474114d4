"""An honest submission holds; its code runs only with --rerun; levels are written when everything holds."""

import importlib
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli.submission import submission_folders
from benchmark.execution.local import run_rows
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.schema import IntegrityError, UsageError
from benchmark.submission.build import build
from benchmark.submission.publish import publish
from benchmark.submission.read import read_submission
from benchmark.submission.rerun import RemeasuredValue, rerun
from benchmark.submission.verify import Verification
from tests.submission.conftest import Ran
from tests.submission.forging import Forgery, assert_refused, copy_of, edited
from tests.support.command import Done, temper
from tests.support.needs import ATTACK, missing
from tests.support.plugins import forget_plugins

MARKING = '''"""Marks that it was imported."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmark.training import Method

Path(__file__).with_name("imported").write_text("yes")


@dataclass(kw_only=True, eq=False)
class Marking(Method):
    """Mark."""

    name: ClassVar[str] = "marking"
    scale: float = 0.5
'''


def verify(folder: Path, ran: Ran, *arguments: str) -> Done:
    return temper("verify", folder, "--suite", ran.suite, *arguments)


def test_a_sanity_check_may_repeat_seeds_and_lack_input_gradients_but_not_some(ran: Ran, tmp_path: Path) -> None:
    store, results = Store(tmp_path / "store"), tmp_path / "results"
    rows = [replace(row, method=configure(MethodRequest("constant", {}))) for row in ran.rows]
    assert not run_rows(rows, ran.work, store, results, Quiet()).failures
    folder = build(rows, ran.work, store, results, tmp_path / "submissions").folder
    checked = verify(folder, ran, "--rerun", "0", "--out", str(tmp_path / "again"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    forgery = copy_of(folder, tmp_path / "forged", ran.work)
    forgery.edit_inspection(lambda table: edited(table, gradients=np.append(table.gradients[1:], np.float32(0))))
    forgery.reseal()
    assert_refused(forgery, "known.parquet: the input gradient of example")


def write_marked_package(site: Path) -> Path:
    """Write what an installer leaves of a package with the method `marking`."""
    metadata = site / "marked-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "marked.py").write_text(MARKING)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: marked\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[temper.methods]\nmarking = marked:Marking\n")
    return site


@contextmanager
def installed(site: Path) -> Iterator[None]:
    """Put the package on the path, not yet imported, as a new process would find it."""
    (site / "imported").unlink(missing_ok=True)
    sys.path.insert(0, str(site))
    importlib.invalidate_caches()
    forget_plugins()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        sys.modules.pop("marked", None)
        forget_plugins()


def verification(ran: Ran, folder: Path, scratch: Path) -> Verification:
    found = Verification(read_submission(folder), ran.work, scratch)
    assert not [problem for _, problems in found.checks() for problem in problems]
    return found


def levels(results: Path) -> set[tuple[str, str]]:
    lines = [(path.stem, line) for path in results.rglob("seed-*.jsonl") for line in path.read_text().splitlines()]
    return {(name, json.loads(line)["verification"]) for name, line in lines}


@pytest.mark.slow()
def test_verifying_from_the_command_line_writes_the_level(ran: Ran, tmp_path: Path) -> None:
    done = verify(ran.submission, ran, "--write", str(tmp_path / "results"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No code of the submission was run." in done.stderr
    assert f"Verified: {ran.submission} (rescored)" in done.stderr
    assert done.stdout.count("holds") == 8
    assert levels(tmp_path / "results") == {("seed-0", "rescored"), ("seed-1", "rescored")}
    for path in ("method.json", *(("*/attacks/textfooler.jsonl",) if not missing(*ATTACK) else ())):
        theirs, mine = (
            list(results.glob(f"*/worddrop/{path}")) for results in (ran.out / "results", tmp_path / "results")
        )
        assert len(theirs) == len(mine) == 1
        assert mine[0].read_bytes() == theirs[0].read_bytes()


@pytest.mark.slow()
def test_a_refused_submission_writes_nothing_and_exits_with_one(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.edit_records(lambda record: record.update(value=0.4321), only=lambda r: r["metric"]["id"] == "accuracy")
    forgery.edit_records(lambda record: record["environment"].update(device="[red]x[/red]"))
    forgery.reseal()
    done = verify(forgery.folder, ran, "--write", str(tmp_path / "results"))
    assert done.returncode == 1
    assert "accuracy: /value is 0.4321; the manifest, the tables and the suite give" in done.stdout
    assert 'device is "[red]x[/red]"' in done.stdout, "markup of the terminal is shown, not obeyed"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow()
def test_the_code_of_a_submission_is_not_run(ran: Ran, tmp_path: Path) -> None:
    """Neither if its method is registered here nor if it is not; with --rerun it is, and that is said."""
    site = write_marked_package(tmp_path / "site")
    out, to = str(tmp_path / "out"), str(tmp_path / "to")
    with installed(site):
        done = temper("run", ran.suite, "--methods", "marking", "--out", out)
        assert done.returncode == 0, done.stderr
        made = temper("submit", "marking", "--suite", ran.suite, "--out", out, "--to", to)
        assert made.returncode == 0, made.stderr
        assert (site / "imported").exists()
    assert f"/marking/tiny-bert0 --suite {ran.suite}\n" in made.stderr.replace("'", "")
    (folder,) = Path(to).glob("*/*/*")
    for context in (installed(site), nullcontext()):
        with context:
            done = verify(folder, ran)
            assert done.returncode == 0, done.stdout + done.stderr
            assert not (site / "imported").exists()
    with installed(site):
        again = verify(folder, ran, "--rerun", "0", "--out", str(tmp_path / "again"))
        assert again.returncode == 0, again.stdout + again.stderr
        assert (site / "imported").exists()
    (site / "marked.py").write_text(MARKING.replace("0.5", "0.25"))
    with installed(site):
        changed = verify(folder, ran)
    assert changed.returncode == 1
    assert "The method marking is registered here as marked:Marking, and 0:Marking differs" in changed.stdout


def test_a_plugin_without_a_rerun_is_refused(ran: Ran) -> None:
    done = verify(ran.submission, ran, "--plugin", "x.py:X")
    assert done.returncode == 2
    assert "--plugin runs the submission's code; give it together with --rerun." in done.stderr


def test_a_suite_that_is_not_here_is_the_submissions_fault(ran: Ran) -> None:
    done = temper("verify", str(ran.submission))
    assert done.returncode == 1
    assert "The submission's suite is not one of Temper's here: There is no suite 'tiny'." in done.stderr
    assert done.stderr.endswith("Name its file with --suite.\n")


# -- folders of submissions and of records --------------------------------------------------------------------------


def test_a_folder_of_submissions_is_each_submission_in_it(ran: Ran) -> None:
    for folder in (ran.submission, *ran.submission.parents[:3]):
        assert submission_folders(folder) == [ran.submission]


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_folder_of_records_has_no_tables_to_verify(ran: Ran, depth: int) -> None:
    row = next((ran.out / "results").glob("*/*/*/seed-0.jsonl")).parent
    folder = (row, *row.parents)[depth]
    with pytest.raises(UsageError, match=r"holds records without tables\. `temper verify` takes a submission"):
        submission_folders(folder)


@pytest.mark.slow()
def test_each_submission_of_a_suite_is_verified(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    suite = tmp_path / "submissions/tiny@1"
    for name in ("one", "two"):
        (suite / name).mkdir(parents=True)
    (suite / "one/minilm").symlink_to(ran.submission)
    forgery.folder.rename(suite / "two/minilm")
    (suite / "two/minilm/source.json").unlink()
    done = verify(suite, ran)
    assert done.returncode == 1
    assert "source.json: is missing" in done.stdout
    assert "of 2 submissions." in done.stderr
    several = verify(suite, ran, "--rerun", "0")
    assert several.returncode == 2
    assert "holds 2 submissions. Name one for --weights and --rerun." in several.stderr


# -- levels ---------------------------------------------------------------------------------------------------------


def test_what_a_submission_says_of_overlaps_reaches_no_leaderboard(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.recard(lambda card: [entry.update(exact=entry["n"], near=entry["n"]) for entry in card["overlap"]] and None)
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    publish(found, tmp_path / "results", rerun=())
    (card,) = (tmp_path / "results").glob("*/suite.json")
    assert json.loads(card.read_text())["overlap"] == found.card["overlap"]


def test_a_place_that_cannot_be_written_to_is_named(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = verification(ran, ran.submission, tmp_path / "scratch")
    with pytest.raises(UsageError, match=r"file/results cannot be written to: Not a directory"):
        publish(found, tmp_path / "file/results", rerun=())


def test_another_row_in_the_same_folder_is_not_overwritten(ran: Ran, tmp_path: Path) -> None:
    found = verification(ran, ran.submission, tmp_path / "scratch")
    (first, _) = publish(found, tmp_path / "results", rerun=()).files
    text = first.read_text()
    first.write_text(text.replace('"configuration":""', '"configuration":"variant=a/b"'))
    with pytest.raises(UsageError, match=r"seed-0\.jsonl holds worddrop \(variant=a/b\) and not worddrop"):
        publish(found, tmp_path / "results", rerun=())
    first.write_text(re.sub('"revision":"sha256:.{64}"', f'"revision":"sha256:{"0" * 64}"', text))
    with pytest.raises(UsageError, match=r"holds records of another backbone called .*, of revision sha256:000"):
        publish(found, tmp_path / "results", rerun=())


def test_nothing_is_written_where_something_cannot_be(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IntegrityError("too long for a leaderboard")

    monkeypatch.setattr("benchmark.submission.publish.flipped_texts", broken)
    found = verification(ran, ran.submission, tmp_path / "scratch")
    with pytest.raises(IntegrityError, match="too long for a leaderboard"):
        publish(found, tmp_path / "results", rerun=())
    assert not (tmp_path / "results").exists()


# -- rerun ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow()
def test_training_again_sets_rerun_for_that_seed_alone(ran: Ran, tmp_path: Path) -> None:
    done = verify(ran.submission, ran, "--rerun", "1", "--out", str(tmp_path), "--write", str(tmp_path / "results"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Running the submission's code: training seed 1 again." in done.stderr
    assert "worddrop, seed 1: train" in done.stderr
    assert re.search(r"home +accuracy", done.stdout)
    assert levels(tmp_path / "results") == {("seed-0", "rescored"), ("seed-1", "rerun")}
    stale = next((tmp_path / "results").rglob("seed-1.jsonl")).with_name("seed-7.jsonl")
    stale.write_text(stale.with_name("seed-1.jsonl").read_text().replace('"seed":1', '"seed":7'))
    found = verification(ran, ran.submission, tmp_path / "scratch")
    again = publish(found, tmp_path / "results", rerun={0})
    assert levels(tmp_path / "results") == {("seed-0", "rerun"), ("seed-1", "rerun")}
    assert [path.name for path in again.replaced] == ["seed-0.jsonl"]
    assert again.removed == [stale]


@pytest.mark.slow()
def test_training_again_reports_a_difference_with_its_tolerance(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    """A consistent forgery, which no check of the tables can tell."""
    wrong = RemeasuredValue("home", "accuracy", submitted=0.9, again=0.7, tolerance=0.1)
    assert not wrong.holds
    assert replace(wrong, again=0.81).holds
    forgery.edit_predictions(lambda t: edited(t, logits=-t.logits), "away")
    forgery.reforge()
    assert forgery.problems() == []
    compared = rerun(read_submission(forgery.folder), ran.work, 0, tmp_path / "again", Quiet())
    assert [one.task for one in compared if not one.holds] == ["away", "away"]


@pytest.mark.slow()
def test_training_again_refuses_settings_that_are_not_the_methods(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    """A tuned row under the name of the default one, consistent in records and training."""
    forgery.edit_manifest(
        lambda m: [run["training"]["method"]["hyperparameters"].update(probability=0.3) for run in m["runs"]]
    )
    forgery.edit_records(lambda record: record["method"]["hyperparameters"].update(probability=0.3))
    forgery.reforge()
    assert forgery.problems() == []
    with pytest.raises(IntegrityError, match=r"another hyper-parameters here .* Verify with the version of worddrop"):
        rerun(read_submission(forgery.folder), ran.work, 0, tmp_path / "again", Quiet())
