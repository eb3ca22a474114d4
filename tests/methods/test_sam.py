"""SAM's step against its equations."""

from pathlib import Path

import pytest
import torch

from benchmark.models.batch import Batch
from benchmark.training import Context
from methods.sam import SAM
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

RHO = 0.3


@pytest.mark.parametrize("adaptive", [False, True])
def test_two_steps(tiny_backbone: Path, adaptive: bool) -> None:
    s = Setting(tiny_backbone, SAM(rho=RHO, adaptive=adaptive))
    start(s)
    w, adam = current(s), PlainAdamW(current(s))
    for batch in batches_of(s, [6, 6]):
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        scaled = {n: g[n] * w[n].abs() if adaptive else g[n] for n in g}
        norm = sum((x**2).sum() for x in scaled.values()).sqrt() + 1e-12
        uphill = {n: w[n] + RHO * (scaled[n] * w[n].abs() if adaptive else g[n]) / norm for n in g}
        want = gradients(lambda v, batch=batch: plain_loss(v, batch), uphill)
        assert_equal(one_step(s, [batch]), want)
        assert s.context.take_loss() == pytest.approx(plain_loss(uphill, batch).item(), rel=1e-9)
        assert max(float((want[n] - g[n]).abs().max()) for n in g) > 1e-4  # the move matters
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)


def test_the_weights_come_back_bit_for_bit(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SAM(rho=1e3))
    before = current(s)
    s.run_backward()
    assert all(torch.equal(before[name], value) for name, value in current(s).items())


def test_both_passes_draw_the_same_dropout_and_micro_batches_their_own(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SAM(rho=1e-12))
    s.model.network.dropout = torch.nn.Dropout(0.5)
    losses: list[float] = []
    compute = s.method.loss
    s.method.loss = lambda *a: (losses.append(compute(*a).item()), compute(*a))[1]  # type: ignore[method-assign]
    start(s)
    one_step(s, [s.batch, s.batch])
    assert losses[:2] == pytest.approx(losses[2:], rel=1e-9)
    assert abs(losses[0] - losses[1]) > 1e-4


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, SAM()).passes() == {"forward": 2, "backward": 2, "input_backward": 0}


def test_accumulating_changes_nothing_since_the_ascent_is_the_windows(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert split_and_whole(lambda: SAM(rho=RHO), tiny_backbone, lambda _s: None) < 1e-9
    assert accumulation_gap(lambda: SAM(rho=RHO), tiny_backbone, tmp_path / "window") < 1e-6
    # An ascent of its own for each micro-batch would be another method.
    collect = Context.collect

    def each_alone(ctx: Context, batch: Batch) -> list[Batch]:
        collect(ctx, batch)
        return [batch]

    monkeypatch.setattr(Context, "collect", each_alone)
    assert accumulation_gap(lambda: SAM(rho=RHO), tiny_backbone, tmp_path / "own") > 1e-5
