"""Mixout's step against its equations."""

from pathlib import Path

import pytest
import torch

from methods.mixout import Mixout
from tests.support.steps import Setting
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

VARIANTS = ["paper", "released"]
P = 0.6


def linear_layers(s: Setting, variant: str) -> list[str]:
    """Weights of linear layers, in the order of the layers in the model."""
    names = [n for n, p in s.model.named_parameters() if p.dim() == 2 and "embeddings" not in n]
    return names if variant == "released" else [n for n in names if not n.startswith("network.classifier")]


@pytest.mark.parametrize("variant", VARIANTS)
def test_three_steps(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, Mixout(p=P, variant=variant))
    start(s)
    origin, names = current(s), linear_layers(s, variant)
    w, adam = current(s), PlainAdamW(current(s))
    for number, batch in enumerate(batches_of(s, [6, 6, 6])):
        torch.manual_seed(4 + number)
        kept = {n: torch.full((w[n].shape[1],), 1 - P, dtype=torch.float64).bernoulli() for n in names}

        def mixed(v: dict, batch=batch, kept=kept) -> torch.Tensor:
            m = {n: kept[n].expand_as(v[n]) for n in names}
            mix = {n: (m[n] * v[n] + (1 - m[n]) * origin[n] - P * origin[n]) / (1 - P) for n in names}
            return plain_loss({**v, **mix}, batch)

        want = gradients(mixed, w)
        if variant == "released":
            want = {n: x * (1 - P) if n in names else x for n, x in want.items()}
        assert_equal(one_step(s, [batch]), want)
        assert s.context.take_loss() == pytest.approx(mixed(w).item(), rel=1e-9)
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)
    assert abs(mixed(w) - plain_loss(w, batch)) > 1e-4


def test_the_mixed_weight_is_right_on_average_and_whole_neurons_are_mixed(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, Mixout(p=0.25))
    draws = torch.stack([s.method._draw(torch.empty(3, 500), 1) for _ in range(200)])
    assert draws.shape == (200, 500)
    assert float(draws.mean()) == pytest.approx(0.75, abs=0.01)
    assert s.method._draw(torch.empty(7, 3), 0).shape == (7, 1)


def test_dropout_is_off_while_it_mixes(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, Mixout(p=0.0))
    s.model.network.dropout = torch.nn.Dropout(0.5)
    start(s)
    assert s.run_backward(seed=1) == pytest.approx(plain_loss(s.weights(), s.batch).item(), rel=1e-9)
    assert s.model.training


def test_passes_are_those_of_vanilla(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, Mixout())
    start(s)
    assert s.passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_accumulating_changes_nothing_since_a_step_has_one_draw(tiny_backbone: Path) -> None:
    assert split_and_whole(lambda: Mixout(p=P), tiny_backbone, lambda _s: None) < 1e-9
