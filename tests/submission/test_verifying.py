"""An honest submission holds; its code is not run unless that is asked for; levels are written when all holds."""

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.execution.registry import MethodRequest, configure, registered
from benchmark.execution.sources import source_fingerprint, source_texts
from benchmark.schema import IntegrityError, UsageError
from benchmark.submission.declared import described
from benchmark.submission.intake import read_submission
from benchmark.submission.levels import write_levels
from benchmark.submission.reading import Wanted, read_tables
from benchmark.submission.replaying import given_weights, replay_problems
from benchmark.submission.sources import registered_texts, texts_fingerprint
from benchmark.submission.verifying import Verification
from tests.cli.test_cli import temper
from tests.submission.conftest import Ran, can_attack
from tests.submission.forging import Forgery

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


def verify(folder: Path, ran: Ran, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return temper("verify", str(folder), "--suite", str(ran.suite), *arguments, **environment)


def weights_of(ran: Ran, to: Path) -> Path:
    """The trained weights of the run, as an author would attach them."""
    for path in (ran.out / "store/train").glob("*/spec.json"):
        seed = json.loads(path.read_text())["seed"]
        shutil.copytree(path.parent / "model", to / f"seed-{seed}")
    return to


def levels(results: Path) -> set[tuple[str, str]]:
    lines = [(path.stem, line) for path in results.rglob("seed-*.jsonl") for line in path.read_text().splitlines()]
    return {(name, json.loads(line)["verification"]) for name, line in lines}


@pytest.mark.parametrize("name", [*registered(), "mvp+roast", "sam+roast"])
def test_a_source_that_is_read_has_the_hash_of_one_that_is_run(name: str) -> None:
    cls = configure(MethodRequest.parse(name), {}).cls
    assert texts_fingerprint(source_texts(cls)) == source_fingerprint(cls)
    # A file keeps its keys in the order of the alphabet.
    assert texts_fingerprint(json.loads(json.dumps(source_texts(cls), sort_keys=True))) == source_fingerprint(cls)
    if "+" not in name:
        assert texts_fingerprint(registered_texts(name) or {}) == source_fingerprint(cls)


def test_what_a_source_says_of_its_method_is_what_its_class_says() -> None:
    for name in [*registered(), "mvp+roast"]:
        cls = configure(MethodRequest.parse(name), {}).cls
        assert described(name, source_texts(cls)) == (inspect.getdoc(cls) or "", cls.paper)


@pytest.mark.parametrize(
    "text", ["def (", "class Other: pass", "class A:\n    paper: str = 7", "class A:\n    paper: str"]
)
def test_a_source_that_says_nothing_is_described_by_nothing(text: str) -> None:
    assert described("a", {"0:A": text}) == ("", "")


@pytest.mark.slow()
def test_verifying_from_the_command_line_writes_the_level(ran: Ran, tmp_path: Path) -> None:
    done = verify(ran.submission, ran, "--write", str(tmp_path / "results"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No code of the submission was run." in done.stderr
    assert done.stdout.count("holds") == 8
    assert levels(tmp_path / "results") == {("seed-0", "rescored"), ("seed-1", "rescored")}
    built = temper("board", "build", "--results", str(tmp_path / "results"), "--site", str(tmp_path / "site"))
    assert built.returncode == 0, built.stderr
    assert "worddrop" in (tmp_path / "site/board.md").read_text()
    for path in ("method.json", *(("*/attacks/textfooler.jsonl",) if can_attack() else ())):
        theirs, mine = (
            list(results.glob(f"*/worddrop/{path}")) for results in (ran.out / "results", tmp_path / "results")
        )
        assert len(theirs) == len(mine) == 1
        assert mine[0].read_bytes() == theirs[0].read_bytes()


def test_what_a_submission_says_of_overlaps_reaches_no_board(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.recard(lambda card: [entry.update(exact=entry["n"], near=entry["n"]) for entry in card["overlap"]] and None)
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    write_levels(found, tmp_path / "results", rerun=())
    (card,) = (tmp_path / "results").glob("*/suite.json")
    assert json.loads(card.read_text())["overlap"] == found.card["overlap"]


def test_a_submission_does_not_reword_a_method_that_is_registered_here(
    forgery: Forgery, ran: Ran, tmp_path: Path
) -> None:
    path = forgery.folder / "source.json"
    texts = json.loads(path.read_text())
    first = next(name for name in texts if name.startswith("0:"))
    texts[first] = re.sub(r'(class \w+\(.*\):\n    """)', r"\1Best of all. ", texts[first])
    assert "Best of all." in texts[first]
    path.write_text(json.dumps(texts, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    forgery.reseal()
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    write_levels(found, tmp_path / "results", rerun=())
    (card,) = (tmp_path / "results").glob("*/worddrop/method.json")
    assert "Best of all" not in card.read_text()


def test_a_place_that_cannot_be_written_to_is_named(ran: Ran, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = verification(ran, ran.submission, tmp_path / "scratch")
    with pytest.raises(UsageError, match=r"file/results cannot be written to: Not a directory"):
        write_levels(found, tmp_path / "file/results", rerun=())


def test_a_row_with_another_configuration_in_the_same_folder_is_not_overwritten(ran: Ran, tmp_path: Path) -> None:
    found = verification(ran, ran.submission, tmp_path / "scratch")
    (first, _) = write_levels(found, tmp_path / "results", rerun=()).files
    first.write_text(first.read_text().replace('"configuration":""', '"configuration":"variant=a/b"'))
    with pytest.raises(UsageError, match=r"seed-0\.jsonl is of worddrop \(variant=a/b\) and not of worddrop \(\)"):
        write_levels(found, tmp_path / "results", rerun=())


def test_nothing_is_written_where_something_cannot_be(
    ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise IntegrityError("too long for a board")

    monkeypatch.setattr("benchmark.submission.levels.flipped_texts", broken)
    found = verification(ran, ran.submission, tmp_path / "scratch")
    with pytest.raises(IntegrityError, match="too long for a board"):
        write_levels(found, tmp_path / "results", rerun=())
    assert not (tmp_path / "results").exists()


@pytest.mark.slow()
def test_a_refused_submission_writes_nothing_and_exits_with_one(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.edit_records(lambda record: record.update(value=0.4321), only=lambda r: r["metric"]["id"] == "accuracy")
    forgery.reseal()
    done = verify(forgery.folder, ran, "--write", str(tmp_path / "results"))
    assert done.returncode == 1
    assert "accuracy: says 0.4321, its table gives" in done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "results").exists()


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
    again = write_levels(found, tmp_path / "results", rerun={0})
    assert levels(tmp_path / "results") == {("seed-0", "rerun"), ("seed-1", "rerun")}
    assert [path.name for path in again.replaced] == ["seed-0.jsonl"]
    assert again.removed == [stale]


@pytest.mark.slow()
def test_training_again_reports_a_difference_with_its_tolerance(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    """Seed 0 is another seed's run in everything but name, which no table can tell."""
    from benchmark.submission.rerunning import Difference, rerun

    wrong = Difference("home", "accuracy", submitted=0.9, again=0.7, tolerance=0.1)
    assert not wrong.holds
    assert replace(wrong, again=0.81).holds
    forgery.edit_predictions(lambda t: replace(t, logits=-t.logits), "away")
    forgery.reforge()
    assert forgery.problems() == []
    from benchmark.execution.observer import Quiet

    found = rerun(read_submission(forgery.folder), ran.work, 0, tmp_path / "again", Quiet())
    assert [one.probe for one in found if not one.holds] == ["away", "away"]


@pytest.mark.slow()
def test_the_code_of_a_submission_is_not_run(ran: Ran, tmp_path: Path) -> None:
    """Neither where its method is registered here, nor where it is not; with --rerun it is, and that is said."""
    site, metadata = tmp_path / "site", tmp_path / "site/marked-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "marked.py").write_text(MARKING)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: marked\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[temper.methods]\nmarking = marked:Marking\n")
    out, to = str(tmp_path / "out"), str(tmp_path / "to")
    arguments = [str(ran.suite), "--methods", "marking", "--out", out]
    assert temper("run", *arguments, PYTHONPATH=str(site)).returncode == 0
    made = temper("submit", "marking", "--suite", str(ran.suite), "--out", out, "--to", to, PYTHONPATH=str(site))
    assert made.returncode == 0, made.stderr
    assert f"/marking/tiny-bert0 --suite {ran.suite}`, and commit" in made.stderr.replace("'", "")
    assert ": 1 seed, " in made.stderr
    (folder,) = Path(to).glob("*/*/*")
    for environment in ({"PYTHONPATH": str(site)}, {}):
        (site / "imported").unlink(missing_ok=True)
        done = verify(folder, ran, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (site / "imported").exists()
    again = verify(folder, ran, "--rerun", "0", "--out", str(tmp_path / "again"), PYTHONPATH=str(site))
    assert again.returncode == 0, again.stdout + again.stderr
    assert (site / "imported").exists()
    (site / "marked.py").write_text(MARKING.replace("0.5", "0.25"))
    changed = verify(folder, ran, PYTHONPATH=str(site))
    assert changed.returncode == 1
    assert (
        "The method marking is registered here as marked:Marking, and marked.py (class 'Marking') differs"
        in changed.stdout
    )


def test_a_plugin_without_a_rerun_is_refused(ran: Ran) -> None:
    done = verify(ran.submission, ran, "--plugin", "x.py:X")
    assert done.returncode == 2
    assert "--plugin runs the submission's code; give it together with --rerun." in done.stderr


def test_a_suite_that_is_not_here_is_the_submissions_fault(ran: Ran) -> None:
    done = temper("verify", str(ran.submission))
    assert done.returncode == 1
    assert "The submission's suite is not one of Temper's here: There is no suite 'tiny'." in done.stderr


def verification(ran: Ran, folder: Path, scratch: Path) -> Verification:
    found = Verification(read_submission(folder), ran.work, scratch)
    assert not [problem for check in found.checks() for problem in check.problems]
    return found


def replayed(found: Verification, weights: Path) -> list[str]:
    return list(replay_problems(found, given_weights(found, weights), salt=7))


@pytest.mark.resources()
def test_logits_that_three_decimals_make_equal_contradict_no_outcome(forgery: Forgery, tmp_path: Path) -> None:
    if not can_attack():
        pytest.skip("needs the extra [textattack] and `temper resources fetch minilm`")
    forgery.edit_attack(lambda row: replace(row, logits_final=(0.25, 0.25)), only="flipped")
    forgery.reforge()
    found = Verification(read_submission(forgery.folder), forgery.work, tmp_path / "scratch")
    assert [problem for check in found.checks() for problem in check.problems] == []


@pytest.mark.slow()
def test_the_stated_weights_say_what_the_tables_say(ran: Ran, tmp_path: Path) -> None:
    found = verification(ran, ran.submission, tmp_path / "scratch")
    assert replayed(found, weights_of(ran, tmp_path / "weights")) == []
    with pytest.raises(UsageError, match="has no folder seed-0, seed-1"):
        given_weights(found, tmp_path)


@pytest.mark.slow()
def test_tables_that_the_weights_did_not_make_are_caught(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.edit_predictions(lambda t: replace(t, logits=t.logits * 2), "away")
    forgery.reforge()
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    weights = weights_of(ran, tmp_path / "weights")
    (problem,) = replayed(found, weights)
    assert problem.startswith("seed 0, away: the weights give example")
    (weights / "seed-0/pytorch_model.bin").write_bytes(b"")
    (weights / "seed-1/config.json").write_text("{}")
    assert [p.split(" ", 1)[0] for p in replayed(found, weights)] == [
        "seed-0/'pytorch_model.bin'",
        "seed-1/config.json",
    ]


@pytest.mark.slow()
def test_an_input_gradient_that_the_weights_do_not_have_is_caught(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    forgery.edit_inspection(lambda t: replace(t, gradients=t.gradients * 2 + 1e-3))
    forgery.reforge()
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    (problem,) = replayed(found, weights_of(ran, tmp_path / "weights"))
    assert problem.startswith("seed 0, known: the weights give example")
    assert "an input gradient of" in problem


@pytest.mark.slow()
@pytest.mark.resources()
def test_an_attack_that_was_never_run_is_caught_by_attacking_again(forgery: Forgery, ran: Ran, tmp_path: Path) -> None:
    if not can_attack():
        pytest.skip("needs the extra [textattack] and `temper resources fetch minilm`")
    from benchmark.evaluation.tables import read_attack, write_attack

    path = forgery.table("textfooler")
    rows = [
        replace(
            row, outcome="survived", perturbed=row.original, changed=0, similarity=None,
            logits_final=row.logits_original,
        )
        if row.outcome == "flipped"
        else row
        for row in read_attack(path)
    ]  # fmt: skip
    write_attack(path, rows)
    forgery.reforge()
    found = verification(ran, forgery.folder, tmp_path / "scratch")
    problems = replayed(found, weights_of(ran, tmp_path / "weights"))
    assert any("attacked again, example" in problem and "'survived'" in problem for problem in problems)


def test_a_table_that_fills_the_memory_costs_the_child_alone(ran: Ran, tmp_path: Path) -> None:
    path = str(ran.submission / "tables/seed-0/home.parquet")
    one = Wanted("home.parquet", path, "predict", 16, str(tmp_path / "copy.parquet"))
    assert read_tables([one]) == []
    (problem,) = read_tables([one], memory=64 << 20)
    assert "home.parquet" in problem
    assert "64 MiB" in problem


def test_the_reader_takes_little_time_to_start() -> None:
    """It imports no torch."""
    script = "import benchmark.submission.reading, benchmark.evaluation.tables, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.strip() == "False"
