"""Soups: the mean of stored weights, the greedy choice against a plain one, cost, resuming, and what is refused."""

import itertools
import json
import random
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from safetensors.torch import save_file
from typer.testing import CliRunner

import benchmark
from benchmark.cli.app import app
from benchmark.execution.cells import Row, cells_of
from benchmark.execution.packed_rows import PackedRows
from benchmark.execution.plan import Plan, parse_methods, plan
from benchmark.execution.runner import Quiet, Runner
from benchmark.execution.trackers import RowTracker, TrackedRun
from benchmark.schema import IntegrityError, UsageError, read_records, read_results
from benchmark.schema.trial import read_trials, trial_line
from benchmark.submission.build import build
from benchmark.submission.model_card import write_model
from benchmark.submission.read import read_submission
from benchmark.submission.rerun import rerun
from benchmark.submission.verify import Verification
from benchmark.suites import load_suite
from benchmark.testing.subject import Killed
from benchmark.training import MethodError
from benchmark.training.trial_average import average_models
from benchmark.tuning.study import plan_tuning
from leaderboard import load_board
from methods.soup import Soup
from tests.support.plugins import forget_plugins
from tests.support.tiny_suite import write_tiny_suite

BOTH = ["soup", "soup:kind=uniform"]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    return write_tiny_suite(tmp_path_factory.mktemp("suite"), tiny_backbone)


@pytest.fixture(scope="module")
def cooked(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with two trials of vanilla, and both soups with two seeds, which no test changes."""
    out = tmp_path_factory.mktemp("cooked")
    tune(suite, out)
    report = benchmark.run(suite, BOTH, out=out, seeds=2)
    assert not report.failures
    # Two trials with each of two seeds, shared by both soups, and the four soups.
    assert len(list((out / "store/train").glob("*/receipt.json"))) == 8
    return out


@pytest.fixture()
def tuned(cooked: Path, tmp_path: Path) -> Path:
    """A copy of the folder with its trials and without soups."""
    out = shutil.copytree(cooked, tmp_path / "out")
    for path in (out / "results/tiny@1").glob("soup*"):
        shutil.rmtree(path)
    for path in soups(out):
        shutil.rmtree(path)
    return out


def tune(suite: Path, out: Path, methods: str = "vanilla", plugins: Iterable[str] = ()) -> None:
    plan_tuning(load_suite(str(suite)), parse_methods(methods, plugins), None, out, 2).execute()


def planned(suite: Path, out: Path, methods: object = "soup", seeds: int = 1, **options: str) -> Plan:
    return plan(load_suite(str(suite)), parse_methods(methods), seeds, None, out, **{"protocol": "", **options})  # type: ignore[arg-type]


def soups(out: Path) -> list[Path]:
    specs = (out / "store/train").glob("*/spec.json")
    return [path.parent for path in specs if json.loads(path.read_text())["method"]["name"] == "soup"]


def trained(made: Plan, row: Row) -> tuple[Path, list[Path]]:
    """The folders of a soup and of its ingredients, from the store."""
    cells = [cell for cell in cells_of(row, made.work, made.store) if cell.kind == "train"]
    first, *others = [made.store.folder("train", cell.key or "") for cell in cells]
    return first, others


def outcome(folder: Path) -> dict:
    return json.loads((folder / "training.json").read_text())


# -- the arithmetic ---------------------------------------------------------------------------------------------


def saved_model(folder: Path, seed: int, *, width: int = 4, config: str = "{}", number: int = 7) -> Path:
    folder.mkdir()
    generator = torch.Generator().manual_seed(seed)
    half = torch.randn(3, generator=generator).bfloat16()
    tensors = {"a": torch.randn(5, width, generator=generator), "half": half, "n": torch.tensor([number])}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(config)
    return folder


def test_an_average_is_the_mean_in_float64_rounded_once(tmp_path: Path) -> None:
    folders = [saved_model(tmp_path / str(seed), seed) for seed in range(7)]
    average_models(folders, tmp_path / "mean")
    average_models(folders, tmp_path / "mean")
    with safe_open(tmp_path / "mean/model.safetensors", framework="pt") as mean:
        assert mean.metadata() == {"format": "pt"}
        for name in ("a", "half"):
            parts = [safe_open(f / "model.safetensors", framework="pt").get_tensor(name).double() for f in folders]
            want = sum(part.numpy() for part in parts) / 7
            kind = parts and mean.get_tensor(name).dtype
            assert torch.equal(mean.get_tensor(name), torch.from_numpy(want).to(kind))
            # In the type of the weights, sums would round and differ.
            summed = sum(part.to(kind) for part in parts) / 7
            assert not torch.equal(mean.get_tensor(name), summed)
        assert mean.get_tensor("n").tolist() == [7]
    assert (tmp_path / "mean/config.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"width": 3}, "the models differ in the shape or type of a"),
        ({"config": "{ }"}, "the models differ in config.json"),
        ({"number": 8}, "n holds integers that differ"),
    ],
)
def test_models_that_do_not_fit_are_refused(tmp_path: Path, change: dict, sentence: str) -> None:
    folders = [saved_model(tmp_path / "a", 0), saved_model(tmp_path / "b", 1, **change)]
    with pytest.raises(MethodError, match=sentence):
        average_models(folders, tmp_path / "mean")
    (tmp_path / "b/more.txt").write_text("")
    with pytest.raises(MethodError, match=r"the models differ in more\.txt"):
        average_models(folders, tmp_path / "mean")


# -- the choice -------------------------------------------------------------------------------------------------


def recipe_1(table: dict[frozenset[int], int], count: int, *, released: bool = False) -> list[int]:
    """Recipe 1 of the paper, in which every step looks at the ingredients anew; the released code has > for >=."""
    ranked = [place for _, place in sorted((-table[frozenset({p})], p) for p in range(count))]
    ingredients: set[int] = set()
    while ranked:
        candidate = ranked.pop(0)
        before = table[frozenset(ingredients)] if ingredients else -1
        after = table[frozenset(ingredients | {candidate})]
        if after > before if released else after >= before:
            ingredients |= {candidate}
    return sorted(ingredients)


def test_greedy_is_recipe_1_on_any_accuracies() -> None:
    rng, sizes, differing = random.Random(0), set(), 0
    for count in (1, 2, 3, 5, 6):
        for _ in range(60):
            subsets = itertools.chain.from_iterable(
                itertools.combinations(range(count), n) for n in range(1, count + 1)
            )
            # Few different values, so that ties decide often.
            table = {frozenset(subset): rng.randrange(4) for subset in subsets}
            judge = lambda places, table=table: table[frozenset(places)]  # noqa: E731
            chosen = list(Soup().choose(count, judge))
            assert chosen == recipe_1(table, count)
            strict = list(Soup(variant="released").choose(count, judge))
            assert strict == recipe_1(table, count, released=True)
            differing += strict != chosen
            sizes.add(len(chosen))
    assert sizes >= {1, 2, 3, 4}
    assert differing > 20


def test_uniform_asks_nobody_and_takes_all() -> None:
    assert list(Soup(kind="uniform").choose(4, lambda places: 1 // 0)) == [0, 1, 2, 3]


# -- from trials to records -------------------------------------------------------------------------------------


def test_a_uniform_soup_is_the_mean_of_the_two_stored_models(suite: Path, cooked: Path) -> None:
    made = planned(suite, cooked, BOTH, seeds=2)
    hashes = set()
    for row in (row for row in made.rows if row.method.configuration):
        soup, (first, second) = trained(made, row)
        ours, one, two = (load_file(folder / "model/model.safetensors") for folder in (soup, first, second))
        assert ours.keys() == one.keys() == two.keys()
        for name, value in ours.items():
            want = (one[name].astype(np.float64) + two[name].astype(np.float64)) / 2
            assert (value == want.astype(value.dtype)).all()
        assert any((one[name] != two[name]).any() for name in ours)
        assert outcome(soup)["ingredients"] == [0, 1]
        reads = json.loads((soup / "spec.json").read_text())["method"]["reads"]
        assert sorted(reads) == ["trial-0", "trial-1"]
        hashes |= set(reads.values())
    assert len(hashes) == 4


def test_the_ingredients_of_a_seed_start_from_the_same_weights(suite: Path, cooked: Path) -> None:
    from benchmark.training.loop import Trainer
    from tests.support.tiny import weights

    made = planned(suite, cooked)
    starts = []
    for number, row in enumerate(made.rows[0].ingredients):
        task, recipe = made.work.suite.training, row.recipe(made.work.suite.recipe)
        splits, folder = made.work.splits, cooked / f"start-{number}"
        starts.append(
            weights(
                Trainer(
                    method=row.method.make(), backbone=row.backbone, task=task, recipe=recipe, train=splits.train,
                    validation=splits.validation, seed=row.seed, folder=folder,
                ).model
            )
        )  # fmt: skip
        shutil.rmtree(folder)
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    assert made.rows[0].ingredients[0].learning_rate_factor != made.rows[0].ingredients[1].learning_rate_factor


def test_greedy_chose_by_the_accuracies_that_are_stored(suite: Path, cooked: Path) -> None:
    made = planned(suite, cooked, seeds=2)
    for row in made.rows:
        soup, parts = trained(made, row)
        lines = [json.loads(line) for line in (soup / "averages.jsonl").read_text().splitlines()]
        table = {frozenset(line["trials"]): line["correct"] for line in lines}
        assert outcome(soup)["ingredients"] == recipe_1(table, len(parts))
        if row.seed == 0:
            # Tuning counted the same answers on the same validation part.
            (path,) = (cooked / "results/tiny@1/vanilla@tuned").rglob("trials.jsonl")
            known = {t["trial"]: t["validation"]["correct"] for t in read_trials(path)}
            assert {n: table[frozenset({n})] for n in known} == known


def test_records_state_trials_and_the_cost_of_all_of_them(suite: Path, cooked: Path) -> None:
    made = planned(suite, cooked, BOTH, seeds=2)
    (trials,) = (cooked / "results/tiny@1/vanilla@tuned").rglob("trials.jsonl")
    for row in made.rows:
        soup, parts = trained(made, row)
        slug = "soup@tuned" + ("~kind=uniform" if row.method.configuration else "")
        folder = next((cooked / "results/tiny@1" / slug).rglob("trials.jsonl")).parent
        assert (folder / "trials.jsonl").read_bytes() == trials.read_bytes()
        spent = [outcome(part)["cost"] for part in parts]
        for record in read_records(folder / f"seed-{row.seed}.jsonl"):
            tuning = record["tuning"]
            assert (tuning["count"], tuning["trial"], tuning["learning_rate_factor"]) == (2, None, None)
            assert tuning["ingredients"] == outcome(soup)["ingredients"]
            assert record["cost"] == {kind: sum(one[kind] for one in spent) for kind in record["cost"]}
            assert record["cost"]["forward"] == 2 * spent[0]["forward"] > 0
    read_results(cooked / "results")


def test_a_finished_soup_is_not_computed_again_and_has_a_row_next_to_tuned_ones(
    suite: Path, cooked: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(cooked, tmp_path / "out")
    assert benchmark.run(suite, BOTH, out=out, seeds=2).computed == 0
    assert not benchmark.run(suite, ["vanilla", *BOTH], out=out, seeds=2, settings="tuned").failures
    board = load_board(out / "results")
    (section,) = board.sections
    rows = {(row.method, row.configuration): row for row in section.rows}
    assert set(rows) == {("vanilla", ""), ("soup", ""), ("soup", "kind=uniform")}
    assert "averages the weights of trials of vanilla, of which there are 2" in str(rows["soup", ""])
    assert not rows["soup", ""].tuning_steps
    assert rows["vanilla", ""].tuning_steps


class KillingIn(Quiet):
    """Kill the process in the n-th call of a soup's training."""

    def __init__(self, call: int) -> None:
        self.call, self.label = call, ""

    def begin(self, label: str) -> None:
        self.label = label

    def advance(self, done: int, total: int) -> None:
        if self.label == "soup [tuned], seed 0: train":
            self.call -= 1
            if not self.call:
                raise Killed


@pytest.mark.parametrize("call", [1, 3])
def test_a_killed_soup_resumes_to_the_same_bytes(suite: Path, cooked: Path, tuned: Path, call: int) -> None:
    with pytest.raises(Killed):
        planned(suite, tuned).execute(KillingIn(call))
    assert not soups(tuned)
    assert not list(tuned.rglob("soup@tuned/*/*"))
    planned(suite, tuned).execute(Quiet())
    (again,) = soups(tuned)
    files = [path.relative_to(again) for path in again.rglob("*") if path.is_file()]
    whole = cooked / "store/train" / again.name
    assert all((again / path).read_bytes() == (whole / path).read_bytes() for path in files)
    ours, theirs = (next((out / "results/tiny@1/soup@tuned").rglob("seed-0.jsonl")) for out in (tuned, cooked))
    assert ours.read_bytes() == theirs.read_bytes()


def test_a_missing_ingredient_is_trained_again_first(suite: Path, tuned: Path) -> None:
    made = planned(suite, tuned)
    train, *others = [cell for cell in cells_of(made.rows[0], made.work, made.store) if cell.kind == "train"]
    shutil.rmtree(made.store.folder("train", others[1].key or ""))
    made = planned(suite, tuned)
    train, *_ = cells_of(made.rows[0], made.work, made.store)
    assert train.key is None
    assert not made.execute(Quiet()).failures
    assert len(soups(tuned)) == 1


def test_another_process_gets_the_ingredients_too(suite: Path, tuned: Path) -> None:
    made = planned(suite, tuned)
    assert PackedRows.of(made.rows, Runner(made.work, made.store, Quiet())).unpack()[0] == made.rows


def test_a_submission_is_verified_and_trained_again(suite: Path, cooked: Path, tmp_path: Path) -> None:
    made = planned(suite, cooked, "soup", seeds=2)
    folder = build(made.rows, made.work, made.store, made.results, tmp_path / "submissions").folder
    submission = read_submission(folder)
    (tmp_path / "scratch").mkdir()
    checks = Verification(submission, made.work, tmp_path / "scratch").checks()
    problems = [problem for _, problems in checks for problem in problems]
    assert problems == []
    write_model(planned(suite, cooked, "soup:kind=uniform"), tmp_path / "model", None)
    card = (tmp_path / "model/README.md").read_text()
    assert "average of the weights of trials 0, 1" in card
    assert "Learning rate" not in card
    assert all(one.submitted == one.again for one in rerun(submission, made.work, 1, tmp_path / "again", Quiet()))
    for located in submission.results.records:
        del located.record["tuning"]
    submission.results.attachments.trials.clear()
    with pytest.raises(IntegrityError, match="soup averages trials, and the submission has none"):
        rerun(submission, made.work, 1, tmp_path / "without", Quiet())


def test_each_training_of_a_row_has_a_run_of_its_own_in_a_tracker() -> None:
    calls: list[object] = []

    class Recording:
        errors = ()

        def open(self, run: TrackedRun) -> None:
            calls.append(f"open {run.id}")

        def log(self, points: list) -> None:
            calls.append(points)

        def score(self, scores: dict) -> None:
            calls.append(scores)

        def close(self, *, failed: bool) -> None:
            calls.append(f"close {failed}")

    rows = RowTracker(Recording(), calls.append)  # type: ignore[arg-type]
    for name in ("a", "b"):
        for step in (1, 2):
            rows.add(step, {})
            rows.send(TrackedRun(name, name, {}, {}))
    rows.score(TrackedRun("soup", "soup", {}, {}), {"x": 1.0})
    rows.end(failed=True)
    assert calls == [
        "open a", [(1, {})], [(2, {})], "close False", "open b", [(1, {})], [(2, {})], "close False",
        "open soup", {"x": 1.0}, "close True",
    ]  # fmt: skip


# -- what is refused --------------------------------------------------------------------------------------------


def test_without_trials_the_command_that_makes_them_is_named(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"soup is not tuned yet: .*vanilla@tuned.* is missing. Run `temper tune .*soup"
    ):
        planned(suite, tmp_path)
    told = CliRunner().invoke(app, ["explain", str(suite), "--methods", "soup", "--out", str(tmp_path)])
    assert "soup is not tuned yet" in told.output
    tune(suite, tmp_path, "soup,vanilla")
    assert [path.parts[-3] for path in tmp_path.rglob("results/**/trials.jsonl")] == ["vanilla@tuned"]
    assert len(planned(suite, tmp_path).rows[0].ingredients) == 2


def change_trials(out: Path, change) -> None:
    (path,) = (out / "results/tiny@1/vanilla@tuned").rglob("trials.jsonl")
    trials = read_trials(path)
    for trial in trials:
        change(trial)
    path.write_text("".join(map(trial_line, trials)))


def fail(trial: dict) -> None:
    trial.update(status="failed", reason="The loss is nan.", validation=None, typos=None, cost=None)


def test_trials_of_another_backbone_are_refused(suite: Path, tuned: Path) -> None:
    change_trials(tuned, lambda trial: trial["backbone"].update(revision="sha256:" + "0" * 64))
    with pytest.raises(UsageError, match=r"the trials are of another backbone. Run `temper tune .*soup.*` again"):
        planned(suite, tuned)


def test_a_failed_trial_is_left_out_and_all_failed_trials_make_a_failed_row(suite: Path, tuned: Path) -> None:
    change_trials(tuned, lambda trial: fail(trial) if trial["trial"] == 0 else None)
    made = planned(suite, tuned)
    assert [one.trial for one in made.rows[0].ingredients] == [1]
    assert not made.execute(Quiet()).failures
    (file,) = (tuned / "results/tiny@1/soup@tuned").rglob("seed-0.jsonl")
    assert read_records(file)[0]["tuning"]["ingredients"] == [1]
    read_results(tuned / "results")

    change_trials(tuned, fail)
    report = planned(suite, tuned).execute(Quiet())
    assert report.failures == ["All 2 trials failed. The loss is nan."]
    record = read_records(file)[0]
    assert (record["status"], record["tuning"]["ingredients"]) == ("failed", [])
    read_results(tuned / "results")


def test_records_with_other_ingredients_than_the_trials_give_are_refused(
    suite: Path, cooked: Path, tmp_path: Path
) -> None:
    results = shutil.copytree(cooked / "results", tmp_path / "results")
    (file,) = (results / "tiny@1/soup@tuned").rglob("seed-0.jsonl")
    whole = file.read_text()
    for change, sentence in (
        ({"ingredients": [0, 5]}, r"/tuning/ingredients: is \[0, 5\]; name trials that did not fail, \[0, 1\]"),
        ({"ingredients": [0], "trial": 0, "learning_rate_factor": 1.0}, "is given although a trial is selected"),
    ):
        lines = [json.loads(line) for line in whole.splitlines()]
        for line in lines:
            line["tuning"].update(change)
        from benchmark.schema import canonical_json

        file.write_text("".join(canonical_json(line) + "\n" for line in lines))
        with pytest.raises(Exception, match=sentence):
            read_results(results)
    file.write_text(whole.replace('"of":"vanilla"', '"of":"roast"'))
    with pytest.raises(Exception, match="of: is roast; the trials next to the record are of vanilla"):
        read_results(results)


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("soup:of=vanila", r"soup:of=vanila: There is no method 'vanila'. Did you mean 'vanilla'"),
        ("soup:of=constant", r"soup:of=constant: constant has no trials to average"),
        ("soup:of=soup", r"soup:of=soup: soup has no trials to average"),
        ("sam+soup", r"sam\+soup cannot be composed: soup averages the trials of a method. Write soup:of=sam"),
        ("soup:kind=best", "kind must be 'greedy' or 'uniform'"),
    ],
)
def test_what_cannot_be_averaged_is_refused(suite: Path, tmp_path: Path, method: str, sentence: str) -> None:
    for make in (planned, tune):
        with pytest.raises(UsageError, match=sentence):
            make(suite, tmp_path, method)


def test_options_of_released_code_are_refused(suite: Path, cooked: Path) -> None:
    with pytest.raises(UsageError, match=r"--protocol reproduces papers' code with their settings. Leave out soup"):
        planned(suite, cooked, protocol="ece-index-bug")


def test_nothing_is_trained_or_checked_without_trials(tiny_backbone: Path, tmp_path: Path) -> None:
    from benchmark.authoring.method_check import check_method
    from tests.support.tiny import trainer

    with pytest.raises(MethodError, match=r"soup trains no model; it averages the trials of vanilla. Run `temper tune"):
        trainer(Soup(), tiny_backbone, tmp_path)
    with pytest.raises(UsageError, match="soup averages models that tuning trained, so the checks of methods do not"):
        list(check_method("soup"))


def teardown_module() -> None:
    forget_plugins()


def test_all_methods_are_those_that_train() -> None:
    names = {request.name for request in parse_methods("all")}
    assert "soup" not in names
    assert {"vanilla", "roast"} <= names
