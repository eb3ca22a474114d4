"""Tuning on the tiny suite: trials, failures, resuming, and the rows that use them."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import benchmark
import leaderboard
from benchmark.cli.app import app
from benchmark.execution.executors import Local
from benchmark.execution.plan import parse_methods
from benchmark.execution.runner import Quiet
from benchmark.schema import (
    IntegrityError,
    TemperError,
    UsageError,
    canonical_json,
    file_fingerprint,
    read_records,
    read_results,
)
from benchmark.schema.trial import read_trials, selected, trial_line
from benchmark.suites import load_suite
from benchmark.testing.subject import Killed
from benchmark.tuning.study import TuningReport, plan_tuning
from tests.support.command import temper
from tests.support.plugins import forget_plugins
from tests.support.processes import python
from tests.support.tiny_suite import write_tiny_suite

ZERO = "sha256:" + "0" * 64

PLUGIN = """
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from benchmark.training import Batch, Classifier, Context, Method, Search


@dataclass(kw_only=True, eq=False)
class Fragile(Method):
    \"\"\"Diverge for every strength above 1.\"\"\"

    name: ClassVar[str] = "fragile"
    strength: Annotated[float, Gt(0), Search.log(LOW, HIGH, source="this test")] = 0.5

    def loss(self, model: Classifier, batch: Batch, ctx: Context):
        loss = super().loss(model, batch, ctx) * self.strength
        return loss * float("nan") if self.strength > 1 else loss
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    return write_tiny_suite(tmp_path_factory.mktemp("suite"), tiny_backbone)


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("plugin") / "fragile.py"
    path.write_text(PLUGIN.replace("LOW", "0.1").replace("HIGH", "10.0"))
    return str(path)


@pytest.fixture(scope="module")
def tuned(suite: Path, fragile: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with three trials of vanilla and RoAST and five of fragile, which no test changes."""
    out = tmp_path_factory.mktemp("tuned")
    assert tune(suite, out, "vanilla,roast").run == 6
    assert tune(suite, out, "fragile", trials=5, plugins=[fragile]).run == 5
    forget_plugins()
    return out


@pytest.fixture()
def out(tuned: Path, tmp_path: Path) -> Path:
    """A copy of the folder of `tuned`."""
    return shutil.copytree(tuned, tmp_path / "out")


def tune(suite: Path, out: Path, methods: str = "vanilla", trials: int = 3, plugins=(), observer=None) -> TuningReport:
    return plan_tuning(load_suite(str(suite)), parse_methods(methods, plugins), None, out, trials).execute(observer)


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("trials.jsonl"))}


def first_trials(out: Path, *methods: str) -> dict[str, bytes]:
    """The first three trials of some methods, in the form of `files`."""
    texts = {name: text for name, text in files(out).items() if name.split("/")[2].removesuffix("@tuned") in methods}
    assert len(texts) == len(methods)
    return {name: b"".join(text.splitlines(keepends=True)[:3]) for name, text in texts.items()}


class Killing(Quiet):
    """Kill the process in its n-th call."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def _count(self) -> None:
        self.calls -= 1
        if self.calls == 0:
            raise Killed

    def begin(self, label: str) -> None:
        self._count()

    def advance(self, done: int, total: int) -> None:
        self._count()

    def end(self, label: str, seconds: float) -> None:
        self._count()


class KillingAt(Quiet):
    """Kill the process in the first step of a stage."""

    def __init__(self, label: str) -> None:
        self.label, self.begun = label, ""

    def begin(self, label: str) -> None:
        self.begun = label

    def advance(self, done: int, total: int) -> None:
        if self.begun == self.label:
            raise Killed


def test_trials_are_run_once_and_shared_with_a_run(suite: Path, tuned: Path, out: Path) -> None:
    report = tune(suite, out, "vanilla,roast")
    assert (report.run, report.failed) == (0, 0)
    assert files(out) == files(tuned)
    for file, chosen in zip(report.files, report.chosen, strict=True):
        trials = read_trials(file)
        assert [trial["trial"] for trial in trials] == [0, 1, 2]
        assert selected(trials) == chosen
        assert trials[0]["learning_rate_factor"] == 1.0
    # The training and the validation predictions of trial 0 are those of the default row's first seed.
    ran = benchmark.run(suite, "vanilla", out=out)
    assert (ran.computed, ran.reused) == (6, 2)


def test_more_trials_begin_with_the_fewer(suite: Path, tuned: Path, tmp_path: Path) -> None:
    tune(suite, tmp_path / "grown", trials=1)
    one = files(tmp_path / "grown")
    assert tune(suite, tmp_path / "grown", trials=3).run == 2
    three = files(tmp_path / "grown")
    assert three == first_trials(tuned, "vanilla")
    assert all(three[name].startswith(one[name]) and three[name] != one[name] for name in one)
    # Fewer trials than there are already remove none.
    assert tune(suite, tmp_path / "grown", trials=2).run == 0
    assert files(tmp_path / "grown") == three


def test_a_failed_trial_is_spent(suite: Path, out: Path, fragile: str) -> None:
    report = tune(suite, out, "fragile", trials=5, plugins=[fragile])
    assert report.run == 0
    trials = read_trials(report.files[0])
    failed = [trial for trial in trials if trial["status"] == "failed"]
    strengths = {trial["trial"]: trial["method"]["hyperparameters"]["strength"] for trial in trials}
    assert {trial["trial"] for trial in failed} == {number for number, value in strengths.items() if value > 1}
    assert 0 < len(failed) < 5
    assert report.failed == len(failed)
    assert all("loss" in trial["reason"] for trial in failed)
    assert report.chosen[0]["status"] == "ok"


def test_a_row_whose_trials_all_failed_says_so(suite: Path, tmp_path: Path, fragile: str) -> None:
    out = tmp_path / "out"
    report = tune(suite, out, "fragile:strength=2.0,vanilla", trials=2, plugins=[fragile])
    assert report.chosen[0] is None
    assert report.chosen[1] is not None
    ran = benchmark.run(suite, "fragile:strength=2.0,vanilla", out=out, settings="tuned")
    assert len(ran.failures) == 1
    assert "All 2 trials failed." in ran.failures[0]
    records = read_records(ran.files[0])
    assert {record["status"] for record in records} == {"failed"}
    assert records[0]["tuning"]["trial"] is None
    read_results(out / "results")


def test_tuning_that_is_killed_and_resumed_gives_the_same_bytes(
    suite: Path, tuned: Path, tmp_path: Path, fragile: str
) -> None:
    """Kill at every 12th moment of what is still to do, until nothing is left to kill."""
    parse_methods("fragile", [fragile])
    kills = 0
    while True:
        try:
            tune(suite, tmp_path / "killed", "vanilla,fragile", observer=Killing(12 * (kills + 1)))
            break
        except Killed:
            kills += 1
    assert kills >= 2
    assert files(tmp_path / "killed") == first_trials(tuned, "vanilla", "fragile")
    assert not list((tmp_path / "killed/store/trials").iterdir())


@pytest.mark.usefixtures("_preloaded_workers")
def test_two_trials_at_a_time_write_the_bytes_of_one(suite: Path, tuned: Path, tmp_path: Path, fragile: str) -> None:
    seen = []
    methods = parse_methods("vanilla,fragile", [fragile])
    planned = plan_tuning(load_suite(str(suite)), methods, None, tmp_path / "two", 3)
    report = planned.execute(None, lambda *state: seen.append(state), Local(jobs=2))
    assert files(tmp_path / "two") == first_trials(tuned, "vanilla", "fragile")
    assert [(done, total) for done, total, _ in seen] == [(done, 6) for done in range(7)]
    # The first two trials start at once, so that the first one alone says little.
    assert [left is None for _, _, left in seen[:3]] == [True, True, False]
    assert seen[-1][2] == 0.0
    assert [file.parent.parent.name for file in report.files] == ["vanilla@tuned", "fragile@tuned"]
    assert not list((tmp_path / "two/store/trials").iterdir())


def kill(*_: object) -> None:
    raise Killed


def unfinished(out: Path) -> Path:
    (path,) = (out / "store/trials").iterdir()
    return path


def test_trials_that_finish_before_an_earlier_one_are_kept(suite: Path, tuned: Path, out: Path, fragile: str) -> None:
    """A failed trial above all: nothing else in the store says that it is spent."""
    plan = plan_tuning(load_suite(str(suite)), parse_methods("fragile", [fragile]), None, out, 5)
    file, unfinished = plan.studies[0].file, plan.studies[0].unfinished
    lines = file.read_text().splitlines(keepends=True)
    failed = [number for number, trial in enumerate(read_trials(file)) if trial["status"] == "failed"]
    kept = [0, *(number for number in failed if number > 1)]
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_text("".join(lines[number] for number in kept))
    file.unlink()
    with pytest.raises(Killed):
        plan_tuning(load_suite(str(suite)), parse_methods("fragile"), None, out, len(kept)).execute(progress=kill)
    assert len(read_trials(unfinished, gaps=True)) == len(kept)
    # Fewer trials take the first ones into the file, and the later ones stay in the store.
    assert tune(suite, out, "fragile", trials=1).run == 0
    assert len(read_trials(file)) == 1
    assert len(read_trials(unfinished, gaps=True)) == len(kept)
    assert tune(suite, out, "fragile", trials=5).run == 5 - len(kept)
    assert files(out) == files(tuned)
    assert not list((out / "store/trials").iterdir())


def test_a_longer_study_that_is_not_finished_changes_no_finished_one(suite: Path, tuned: Path, out: Path) -> None:
    """Its trials wait in the store, also when the shorter study is asked for again."""
    (file,) = tune(suite, out).files
    shorter, longer = file.read_bytes(), plan_tuning(load_suite(str(suite)), parse_methods("vanilla"), None, out, 5)
    fourth = tune(suite, out, trials=4).files[0].read_text().splitlines(keepends=True)[3]
    file.write_bytes(shorter)
    unfinished = longer.studies[0].unfinished
    unfinished.parent.mkdir(exist_ok=True)
    unfinished.write_text(shorter.decode() + fourth)
    report = tune(suite, out)
    assert (report.run, file.read_bytes(), report.chosen) == (0, shorter, [selected(read_trials(file))])
    assert len(read_trials(unfinished)) == 4
    assert tune(suite, out, trials=4).run == 0
    assert file.read_text() == shorter.decode() + fourth
    assert not unfinished.exists()


@pytest.mark.usefixtures("_preloaded_workers")
def test_the_death_of_a_trials_process_stops_no_other_trial(suite: Path, tmp_path: Path) -> None:
    plugin = tmp_path / "fragile.py"
    dying = (
        PLUGIN.replace("LOW", "0.1")
        .replace("HIGH", "10.0")
        .replace(
            'return loss * float("nan") if self.strength > 1 else loss',
            'return __import__("os")._exit(9) if self.strength > 1 else loss',
        )
    )
    plugin.write_text(dying)
    requests = parse_methods("fragile", [str(plugin)])
    with pytest.raises(TemperError, match=r"process of fragile, trial \d \(exit code 9\).* died; the other rows"):
        plan_tuning(load_suite(str(suite)), requests, None, tmp_path / "out", 4).execute(place=Local(jobs=2))
    (unfinished,) = (tmp_path / "out/store/trials").iterdir()
    strengths = [trial["method"]["hyperparameters"]["strength"] for trial in read_trials(unfinished, gaps=True)]
    assert 0 < len(strengths) < 4
    assert max(strengths) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_tuning_that_is_killed_ten_times_at_random_gives_the_same_bytes(suite: Path, tmp_path: Path, jobs: int) -> None:
    done = python("-m", "tests.tuning.kill_script", suite, tmp_path, 15, jobs)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome == {"killed": outcome["killed"], "same": True, "status": 0, "files": 2}
    assert outcome["killed"] >= 5, done.stderr


def test_a_tuned_row_has_the_selected_settings_and_its_own_place(suite: Path, out: Path) -> None:
    report = tune(suite, out, "vanilla,roast")
    ran = benchmark.run(suite, "vanilla,roast", out=out, settings="tuned")
    benchmark.run(suite, "vanilla,roast", out=out)
    (folder,) = read_results(out / "results")
    assert not folder.dropped
    places = {located.file.split("/")[1] for located in folder.records}
    assert places == {"vanilla", "vanilla@tuned", "roast", "roast@tuned"}
    for file, chosen in zip(ran.files, report.chosen, strict=True):
        for record in read_records(file):
            assert record["tuning"]["trial"] == chosen["trial"]
            assert record["tuning"]["count"] == 3
            assert record["method"]["hyperparameters"] == chosen["method"]["hyperparameters"]


def forced(out: Path, number: int) -> Path:
    """Rewrite vanilla's trials so that a trial wins."""
    (path,) = (out / "results").rglob("vanilla@tuned/*/trials.jsonl")
    trials = read_trials(path)
    for trial in trials:
        trial["validation"]["correct"] = 16 if trial["trial"] == number else 0
    path.write_text("".join(map(trial_line, trials)))
    return path


def test_the_selected_learning_rate_is_used(suite: Path, out: Path) -> None:
    path = forced(out, 1)
    before = set((out / "store/train").glob("*/spec.json"))
    ran = benchmark.run(suite, out=out, settings="tuned")
    factor = read_trials(path)[1]["learning_rate_factor"]
    assert factor != 1.0
    record = read_records(ran.files[0])[0]
    assert record["tuning"]["learning_rate_factor"] == factor
    # It is the training run of the trial: none was added.
    assert set((out / "store/train").glob("*/spec.json")) == before
    specs = [json.loads(spec.read_text()) for spec in before]
    assert 1e-3 * factor in [spec["recipe"]["learning_rate"] for spec in specs]
    assert ran.reused == 2


def test_a_record_whose_settings_were_not_selected_is_refused(suite: Path, out: Path) -> None:
    (file,) = benchmark.run(suite, out=out, settings="tuned").files
    before = file_fingerprint(file.parent / "trials.jsonl")
    path = forced(out, 1)
    file.write_text(file.read_text().replace(before, file_fingerprint(path)))
    with pytest.raises(IntegrityError, match=r"seed-0.jsonl:1: /tuning/trial: is 0, the trials give 1"):
        read_results(out / "results")
    path.unlink()
    with pytest.raises(IntegrityError, match=r"/tuning: needs trials.jsonl next to the record"):
        read_results(out / "results")


def test_rows_with_defaults_do_not_become_the_ranking_when_trials_change(suite: Path, out: Path) -> None:
    benchmark.run(suite, out=out, settings="tuned")
    benchmark.run(suite, out=out)
    forced(out, 1)
    (row,) = leaderboard.build(out / "results", out / "site").rows
    assert "default settings" in row.section


def test_more_trials_leave_out_the_rows_of_fewer_and_no_other(suite: Path, out: Path) -> None:
    results, site = out / "results", out / "site"
    words = [suite, "--methods", "vanilla", "--trials", 4, "--out", out]
    benchmark.run(suite, "vanilla,roast", out=out, settings="tuned", seeds=2)
    leaderboard.build(results, site)
    done = temper("tune", *words)
    assert done.returncode == 0, done.stderr
    assert "note: vanilla: its tuned records are of other trials" in " ".join(done.stderr.split())

    stale = "its trials changed after it was run; run `temper run --settings tuned` again"
    with pytest.raises(IntegrityError, match=re.escape(stale)):
        leaderboard.check(results, site)
    report = leaderboard.build(results, site)
    assert [row.method for row in report.rows] == ["roast"]
    with pytest.raises(IntegrityError, match=re.escape(stale)):
        leaderboard.check(results, site)
    assert [(Path(drop.where).name, drop.reason) for drop in report.dropped] == [
        ("seed-0.jsonl", stale),
        ("seed-1.jsonl", stale),
    ]
    for name in ("vanilla@tuned", str(results / "tiny@1/vanilla@tuned")):
        with pytest.raises(UsageError, match=re.escape(stale)):
            leaderboard.compare("roast@tuned", name, results)

    # The seeds that are run again are used; the note stays while another seed is of the earlier trials.
    benchmark.run(suite, "vanilla", out=out, settings="tuned")
    assert [Path(drop.where).name for drop in leaderboard.build(results, site).dropped] == ["seed-1.jsonl"]
    assert "note: vanilla: its tuned records are of other trials" in " ".join(temper("tune", *words).stderr.split())
    benchmark.run(suite, "vanilla", out=out, settings="tuned", seeds=2)
    assert not leaderboard.build(results, site).dropped
    assert "of other trials" not in temper("tune", *words).stderr


def ranged(trial, scale: str, low, high):
    return {**trial, "space": {"a": {"scale": scale, "low": low, "high": high}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda trials: trials[::-1], "/trial: is 2 on line 1"),
        (lambda trials: [trials[0], {**trials[1], "seed": 1}], "/seed: differs from the file's first trial"),
        (lambda trials: [{**trials[0], "reason": "none"}], "/reason: is given although /status is ok"),
        (lambda trials: [{**trials[0], "cost": None}], "/cost: is missing although /status is ok"),
        (
            lambda trials: [{**trials[0], "typos": {**trials[0]["typos"], "correct": 17}}],
            "/typos/correct: is 17 of only 16",
        ),
        (lambda trials: [trials[0], {**trials[1], "space": {}}], "/space: differs from the file's first trial"),
        (lambda trials: [{**trials[0], "space": {"a": {"scale": "log"}}}], "/space/a: needs high and low"),
        (lambda trials: [ranged(trials[0], "linear", 2, 2.0)], "/space/a/low: is 2; a range begins below its end"),
        (lambda trials: [ranged(trials[0], "log", 2, 1)], "/space/a/low: is 2; a range begins below its end"),
        (lambda trials: [ranged(trials[0], "log", 0.0, 1.0)], "/space/a/low: is 0.0; a logarithmic range begins above"),
        (lambda trials: [ranged(trials[0], "log", -1, 1.0)], "/space/a/low: is -1; a logarithmic range begins above 0"),
        (lambda trials: [ranged(trials[0], "linear", "a", "b")], "/space/a/low"),
        (
            lambda trials: [{**trials[0], "training": ZERO}, trials[1]],
            "trials.jsonl:2: /training: differs from an earlier trial's",
        ),
        (
            lambda trials: [{**trials[0], "method": [], "typos": "x", "training": []}, trials[1]],
            "trials.jsonl:1: /method: is a list",
        ),
        (lambda trials: [], "holds no trial"),
    ],
)
def test_an_invalid_file_of_trials_is_refused(tuned: Path, tmp_path: Path, change, message) -> None:
    trials = read_trials(next(tuned.glob("results/*/vanilla@tuned/*/trials.jsonl")))
    path = tmp_path / "trials.jsonl"
    path.write_text("".join(canonical_json(trial) + "\n" for trial in change(trials)))
    with pytest.raises(IntegrityError, match=message):
        read_trials(path)


def test_trials_of_another_space_are_run_again(suite: Path, tuned: Path, out: Path, tmp_path: Path) -> None:
    narrower = tmp_path / "fragile.py"
    narrower.write_text(PLUGIN.replace("LOW", "0.2").replace("HIGH", "0.9"))
    report = tune(suite, out, "fragile", trials=2, plugins=[str(narrower)])
    assert report.run == 2
    (before,), (after,) = first_trials(tuned, "fragile").values(), first_trials(out, "fragile").values()
    assert not set(before.splitlines()) & set(after.splitlines())


def test_trials_on_other_data_are_run_again(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (file,) = tune(suite, out, trials=1).files
    right = file.read_bytes()
    for part in ("validation", "typos"):
        (trial,) = read_trials(file)
        trial[part]["data"] = ZERO
        file.write_text(trial_line(trial), encoding="utf-8")
        assert tune(suite, out, trials=1).run == 1
        assert file.read_bytes() == right


def test_a_row_is_not_tuned_by_trials_on_other_data(suite: Path, out: Path) -> None:
    """Also if the first trial failed, which states no data."""
    (file,) = tune(suite, out).files
    first, *others = read_trials(file)
    failed = {**first, "status": "failed", "reason": "It diverged.", "validation": None, "typos": None, "cost": None}
    file.write_text("".join(map(trial_line, (failed, *others))))
    assert not benchmark.run(suite, out=out, settings="tuned").failures
    for trial in others:
        trial["validation"]["data"] = ZERO
    file.write_text("".join(map(trial_line, (failed, *others))))
    with pytest.raises(UsageError, match=r"the trials are of another validation part. Run `temper tune"):
        benchmark.run(suite, out=out, settings="tuned")


def test_trials_of_another_recipe_or_training_part_are_run_again(suite: Path, out: Path, tmp_path: Path) -> None:
    (file,) = tune(suite, out).files
    right, texts = file.read_bytes(), suite.read_text()
    for number, change in enumerate(
        (("learning_rate = 1e-3", "learning_rate = 1e-4"), ("train_limit = 60", "train_limit = 24"))
    ):
        folder = shutil.copytree(suite.parent, tmp_path / str(number))
        other = folder / suite.name
        other.write_text(texts.replace(*change))
        assert other.read_text() != texts
        with pytest.raises(UsageError, match=r"the trials are of another recipe or training part. Run `temper tune"):
            benchmark.run(other, out=out, settings="tuned")
        assert tune(other, out, trials=1).run == 1
        file.write_bytes(right)


def test_trials_of_a_version_that_did_not_state_their_training_are_used(suite: Path, out: Path) -> None:
    (file,) = tune(suite, out).files
    trials = read_trials(file)
    del trials[0]["training"], trials[1]["training"]
    file.write_text("".join(map(trial_line, trials)))
    before = file.read_bytes()
    assert tune(suite, out).run == 0
    assert file.read_bytes() == before
    assert not benchmark.run(suite, out=out, settings="tuned").failures
    read_results(out / "results")


def commanded(message: str) -> list[str]:
    """Split the command that a message tells to run, as a shell does."""
    found = re.search(r"Run `temper (.+?)`", message)
    assert found, message
    return shlex.split(found[1])


def test_untuned_methods_and_unequal_numbers_of_trials_are_refused(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out of the way"
    with pytest.raises(UsageError, match="vanilla is not tuned yet: "):
        benchmark.run(suite, out=out, settings="tuned")
    tune(suite, out, "vanilla", trials=1)
    with pytest.raises(
        UsageError, match=r"worddrop and roast \(alpha=0.7\) are not tuned yet: .*jsonl is missing"
    ) as bad:
        benchmark.run(suite, "vanilla,worddrop,roast:alpha=0.7", out=out, settings="tuned")
    arguments = ["tune", str(suite), "--methods", "worddrop,roast:alpha=0.7", "--trials", "1", "--out", str(out)]
    assert commanded(str(bad.value))[: len(arguments)] == arguments
    tune(suite, out, "worddrop", trials=2)
    with pytest.raises(UsageError, match="numbers of trials differ: vanilla 1 and worddrop 2") as bad:
        benchmark.run(suite, "vanilla,worddrop", out=out, settings="tuned")
    # The command in the message does what it promises.
    done = temper(*commanded(str(bad.value)))
    assert done.returncode == 0, done.stderr
    assert not benchmark.run(suite, "vanilla,worddrop", out=out, settings="tuned").failures
    with pytest.raises(UsageError, match="Leave out --settings tuned"):
        benchmark.run(suite, out=out, settings="tuned", protocol="ece-index-bug")


def test_sanity_checks_are_not_tuned(suite: Path, tmp_path: Path) -> None:
    done = temper("tune", suite, "--methods", "constant,random", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "Sanity checks have nothing to tune: constant, random. Run `temper run " in done.stderr
    assert not (tmp_path / "out").exists()
    done = temper("tune", suite, "--methods", "constant,vanilla", "--trials", "1", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "note: not tuned, since sanity checks have nothing to tune: constant." in done.stderr
    assert [Path(name).parts[-3] for name in files(tmp_path / "out")] == ["vanilla@tuned"]
    # A run with tuned settings accepts the same list.
    assert "--methods constant,vanilla " in done.stderr.partition("Next: ")[2]


def test_a_setting_that_equals_its_default_is_searched_with_a_note(suite: Path, tmp_path: Path) -> None:
    methods = "sam+worddrop:kl_weight=0.01:rho=0.03,roast:variant=paper"
    planned = plan_tuning(load_suite(str(suite)), parse_methods(methods), None, tmp_path, 1)
    assert planned.at_default == ["sam+worddrop: worddrop.kl_weight"]
    assert "worddrop.kl_weight" in planned.studies[0].space
    assert "sam.rho" not in planned.studies[0].space
    done = temper("tune", suite, "--methods", "worddrop:kl_weight=0.01", "--trials", "1", "--out", tmp_path)
    assert "equals its default fixes nothing: worddrop: kl_weight." in " ".join(done.stderr.split())


def test_the_commands(suite: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    done = CliRunner().invoke(app, ["tune", str(suite), "--methods", "vanilla", "--trials", "2", "--out", out])
    assert done.exit_code == 0, done.output
    assert "Ran 2 trials." in done.output
    assert "learning_rate_factor" in done.output
    done = CliRunner().invoke(app, ["tune", str(suite), "--trials", "2", "--out", out, "--jobs", "2"])
    assert "Ran 0 trials." in done.output
    assert done.output.rstrip().endswith(
        f"--settings tuned --seeds {load_suite(str(suite)).minimum_seeds} --jobs 2 --out {out}"
    )


def test_the_next_command_can_be_pasted(suite: Path, tmp_path: Path, fragile: str, tiny_backbone: Path) -> None:
    out, methods = tmp_path / "an out", "vanilla,fragile:strength=0.25"
    backbone = f"other={tiny_backbone}"
    words = ["--methods", methods, "--trials", 1, "--out", out, "--plugin", fragile, "--backbone", backbone]
    done = temper("tune", suite, *words, COLUMNS="40")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Next: ")]
    done = temper(*shlex.split(line.removeprefix("Next: temper ")))
    assert done.returncode == 0, done.stderr
    rows = sorted(path.parent.relative_to(out).as_posix() for path in out.rglob("seed-0.jsonl"))
    name = benchmark.schema.method_slug("fragile", "strength=0.25", tuned=True)
    assert rows == [f"results/tiny@1/{name}/other", "results/tiny@1/vanilla@tuned/other"]


def test_status_and_explain_say_how_far_tuning_is(suite: Path, tmp_path: Path, fragile: str) -> None:
    out, untuned = tmp_path / "out", "fragile,fragile:strength=0.25"
    words = [suite, "--methods", f"vanilla,{untuned},constant", "--out", out]
    assert "Trials done" not in temper("status", *words, "--plugin", fragile).stdout
    with pytest.raises(Killed):
        tune(suite, out, "vanilla,fragile", 4, plugins=[fragile], observer=KillingAt("fragile, trial 3: train"))
    benchmark.run(suite, "vanilla", out=out, settings="tuned")
    forget_plugins()
    words += ["--plugin", fragile]
    rows = [
        "Method                   Trials done  Failed  Begun    Selected",
        "vanilla                            4       0  -        trial 0",
        "fragile                            3       2  trial 3  not yet",
        "fragile (strength=0.25)            0       0  -        not yet",
    ]
    default = temper("status", *words).stdout
    assert default.splitlines()[-4:] == rows
    tuned = temper("status", *words, "--settings", "tuned", "--seeds", 2).stdout
    assert re.search(r"^vanilla \[tuned\], seed 0 +score home +done$", tuned, re.MULTILINE)
    assert re.search(r"^vanilla \[tuned\], seed 1 +train +missing$", tuned, re.MULTILINE)
    assert tuned.splitlines()[-5:-1] == rows
    explained = temper("explain", *words, "--settings", "tuned", "--seeds", 2).stdout
    difference = """vanilla [tuned], seed 1: train: missing.
  The nearest finished stage, of vanilla, seed 0, differs in:
    /seed: requested 1, stored 0
"""
    assert difference in explained
    assert explained.splitlines()[-5:-1] == rows
    assert "Trials done" not in temper("explain", *words).stdout
    for last in (tuned.splitlines()[-1], explained.splitlines()[-1]):
        assert last.startswith("fragile and fragile (strength=0.25) are not tuned yet: ")
        # The command gives the missing trials, no more than the other method has.
        arguments = ["tune", str(suite), "--methods", untuned, "--trials", "4", "--out", str(out)]
        assert commanded(last)[: len(arguments)] == arguments


def test_status_and_explain_of_a_row_whose_trials_all_failed(suite: Path, tmp_path: Path, fragile: str) -> None:
    words = [suite, "--methods", "fragile:strength=2.0", "--out", tmp_path / "out", "--plugin", fragile]
    assert temper("tune", *words, "--trials", 2).returncode == 1
    shown = temper("status", *words, "--settings", "tuned").stdout
    assert re.search(r"^fragile \(strength=2.0\) \[tuned\], seed 0 +trials +all failed$", shown, re.MULTILINE)
    assert shown.splitlines()[-1].split()[-4:] == ["2", "2", "-", "none"]
    assert "seed 0: All 2 trials failed. " in temper("explain", *words, "--settings", "tuned").stdout
