"""A submission of a tuned row: its trials travel with it, and their points and the selection are recomputed."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.execution.plan import parse_methods, plan
from benchmark.execution.runner import Quiet
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, canonical_json, file_fingerprint, read_records, record_line
from benchmark.schema.trial import read_trials, selected, trial_line, tuning_of
from benchmark.submission.build import build
from benchmark.submission.publish import publish
from benchmark.submission.read import read_submission
from benchmark.submission.rerun import rerun
from benchmark.submission.verify import Verification
from benchmark.suites import load_suite
from benchmark.tuning.study import plan_tuning
from tests.support.tiny_suite import write_tiny_suite


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> tuple[Path, Workload]:
    folder = tmp_path_factory.mktemp("tuned")
    suite = load_suite(str(write_tiny_suite(folder, tiny_backbone)))
    requests, out = parse_methods("worddrop"), folder / "out"
    plan_tuning(suite, requests, None, out, 3).execute()
    planned = plan(suite, requests, 1, None, out, protocol="", settings="tuned")
    planned.execute(Quiet())
    built = build(planned.rows, planned.work, planned.store, planned.results, folder / "submissions")
    return built.folder, planned.work


@pytest.fixture()
def submission(tuned: tuple[Path, Workload], tmp_path: Path) -> tuple[Path, Workload]:
    """A copy of the submission, to break; its place names the method and the backbone."""
    folder, work = tuned
    return shutil.copytree(folder, tmp_path.joinpath("submissions", *folder.parts[-3:])), work


def problems(folder: Path, work, scratch: Path) -> list[str]:
    verification = Verification(read_submission(folder), work, scratch)
    return [problem for _, problems in verification.checks() for problem in problems]


def forge(folder: Path, change, *, settings: bool = False) -> None:
    """Change the trials, and everything that must then change so that only the trials are wrong.

    With `settings`, the records have those of the trial that is selected then.
    """
    (path,) = folder.rglob("trials.jsonl")
    trials = read_trials(path)
    change(trials)
    path.write_text("".join(map(trial_line, trials)))
    chosen = selected(trials)
    changed = {"tuning": tuning_of(chosen, trials, file_fingerprint(path))}
    changed |= {"method": chosen["method"]} if settings else {}
    for file in path.parent.glob("seed-*.jsonl"):
        records = [{**record, **changed} for record in read_records(file)]
        file.write_text("".join(map(record_line, records)))
    reseal(folder)


def reseal(folder: Path) -> None:
    """State the present hashes."""
    manifest = json.loads((folder / "submission.json").read_text())
    for name in manifest["files"]:
        target = folder / name
        manifest["files"][name] = {"sha256": file_fingerprint(target), "size": target.stat().st_size}
    (folder / "submission.json").write_text(json.dumps(manifest))


def test_a_tuned_submission_is_verified_and_published(submission, tmp_path: Path) -> None:
    folder, work = submission
    assert folder.parts[-2:] == ("worddrop@tuned", folder.name)
    (tmp_path / "scratch").mkdir()
    verification = Verification(read_submission(folder), work, tmp_path / "scratch")
    assert [problem for _, problems in verification.checks() for problem in problems] == []
    publish(verification, tmp_path / "results", ())
    (trials,) = (tmp_path / "results").rglob("trials.jsonl")
    assert trials.read_bytes() == next(folder.rglob("trials.jsonl")).read_bytes()
    from benchmark.schema import read_results

    read_results(tmp_path / "results")


def test_a_trial_that_is_not_at_its_point_is_refused(submission, tmp_path: Path) -> None:
    folder, work = submission

    def change(trials) -> None:
        chosen = selected(trials)["trial"]
        other = next(trial for trial in trials[1:] if trial["trial"] != chosen)
        other["learning_rate_factor"] = 1.23

    forge(folder, change)
    (tmp_path / "scratch").mkdir()
    (problem,) = problems(folder, work, tmp_path / "scratch")
    assert "learning_rate_factor is 1.23; its point is" in problem


def test_a_record_of_another_trial_is_refused(submission) -> None:
    folder, _ = submission

    def change(trials) -> None:
        chosen = selected(trials)["trial"]
        for trial in trials:
            trial["validation"]["correct"] = 0 if trial["trial"] == chosen else 16

    forge(folder, change)
    with pytest.raises(IntegrityError, match="the selected trial has"):
        read_submission(folder)


@pytest.mark.parametrize(
    "space",
    [
        {"scale": "log", "low": 0.0, "high": 1.0},
        {"scale": "log", "low": -1.0, "high": 1.0},
        {"scale": "linear", "low": 0.5, "high": 0.5},
    ],
)
def test_a_space_without_points_is_refused(submission, space) -> None:
    folder, _ = submission
    path = next(folder.rglob("trials.jsonl"))
    lines = [{**trial, "space": {**trial["space"], "kl_weight": space}} for trial in read_trials(path)]
    path.write_text("".join(canonical_json(trial) + "\n" for trial in lines))
    reseal(folder)
    with pytest.raises(IntegrityError, match="/space/kl_weight/low: is "):
        read_submission(folder)


def test_trials_of_another_recipe_are_refused(submission, tmp_path: Path) -> None:
    folder, work = submission

    def change(trials) -> None:
        for trial in trials:
            trial["training"] = "sha256:" + "0" * 64

    forge(folder, change)
    (tmp_path / "scratch").mkdir()
    (problem,) = problems(folder, work, tmp_path / "scratch")
    assert "the trials are of another recipe or training part than the suite's" in problem


def wider(trials) -> None:
    for trial in trials:
        trial["space"]["kl_weight"]["high"] *= 2


def other_default(trials) -> None:
    trials[0]["method"]["hyperparameters"]["kl_weight"] = 0.5


@pytest.mark.parametrize(("change", "what"), [(wider, "search space"), (other_default, "defaults")])
def test_training_again_compares_what_the_method_declares(submission, tmp_path: Path, change, what: str) -> None:
    folder, work = submission
    forge(folder, change, settings=True)
    with pytest.raises(IntegrityError, match=f"worddrop has another {what} here"):
        rerun(read_submission(folder), work, 0, tmp_path, Quiet())
