"""The timing of training steps runs for every method; no time is asserted."""

from pathlib import Path

import pytest
import torch

from benchmark.execution.costs import Cost, Costs
from benchmark.execution.plan import parse_methods
from benchmark.models.backbones import Backbone
from tests.performance import training_step
from tests.performance.stepping import Shape, Stepper, random_backbone
from tests.performance.training_step import VARIANTS, Timing, keep, measure

TINY = Shape(batch=4, length=32)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return random_backbone(tmp_path_factory.mktemp("tiny-roberta"), *training_step.RANDOM["roberta-tiny-random"])


def test_a_step_has_the_length_the_labels_and_the_update_of_a_real_one(backbone: Backbone) -> None:
    stepper = Stepper("vanilla", backbone, TINY)
    assert stepper.batch.tokens["input_ids"].shape == (4, 32)
    assert int(stepper.batch.attention_mask.sum()) == 4 * 32
    assert set(stepper.batch.targets().tolist()) == {0, 1}
    before = stepper.parameters[0].detach().clone()
    assert stepper.passes() == {"forward": 1, "backward": 1, "input_backward": 0}
    assert not torch.equal(stepper.parameters[0], before)
    assert stepper.parameters[0].grad is None


def test_words_have_substitutes_and_prompts_have_label_words(backbone: Backbone) -> None:
    assert Stepper("mvp", backbone, TINY).passes() == {"forward": 4, "backward": 4, "input_backward": 0}
    attacked = Stepper("ascc", backbone, TINY)
    attacked.step()
    assert int((attacked.method._substitutes.of(attacked.batch) >= 0).any(-1).sum()) > 10


def test_vanillas_floor_is_its_own_cost(backbone: Backbone) -> None:
    shown = []
    found, price = measure(["vanilla"], backbone, TINY, rounds=1, show=lambda *line: shown.append(line))
    timing = found["vanilla"]
    assert price.keys() == {"forward", "backward", "input_backward", "update"}
    assert timing.floor == 1.0
    assert timing.excess == timing.ratio > 0
    assert shown == [("vanilla", timing)]


def test_only_counted_methods_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nothing = {"forward": 0.0, "backward": 0.0, "input_backward": 0.0}
    costs = Costs(tmp_path, {"sam": Cost(nothing, nothing)})
    monkeypatch.setattr(Costs, "for_method", classmethod(lambda cls, point: costs))
    timing = Timing(1.2345, 1.1, 1.12)
    keep({"sam": timing, "awp": timing, "child_tuning:mode=F": timing}, "here")
    assert {name: (cost.measured, cost.setting) for name, cost in costs.methods.items()} == {"sam": (1.23, "here")}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_method_can_be_timed(backbone: Backbone, precision: str) -> None:
    names = [*(request.name for request in parse_methods("all")), *VARIANTS]
    found, _ = measure(names, backbone, Shape(4, 16, precision=precision), rounds=1)
    assert list(found) == names
