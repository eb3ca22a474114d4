"""Compositions of the papers, trained: each member alone is what is left when the other is switched off."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.training import Backbone, Classifier, TrainingTask
from tests.support.tiny import trainer, weights, without_dropout

Weights = dict[str, torch.Tensor]


def train(method: str, backbone: Path, folder: Path) -> tuple[Weights, Weights]:
    """Weights before and after the ten steps of a run without dropout, so that passes differ by what methods do."""
    made, seen = configure(MethodRequest.parse(method)).make(), []
    build = made.build_model

    def build_model(backbone: Backbone, task: TrainingTask) -> Classifier:
        model = without_dropout(build(backbone, task))
        seen.append(weights(model))
        return model

    made.build_model = build_model  # type: ignore[method-assign]
    run = trainer(made, backbone, folder)
    run.report = lambda _done, _total: seen.append(weights(run.model))
    run.run()
    return seen[0], seen[-1]


def gap(left: Mapping[str, torch.Tensor], right: Mapping[str, torch.Tensor]) -> float:
    return max(float((left[name] - right[name]).abs().max()) for name in left)


def distance(left: Weights, right: Weights, part: str) -> float:
    return sum(float((left[name] - right[name]).square().sum()) for name in left if part in name) ** 0.5


RECADAM, SMART = "recadam.midpoint=5:recadam.pull=100", "smart.kl_weight=50:smart.step_size=0.1:smart.bregman=50"
ROSE, FREELB = "rose-second.upper=0.5", "freelb.start=0.5:freelb.radius=5"


@pytest.mark.parametrize(
    ("both", "without", "alone"),
    [
        # Its sigmoid all the way up and no pull, RecAdam is AdamW; without its terms, SMART is cross-entropy.
        (f"recadam+smart:{RECADAM}:{SMART}", "recadam.rate=1000:recadam.midpoint=0:recadam.pull=0", "smart"),
        (f"recadam+smart:{RECADAM}:{SMART}", "smart.kl_weight=0:smart.bregman=0", "recadam"),
        # With every tensor kept, ROSE is AdamW; one pass at a perturbation of zero is vanilla's.
        (f"rose-second+freelb:{ROSE}:{FREELB}", "rose-second.upper=1", "freelb"),
        (f"rose-second+freelb:{ROSE}:{FREELB}", "freelb.steps=1:freelb.start=0", "rose-second"),
    ],
)
def test_each_member_matters_and_the_other_is_left_without_it(
    both: str, without: str, alone: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    name, *settings = both.split(":")
    switched = dict(pair.split("=") for pair in (*settings, *without.split(":")))
    own = [f"{key.partition('.')[2]}={v}" for key, v in switched.items() if key.startswith(f"{alone}.")]
    _, full = train(both, tiny_backbone, tmp_path / "both")
    _, less = train(":".join([name, *(f"{k}={v}" for k, v in switched.items())]), tiny_backbone, tmp_path / "less")
    _, member = train(":".join([alone, *own]), tiny_backbone, tmp_path / "alone")
    assert gap(less, member) < 1e-6
    assert gap(full, member) > 1e-4
    assert all(value.isfinite().all() for value in full.values())


def test_recadams_pull_holds_the_body_that_smart_alone_lets_go(tiny_backbone: Path, tmp_path: Path) -> None:
    start, both = train(f"recadam+smart:{RECADAM}", tiny_backbone, tmp_path / "both")
    _, smart = train("smart", tiny_backbone, tmp_path / "smart")
    assert distance(both, start, ".layer.") < 0.8 * distance(smart, start, ".layer.")
    assert distance(both, start, "classifier") > 0


def test_a_tensor_that_rose_holds_stays_while_freelb_trains_the_others(tiny_backbone: Path, tmp_path: Path) -> None:
    method = configure(MethodRequest.parse(f"rose-second+freelb:{ROSE}:{FREELB}")).make()
    run = trainer(method, tiny_backbone, tmp_path, epochs=1)
    before: list[Weights] = []
    held: list[set[str]] = []

    def look(done: int, _total: int) -> None:
        after = weights(run.model)
        names = {p: name for name, p in run.model.named_parameters()}
        factors = method._parts["rose-second"]._optimizer.factors
        still = {names[p] for p, factor in factors.items() if factor == 0}
        if before:
            assert all(torch.equal(before[-1][name], after[name]) for name in still)
            assert any(not torch.equal(before[-1][name], after[name]) for name in after)
        before.append(after)
        held.append(still)

    run.report = look
    run.run()
    assert not held[0]
    assert all(held[1:])
    # Two passes an example: it is FreeLB's backward that was masked.
    assert run.model.passes.counts() == {"forward": 80, "backward": 80, "input_backward": 0}
