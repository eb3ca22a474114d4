"""WConsol's step against its equations."""

from pathlib import Path

import pytest
import torch

from methods.wconsol import WConsol
from tests.support.steps import Setting
from tests.support.updates import (
    PlainAdamW,
    assert_equal,
    batches_of,
    current,
    decayed,
    gradients,
    one_step,
    plain_loss,
    split_and_whole,
    start,
)

VARIANTS = ["paper", "released"]
STRENGTH = 5.0


@pytest.mark.parametrize("variant", VARIANTS)
def test_three_steps_have_the_gradient_of_the_penalised_loss(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, WConsol(strength=STRENGTH, variant=variant))
    start(s)
    origin = current(s)
    held = {n for n in origin if decayed(n) and (variant == "released" or not n.startswith("network.classifier"))}
    w, adam = current(s), PlainAdamW(current(s))
    for batch in batches_of(s, [6, 6, 6]):

        def penalised(v: dict, batch=batch) -> torch.Tensor:
            return plain_loss(v, batch) + STRENGTH * sum(((v[n] - origin[n]) ** 2).sum() for n in held)

        want = gradients(penalised, w)
        assert_equal(one_step(s, [batch]), want)
        w = adam.step(w, want)
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)
    task = gradients(lambda v: plain_loss(v, batch), w)
    assert float((gradients(penalised, w)[min(held)] - task[min(held)]).abs().max()) > 1e-3


def test_a_parameter_that_gets_no_gradient_is_left_alone(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, WConsol())
    start(s)
    s.method.transform_gradients(list(s.model.parameters()), s.context)
    assert all(p.grad is None for p in s.model.parameters())


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, WConsol()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_accumulating_changes_nothing(tiny_backbone: Path) -> None:
    assert split_and_whole(lambda: WConsol(strength=STRENGTH), tiny_backbone, lambda _s: None) < 1e-9
