"""EMA and SWA: the average against its equation, and training that it does not change."""

from pathlib import Path

import pytest
import torch

from benchmark.training import Method
from methods.weight_averages import EMA, SWA
from tests.support.steps import Setting
from tests.support.updates import (
    Gradients,
    PlainAdamW,
    assert_equal,
    batches_of,
    current,
    gradients,
    one_step,
    plain_loss,
    start,
)


def trajectory(s: Setting, steps: int) -> list[Gradients]:
    """Take steps as the method does, check that they are AdamW's, and return the weights from the start on."""
    start(s)
    s.context.steps = steps
    visited = [current(s)]
    w, adam = current(s), PlainAdamW(current(s))
    for batch in batches_of(s, [6] * steps):
        want = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        one_step(s, [batch])
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)
        visited.append(current(s))
    return visited


@pytest.mark.parametrize("decay", [0.6, 0.99])
def test_the_moving_average_follows_its_equation(tiny_backbone: Path, decay: float) -> None:
    s = Setting(tiny_backbone, EMA(decay=decay))
    first, *later = trajectory(s, 4)
    want = first
    for step, w in enumerate(later, start=1):
        share = min(decay, 1 - 1 / (step + 1))
        want = {name: share * want[name] + (1 - share) * w[name] for name in w}
    got = s.method.evaluation_weights(s.context)
    assert got.keys() == want.keys()
    assert_equal(got, want)
    if decay == 0.99:
        # Before the decay matters, the average is the plain mean of all weights, those at the start among them.
        assert_equal(got, {name: sum(w[name] for w in (first, *later)) / 5 for name in first})
    assert any(not torch.allclose(got[name], later[-1][name], atol=1e-5) for name in got)


def test_the_mean_is_over_the_steps_of_the_last_part(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SWA(start=0.5))
    weights = trajectory(s, 4)
    want = {name: (weights[3][name] + weights[4][name]) / 2 for name in weights[0]}
    assert_equal(s.method.evaluation_weights(s.context), want)


def test_there_is_no_mean_before_its_first_step(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SWA(start=0.5))
    start(s)
    s.context.steps = 4
    for batch in batches_of(s, [6, 6]):
        one_step(s, [batch])
    assert s.method.evaluation_weights(s.context) == {}


@pytest.mark.parametrize("method", [EMA, SWA])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, method: type[Method]) -> None:
    assert Setting(tiny_backbone, method()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}
