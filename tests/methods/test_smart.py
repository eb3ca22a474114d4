"""SMART's step and its slow copy against their equations."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.smart import SMART
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, accumulation_gap, check_step

# A noise, a step and a ball large enough that each shows in the loss.
LARGE = {"kl_weight": 0.7, "sigma": 0.1, "step_size": 0.3, "radius": 0.2, "bregman": 0.6}


def kl(p: Tensor, q: Tensor) -> Tensor:
    return (p * (p / q).log()).sum(-1)


def both_ways(z: Tensor, other: Tensor) -> Tensor:
    p, q = z.softmax(-1), other.softmax(-1)
    return (kl(p, q) + kl(q, p)).mean()


def algorithm_1(s: Setting, w: Weights, slow: Weights, own: dict[str, float]) -> Tensor:
    """The paper's Algorithm 1 with one step, and its equations 1 to 4: sequence by sequence, then the means."""
    e = embedding_layer(w, s.ids)
    z = logits_from(w, e, s.mask, 2, 2)
    noise = torch.randn(e.shape, dtype=torch.float64) * own["sigma"] * s.mask[..., None]
    x = (e.detach() + noise).requires_grad_()
    (g,) = torch.autograd.grad(both_ways(z.detach(), logits_from(w, x, s.mask, 2, 2)), x)
    shift = []
    for before, slope in zip(noise, g, strict=True):
        d = before + own["step_size"] * slope / slope.abs().max()
        shift.append(d.clamp(-own["radius"], own["radius"]) if own["radius"] > 0 else d)
    moved = logits_from(w, e + torch.stack(shift), s.mask, 2, 2)
    t = logits_from(slow, embedding_layer(slow, s.ids), s.mask, 2, 2).detach()
    loss = cross_entropy(z, s.labels) + own["kl_weight"] * both_ways(z, moved)
    return loss + own["bregman"] * both_ways(z, t)


@pytest.mark.parametrize("own", [LARGE, {**LARGE, "radius": 0.0}, {**LARGE, "radius": 1e-5, "step_size": 1e-3}])
def test_one_step_of_the_paper(tiny_backbone: Path, own: dict[str, float]) -> None:
    s = Setting(tiny_backbone, SMART(**own))
    s.method.setup(s.context)
    slow = {name: value * 1.1 for name, value in s.weights().items()}
    s.method._teacher.values = [value.detach() for value in slow.values()]
    check_step(s, lambda w: algorithm_1(s, w, slow, own))


@pytest.mark.parametrize(("variant", "expected"), [("paper", 1e-3), ("released", 1e-5)])
def test_the_step_is_the_variants_own_where_none_is_given(variant: str, expected: float) -> None:
    assert SMART(variant=variant)._eta == expected
    assert SMART(variant=variant, step_size=0.5)._eta == 0.5


def smoothness(backbone: Path, method: SMART, dropout: float = 0.0) -> float:
    """Return what kl_weight 1 adds to the loss, with equal draws."""
    losses = []
    for weight in (1.0, 0.0):
        method.kl_weight = weight
        s = Setting(backbone, method)
        for module in s.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = dropout
        torch.manual_seed(11)
        losses.append(s.method.loss(s.model, s.batch, s.context).item())
    return losses[0] - losses[1]


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_the_papers_adversary_is_far_worse_than_a_random_point(
    tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch, dropout: float
) -> None:
    """At the paper's own strength, of points whose entries are all as large. Without a move there is no term."""
    method = SMART(bregman=0.0)
    found = smoothness(tiny_backbone, method, dropout)
    generator = torch.Generator()

    def anywhere(_moved_by: object, noise: Tensor, _clean: object, _ctx: object) -> Tensor:
        return 1e-5 * torch.randn(noise.shape, dtype=noise.dtype, generator=generator).sign() * (noise != 0)

    monkeypatch.setattr(method, "_shift", anywhere)
    points = []
    for seed in range(5):
        generator.manual_seed(seed)
        points.append(smoothness(tiny_backbone, method, dropout))
    elsewhere = sum(points) / len(points)
    monkeypatch.setattr(method, "_shift", lambda _moved_by, noise, _clean, _ctx: torch.zeros_like(noise))
    nowhere = smoothness(tiny_backbone, method, dropout)
    assert found > 10 * elsewhere > 0
    assert nowhere == 0


def test_most_of_mt_dnns_term_is_its_moved_point(tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout, whose masks differ from pass to pass there, and entries of size 1; see also the released step."""
    method = SMART(variant="released")
    moved = smoothness(tiny_backbone, method, 0.1)
    monkeypatch.setattr("methods.smart.normalise_per_token", lambda shift, floor: torch.zeros_like(shift))
    still = smoothness(tiny_backbone, method, 0.1)
    assert moved > 1.5 * still > 0


def test_all_passes_of_the_paper_share_their_dropout(tiny_backbone: Path) -> None:
    """The embedding layer of the slow copy included: where its weights are the model's, its term is 0."""
    losses = []
    for bregman in (0.0, 1.0):
        s = Setting(tiny_backbone, SMART(bregman=bregman, kl_weight=0.0))
        masks: list[Tensor] = []
        for module in s.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.3
        inner = s.model.network.bert.encoder.layer[0].output.dropout
        inner.register_forward_hook(lambda _m, _i, out, masks=masks: masks.append(out == 0))
        s.method.setup(s.context)
        losses.append(s.run_backward())
        assert len(masks) == (4 if bregman else 3)
        assert all(torch.equal(masks[0], other) for other in masks)
    assert losses[0] == pytest.approx(losses[1], abs=1e-12)


def test_each_pass_of_mt_dnn_draws_its_own_dropout(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SMART(variant="released"))
    s.model.network.bert.encoder.layer[0].output.dropout.p = 0.3
    masks: list[Tensor] = []
    inner = s.model.network.bert.encoder.layer[0].output.dropout
    inner.register_forward_hook(lambda _m, _i, out: masks.append(out == 0))
    s.run_backward()
    assert len(masks) == 3
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(masks[1], masks[2])


@pytest.mark.parametrize(("step", "momentum"), [(1, 0.9), (10, 0.9), (11, 0.8)])
def test_the_slow_copy_follows(tiny_backbone: Path, step: int, momentum: float) -> None:
    s = Setting(tiny_backbone, SMART(momentum=0.9, late_momentum=0.8))
    s.method.setup(s.context)
    before = [p.detach().clone() for p in s.model.parameters()]
    with torch.no_grad():
        for parameter in s.model.parameters():
            parameter.add_(torch.randn_like(parameter))
    s.context.step, s.context.steps = step, 100
    s.method.after_step(s.context)
    for got, old, new in zip(s.method._teacher.values, before, s.model.parameters(), strict=True):
        torch.testing.assert_close(got, momentum * old + (1 - momentum) * new.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("variant", "forward"), [("paper", 4), ("released", 3)])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, variant: str, forward: int) -> None:
    s = Setting(tiny_backbone, SMART(variant=variant))
    s.method.setup(s.context)
    assert s.passes() == {"forward": forward, "backward": 2, "input_backward": 1}


def test_accumulating_changes_nothing_but_the_noise(tiny_backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(lambda: SMART(step_size=1e-9, sigma=1e-9), tiny_backbone, tmp_path) < 2e-6
