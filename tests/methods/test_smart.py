"""SMART's step and its slow copy against their equations."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.schema.errors import UsageError
from methods.smart import SMART
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, accumulation_gap, check_run, check_step

VARIANTS = ["paper", "released"]
# A noise and a step large enough that each shows in the loss.
LARGE = {"kl_weight": 0.7, "sigma": 0.1, "step_size": 0.3, "bregman": 0.6}


def divergences(z: Tensor, other: Tensor) -> Tensor:
    p, q = z.softmax(-1), other.softmax(-1)
    return ((p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)).mean()


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, SMART(**LARGE, variant=variant))
    s.method.setup(s.context)
    slow = {name: value * 1.1 for name, value in s.weights().items()}
    if variant == "paper":
        s.method._teacher.values = [value.detach() for value in slow.values()]

    def expected(w: Weights) -> Tensor:
        e = embedding_layer(w, s.ids)
        z = logits_from(w, e, s.mask, 2, 2)
        start = e.detach() + torch.randn(e.shape, dtype=torch.float64) * 0.1 * s.mask[..., None]
        start.requires_grad_()
        p, q = z.detach().softmax(-1), logits_from(w, start, s.mask, 2, 2).softmax(-1)
        (g,) = torch.autograd.grad((p * (p.log() - q.log())).sum() / len(p), start)
        moved = (start + 0.3 * g / (g.abs().amax(-1, keepdim=True) + 1e-6)).detach()
        loss = cross_entropy(z, s.labels) + 0.7 * divergences(z, logits_from(w, moved, s.mask, 2, 2))
        if variant == "released":
            return loss
        t = logits_from(slow, embedding_layer(slow, s.ids), s.mask, 2, 2).detach()
        return loss + 0.6 * divergences(z, t)

    check_step(s, expected)


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


def test_the_slow_copy_draws_no_dropout_and_the_mode_comes_back(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, SMART())
    s.method.setup(s.context)
    seen: list[bool] = []
    s.model.network.dropout.register_forward_hook(lambda module, _i, _o: seen.append(module.training))
    s.run_backward()
    assert seen == [True, True, True, False]
    assert all(m.training for m in s.model.modules())


@pytest.mark.parametrize(("variant", "forward"), [("paper", 4), ("released", 3)])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, variant: str, forward: int) -> None:
    s = Setting(tiny_backbone, SMART(variant=variant))
    s.method.setup(s.context)
    assert s.passes() == {"forward": forward, "backward": 2, "input_backward": 1}


@pytest.mark.parametrize("variant", VARIANTS)
def test_runs_repeat_and_resume(tiny_backbone: Path, tmp_path: Path, variant: str) -> None:
    check_run(lambda: SMART(variant=variant), tiny_backbone, tmp_path)


def test_accumulating_changes_nothing_but_the_noise(tiny_backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(lambda: SMART(step_size=1e-9), tiny_backbone, tmp_path) < 2e-6


@pytest.mark.parametrize(
    "bad",
    [{"kl_weight": -1.0}, {"bregman": -1.0}, {"sigma": 0.0}, {"step_size": 0.0}, {"momentum": 1.0}, {"variant": "x"}],
)
def test_bad_hyperparameters_are_refused(bad: dict) -> None:
    with pytest.raises(UsageError, match="smart"):
        SMART(**bad)
