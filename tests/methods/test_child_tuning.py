"""Child-Tuning's masks and steps against their definitions."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.training import Context
from methods.child_tuning import ChildTuning, keep_largest, thin_gradients
from tests.support.steps import Setting
from tests.support.updates import (
    PlainAdamW,
    assert_equal,
    batches_of,
    current,
    gradients,
    in_blocks,
    one_step,
    plain_loss,
    split_and_whole,
    start,
)

RESERVE = 0.3


def with_fisher_batches(s: Setting, clip: float | None) -> list:
    batches = batches_of(s, [6, 6, 6], seed=2)
    recipe = type(s.context.recipe)(epochs=2, batch_size=6, learning_rate=1e-3, clip=clip)
    s.context = Context(s.model, recipe, 0, 2, lambda _purpose: iter(batches))
    return batches


@pytest.mark.parametrize("clip", [None, 0.1])
def test_mode_d_keeps_the_global_top_of_the_fisher_and_trains_it_alone(tiny_backbone: Path, clip: float | None) -> None:
    s = Setting(tiny_backbone, ChildTuning(mode="D", reserve=RESERVE))
    batches = with_fisher_batches(s, clip)
    w = current(s)
    fisher = {name: np.zeros(tuple(value.shape)) for name, value in w.items() if in_blocks(name)}
    for batch in batches:
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        norm = float(sum((x**2).sum() for x in g.values()).sqrt())
        shrink = 1.0 if clip is None else min(1.0, clip / norm)
        for name in fisher:
            fisher[name] += (g[name].numpy() * shrink) ** 2 / len(batches)
    threshold = np.percentile(np.concatenate([f.ravel() for f in fisher.values()]), (1 - RESERVE) * 100)
    masks = {name: torch.from_numpy(f >= threshold) for name, f in fisher.items()}
    start(s)
    adam = PlainAdamW(w)
    for batch in batches_of(s, [6, 6]):
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        want = {name: x * masks[name] if name in masks else x for name, x in g.items()}
        assert_equal(one_step(s, [batch]), want)
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)
    share = sum(int(m.sum()) for m in masks.values()) / sum(m.numel() for m in masks.values())
    assert share == pytest.approx(RESERVE, abs=1e-3)


def test_mode_f_scales_a_random_share_of_every_gradient_anew_each_step(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, ChildTuning(mode="F", reserve=RESERVE))
    start(s)
    kept = []
    for batch in batches_of(s, [6, 6]):
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), current(s))
        seen = one_step(s, [batch])
        ratios = torch.cat([(seen[n] / g[n])[g[n].abs() > 1e-8].reshape(-1) for n in g])
        assert float(torch.minimum(ratios.abs(), (ratios * RESERVE - 1).abs()).max()) < 1e-4
        kept.append(torch.cat([(x != 0).reshape(-1) for x in seen.values()]))
        assert float((ratios > 0).double().mean()) == pytest.approx(RESERVE, abs=0.02)
    assert not torch.equal(kept[0], kept[1])
    assert any((s.model.get_parameter(name).grad is None) for name in g)


def thinned(keep: float = 0.3) -> list[torch.Tensor]:
    """Gradients of ones after thinning; the first is cut into pieces, the others share one."""
    shapes = [torch.zeros(900, 401), torch.zeros(77_777), torch.zeros(7, 9, 11), torch.zeros(3)]
    parameters = [torch.nn.Parameter(shape) for shape in shapes]
    for parameter in parameters[:3]:
        parameter.grad = torch.ones_like(parameter)
    thin_gradients(parameters, keep, torch.Generator().manual_seed(3))
    assert parameters[3].grad is None
    return [p.grad for p in parameters[:3]]


def test_thinned_gradients_have_their_mean_and_rate_and_repeat() -> None:
    first, again = thinned(), thinned()
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    flat = torch.cat([m.reshape(-1) for m in first]).double()
    n = flat.numel()
    assert abs(float((flat > 0).double().mean()) - 0.3) < 4 * (0.21 / n) ** 0.5
    assert flat.unique().tolist() == pytest.approx([0, 1 / 0.3], rel=1e-4)
    # Draws that share a 64-bit number are independent: neighbours agree as often as chance has it. So do pieces.
    for lag in (1, 2, 3, 4, 2**18):
        both = float(((flat[lag:] > 0) & (flat[:-lag] > 0)).double().mean())
        assert abs(both - 0.09) < 5 * (0.09 / (n - lag)) ** 0.5


@pytest.mark.parametrize(("keep", "multiplier"), [(1e-9, 2**16), (0.999999, 2**16 / (2**16 - 1))])
def test_the_rate_keeps_off_zero_and_one(keep: float, multiplier: float) -> None:
    flat = torch.cat([m.reshape(-1) for m in thinned(keep)])
    assert flat.unique().tolist() == pytest.approx([0, multiplier])


@pytest.mark.parametrize("share", [0.999, 0.5, 0.1, 0.001])
def test_the_kept_share_is_numpys_percentile(share: float) -> None:
    scores = [torch.rand(31, 17, dtype=torch.float64), torch.rand(503, dtype=torch.float64)]
    flat = torch.cat([s.reshape(-1) for s in scores]).numpy()
    threshold = np.percentile(flat, (1 - share) * 100)
    for got, score in zip(keep_largest(scores, share), scores, strict=True):
        assert np.array_equal(got.numpy() == 1, score.numpy() >= threshold)


@pytest.mark.parametrize("mode", ["D", "F"])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, mode: str) -> None:
    s = Setting(tiny_backbone, ChildTuning(mode=mode))
    start(s)
    setup = s.model.passes.counts()
    assert setup == {"forward": 6 * (mode == "D"), "backward": 6 * (mode == "D"), "input_backward": 0}
    assert s.passes() == {"forward": 1, "backward": 1, "input_backward": 0}


@pytest.mark.parametrize("mode", ["D", "F"])
def test_accumulating_changes_nothing(tiny_backbone: Path, mode: str) -> None:
    assert split_and_whole(lambda: ChildTuning(mode=mode), tiny_backbone, lambda _s: None) < 1e-9
