"""Replay on stated weights: what the tables say that the weights do not is found."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.evaluation.parquet import read_attack, write_attack
from benchmark.schema import UsageError
from benchmark.submission.read import read_submission
from benchmark.submission.replay import given_weights, replay_problems
from benchmark.submission.verify import Verification
from tests.submission.conftest import Ran
from tests.submission.forging import Forgery, edited
from tests.support.needs import ATTACK

pytestmark = pytest.mark.slow()


@pytest.fixture()
def weights(ran: Ran, tmp_path: Path) -> Path:
    """The trained weights of the run, as an author would attach them."""
    folder = tmp_path / "weights"
    for path in (ran.out / "store/train").glob("*/spec.json"):
        shutil.copytree(path.parent / "model", folder / f"seed-{json.loads(path.read_text())['seed']}")
    return folder


def replayed(forgery: Forgery, weights: Path, scratch: Path) -> list[str]:
    """Replay a forgery that passes every check of the tables, and return the problems."""
    forgery.reforge()
    found = Verification(read_submission(forgery.folder), forgery.work, scratch)
    assert not [problem for _, problems in found.checks() for problem in problems]
    return list(replay_problems(found, given_weights(found, weights), salt=7))


def test_the_stated_weights_give_the_tables(forgery: Forgery, weights: Path, tmp_path: Path) -> None:
    assert replayed(forgery, weights, tmp_path / "scratch") == []


def test_a_folder_without_weights_is_refused(forgery: Forgery, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no folder seed-0, seed-1; add at least one"):
        replayed(forgery, tmp_path, tmp_path / "scratch")


def test_predictions_that_the_weights_did_not_make(forgery: Forgery, weights: Path, tmp_path: Path) -> None:
    forgery.edit_predictions(lambda t: edited(t, logits=t.logits * 2), "away")
    (problem,) = replayed(forgery, weights, tmp_path / "scratch")
    assert problem.startswith("seed 0, away: the weights give example")


def test_files_that_are_not_the_stated_weights(forgery: Forgery, weights: Path, tmp_path: Path) -> None:
    (weights / "seed-0/pytorch_model.bin").write_bytes(b"")
    (weights / "seed-1/config.json").write_text("{}")
    problems = replayed(forgery, weights, tmp_path / "scratch")
    assert [p.split(" ", 1)[0] for p in problems] == ["seed-0/'pytorch_model.bin'", "seed-1/config.json"]
    (weights / "seed-0/config.json").unlink()
    (weights / "seed-0/config.json").symlink_to("/etc/passwd")
    assert "seed-0/'config.json' is not a plain file" in replayed(forgery, weights, tmp_path / "again")[0]


def test_an_input_gradient_that_the_weights_do_not_have(forgery: Forgery, weights: Path, tmp_path: Path) -> None:
    forgery.edit_inspection(lambda t: edited(t, gradients=t.gradients * 2 + 1e-3))
    (problem,) = replayed(forgery, weights, tmp_path / "scratch")
    assert problem.startswith("seed 0, known: the weights give example")
    assert "an input gradient of" in problem


@pytest.mark.resources()
@pytest.mark.needs(*ATTACK)
def test_an_attack_that_was_never_run(forgery: Forgery, weights: Path, tmp_path: Path) -> None:
    rows = [
        replace(
            row, outcome="survived", perturbed=row.original, changed=0, similarity=None,
            logits_final=row.logits_original,
        )
        if row.outcome == "flipped"
        else row
        for row in read_attack(forgery.table("textfooler"))
    ]  # fmt: skip
    write_attack(forgery.table("textfooler"), rows)
    problems = replayed(forgery, weights, tmp_path / "scratch")
    assert any("attacked again, example" in problem and "'survived'" in problem for problem in problems)
