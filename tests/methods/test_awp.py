"""AWP's step against its equations."""

from pathlib import Path

import pytest
import torch

from benchmark.models.batch import Batch
from benchmark.training import Context
from methods.awp import AWP
from tests.support.steps import Setting, accumulation_gap
from tests.support.updates import (
    PlainAdamW,
    assert_equal,
    batches_of,
    current,
    gradients,
    one_step,
    plain_loss,
    split_and_whole,
    start,
)

GAMMA = 0.2


def test_two_steps(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, AWP(gamma=GAMMA))
    start(s)
    w, adam = current(s), PlainAdamW(current(s))
    for batch in batches_of(s, [6, 6]):
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        uphill = {}
        for name, value in w.items():
            # The released proxy: a gradient ascent step at rate 0.01, its difference rescaled to the tensor's norm.
            diff = 0.01 * g[name]
            moved = GAMMA * value.norm() * diff / (diff.norm() + 1e-20)
            uphill[name] = value + moved if value.dim() >= 2 else value
        want = gradients(lambda v, batch=batch: plain_loss(v, batch), uphill)
        assert_equal(one_step(s, [batch]), want)
        assert s.context.take_loss() == pytest.approx(plain_loss(uphill, batch).item(), rel=1e-9)
        assert max(float((want[n] - g[n]).abs().max()) for n in g) > 1e-4
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)


def test_the_weights_come_back_bit_for_bit(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, AWP(gamma=100.0))
    before = current(s)
    s.run_backward()
    assert all(torch.equal(before[name], value) for name, value in current(s).items())


def test_a_matrix_without_gradient_stays(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, AWP())
    weight = torch.nn.Parameter(torch.ones(2, 2))
    assert torch.equal(s.method.perturbation({weight: torch.zeros(2, 2)})[weight], torch.zeros(2, 2))


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, AWP()).passes() == {"forward": 2, "backward": 2, "input_backward": 0}


def test_accumulating_changes_nothing_since_the_ascent_is_the_windows(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert split_and_whole(lambda: AWP(gamma=GAMMA), tiny_backbone, lambda _s: None) < 1e-9
    assert accumulation_gap(lambda: AWP(gamma=GAMMA), tiny_backbone, tmp_path / "window") < 1e-6
    collect = Context.collect

    def each_alone(ctx: Context, batch: Batch) -> list[Batch]:
        collect(ctx, batch)
        return [batch]

    monkeypatch.setattr(Context, "collect", each_alone)
    assert accumulation_gap(lambda: AWP(gamma=GAMMA), tiny_backbone, tmp_path / "own") > 1e-5
