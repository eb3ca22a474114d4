"""The sanity checks: what each learns, and that their rows go through the whole benchmark without being ranked."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark
import leaderboard
from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.plan import parse_methods
from benchmark.models.inference import predict_logits
from benchmark.schema import SANITY_CHECKS, UsageError
from benchmark.testing.tiny import trainer
from methods.sanity import BagOfWords, Constant, Random, ShuffledLabels
from tests.support.needs import ATTACK, missing
from tests.support.tiny import sentences
from tests.support.tiny_suite import CHECK, write_tiny_suite

TEXTS = [(text,) for text, _ in sentences(20, seed=9)]
LABELS = [label for _, label in sentences(20, seed=9)]


def trained(method, backbone, folder, seed=0):
    model, position = trainer(method, backbone, folder, seed).run()
    return predict_logits(model, TEXTS), position


@pytest.mark.parametrize("cls", [Constant, Random, BagOfWords])
def test_a_model_without_parameters_is_fitted_without_a_pass_and_again_alike(cls, tiny_backbone, tmp_path):
    logits, position = trained(cls(), tiny_backbone, tmp_path / "one")
    again, _ = trained(cls(), tiny_backbone, tmp_path / "one")
    other, _ = trained(cls(), tiny_backbone, tmp_path / "other", seed=1)
    assert np.array_equal(logits, again)
    assert np.array_equal(logits, other) == (cls is not Random)
    assert (position.step, position.log, set(position.passes.values())) == (0, [], {0})


def test_a_bag_of_words_learns_what_one_word_says(tiny_backbone, tmp_path):
    logits, position = trained(BagOfWords(), tiny_backbone, tmp_path)
    # A few of the words are not in the 40 training texts.
    assert (logits.argmax(axis=1) == LABELS).mean() >= 0.8
    assert position.best_accuracy >= 0.8


def test_labels_are_shuffled_once_and_with_their_examples(tiny_backbone, tmp_path):
    """Each example has one label in all epochs, also in a new process; the classes keep their sizes."""

    def seen(seed, folder, epochs=(0, 1)):
        run = trainer(ShuffledLabels(), tiny_backbone, tmp_path / folder, seed)
        labels = {}
        for epoch in epochs:
            for rows in (rows for window in run._data.windows(epoch) for rows in window):
                batch = run._hooks.transform_batch(run._data.batch(rows), run.context)
                for row, label in zip(rows, batch.labels.tolist(), strict=True):
                    assert labels.setdefault(row, label) == label
        return [labels[row] for row in range(len(labels))], [e.label for e in run.train.examples]

    shuffled, true = seen(0, "one")
    assert sorted(shuffled) == sorted(true)
    assert 10 <= sum(a == b for a, b in zip(shuffled, true, strict=True)) <= 30
    assert seen(0, "two", epochs=(1,))[0] == shuffled != seen(1, "three")[0]


def test_shuffled_labels_train_as_vanilla_does(tiny_backbone, tmp_path):
    """With the labels that vanilla sees in place of the shuffled ones, the weights are vanilla's."""
    method = ShuffledLabels()
    run = trainer(method, tiny_backbone, tmp_path / "shuffled")
    method._shuffled = torch.tensor([e.label for e in run.train.examples])
    model, position = run.run()
    other, expected = trainer(registered()["vanilla"].load()(), tiny_backbone, tmp_path / "vanilla").run()
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())
    assert position.passes == expected.passes


def test_sanity_checks_are_asked_for_by_name_and_are_not_among_all_methods():
    names = [request.name for request in parse_methods("vanilla, sanity")]
    assert names == ["vanilla", *sorted(SANITY_CHECKS)]
    assert not {request.name for request in parse_methods("all")} & set(SANITY_CHECKS)
    assert [configure(request).name for request in parse_methods("random,constant")] == ["random", "constant"]


def test_sanity_checks_do_not_compose():
    with pytest.raises(UsageError, match="composes the sanity check shuffled-labels"):
        MethodRequest.parse("roast+shuffled-labels").require_known()


@pytest.fixture(name="results", scope="module")
def _results(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """Records of vanilla, another method and the sanity checks on a ranked suite that vanilla can learn."""
    folder = tmp_path_factory.mktemp("sanity")
    suite = write_tiny_suite(folder, tiny_backbone)
    text = suite.read_text()
    for old, new in (
        ("epochs = 2", "epochs = 12"),
        ("learning_rate = 1e-3", "learning_rate = 3e-3"),
        ("ranked = false", "ranked = true"),
        ("train_limit = 60", "train_limit = 60, train_rows = 60"),
        ("validation_limit = 16", "validation_limit = 16, validation_rows = 16"),
    ):
        text = text.replace(old, new)
    suite.write_text(text)
    report = benchmark.run(suite, "vanilla,worddrop,sanity", seeds=3, out=folder / "out")
    assert report.failures == []
    return folder / "out/results"


def records(results: Path, method: str) -> list[dict]:
    lines = [file.read_text().splitlines() for file in sorted(results.glob(f"*/{method}/*/seed-*.jsonl"))]
    return [json.loads(line) for own in lines for line in own]


@pytest.fixture(name="attacked", scope="module")
def _attacked(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Path:
    """Records of the sanity checks on a suite with a gradient-masking check, and with an attack where that can run."""
    folder = tmp_path_factory.mktemp("attacked")
    suite = write_tiny_suite(folder, tiny_backbone, attack=not missing(*ATTACK))
    suite.write_text(suite.read_text() + CHECK)
    report = benchmark.run(suite, "sanity", out=folder / "out")
    assert report.failures == []
    return folder / "out/results"


@pytest.mark.parametrize("method", SANITY_CHECKS)
def test_every_value_is_recorded_but_that_of_input_gradients(attacked: Path, method: str):
    missing = {
        (r["task"]["id"], r["metric"]["id"]): r["reason"] for r in records(attacked, method) if r["value"] is None
    }
    gradients = missing.pop(("known", "zero_gradient_share"), None)
    assert gradients == (
        None if method == "shuffled-labels" else "The model has no embeddings, so it has no input gradients."
    )
    # Nothing but what an attack cannot say of texts that it never or always flips.
    assert {task for task, _ in missing} <= {"textfooler"}
    assert {r["status"] for r in records(attacked, method) if r["value"] is None} <= {"unavailable"}


def test_trivial_classifiers_are_as_good_as_chance(results: Path):
    def accuracy(method, task):
        found = [r for r in records(results, method) if r["task"]["id"] == task]
        return {r["value"] for r in found if r["metric"]["id"] == "accuracy"}

    assert accuracy("constant", "away") == accuracy("constant", "home") == {0.5}
    assert max(accuracy("random", "away")) < min(accuracy("vanilla", "away"))
    assert accuracy("bag-of-words", "away") == {1.0}


def test_sanity_checks_are_shown_apart_and_never_compared(results: Path, tmp_path: Path):
    (section,) = leaderboard.load_board(results).sections
    rows = {row.method: row for row in section.rows}
    assert {name for name, row in rows.items() if row.group == "sanity"} == set(SANITY_CHECKS)
    for name in SANITY_CHECKS:
        assert (rows[name].rank, rows[name].p, rows[name].overall.star) == ("", "", False)
        assert name not in section.finding
    without = tmp_path / "results"
    for file in (f for f in results.rglob("*") if f.is_file() and not set(f.parts) & set(SANITY_CHECKS)):
        copy = without / file.relative_to(results)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    (alone,) = leaderboard.load_board(without).sections
    assert alone.rows == tuple(row for row in section.rows if row.group != "sanity")
    assert (alone.finding, alone.rule, alone.ranked) == (section.finding, section.rule, True)


def test_trivial_classifiers_gain_in_no_accuracy(results: Path):
    """What a constant and a coin answer is nowhere significantly better than vanilla's answers."""
    data = leaderboard.load_results(results)
    clean = data[(data["metric"] == "accuracy") & data["task"].isin(["home", "away"])]
    means = clean.groupby(["method", "task"])["value"].mean().unstack()
    assert (means.loc[["constant", "random"]] < means.loc["vanilla"]).to_numpy().all()
