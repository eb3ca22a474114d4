"""RecAdam's step against its equations."""

import math
from pathlib import Path

from methods.recadam import RecAdam
from tests.support.steps import Setting
from tests.support.updates import (
    DECAY,
    RATE,
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

K, T0, GAMMA = 0.7, 3, 400.0


def make() -> RecAdam:
    return RecAdam(rate=K, midpoint=T0, pull=GAMMA)


def test_five_steps_across_the_midpoint(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, make())
    start(s)
    origin = current(s)
    w, adam = current(s), PlainAdamW(current(s))
    for t, batch in enumerate(batches_of(s, [4] * 5), start=1):
        lam = 1.0 / (1.0 + math.exp(-K * (t - T0)))
        g = gradients(lambda v, batch=batch: plain_loss(v, batch), w)
        direction, fresh = adam.direction(g), {}
        for name, value in w.items():
            head = name.startswith("network.classifier")
            new = value - RATE * (1.0 if head else lam) * direction[name]
            if not head:
                new = new - RATE * (1.0 - lam) * GAMMA * (new - origin[name])
            fresh[name] = new * (1.0 - RATE * DECAY) if decayed(name) else new
        # The moments, and so the gradients that Adam sees, are those of the task alone.
        assert_equal(one_step(s, [batch]), g)
        w = fresh
        assert_equal(current(s), w, rtol=1e-6, atol=1e-8)
        assert s.model.network.classifier.weight.dtype == origin["network.classifier.weight"].dtype


def test_far_before_the_midpoint_the_body_stays_and_never_overshoots(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, RecAdam(midpoint=10_000, pull=1e9))
    start(s)
    before = current(s)
    for batch in batches_of(s, [6, 6]):
        one_step(s, [batch])
    for name, value in current(s).items():
        if name.startswith("network.classifier"):
            assert float((value - before[name]).abs().max()) > RATE
        else:
            shrunk = before[name] * (1.0 - RATE * DECAY) if decayed(name) else before[name]
            assert float((value - shrunk).abs().max()) < 1e-12


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, make()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_accumulating_changes_nothing(tiny_backbone: Path) -> None:
    assert split_and_whole(make, tiny_backbone, lambda _s: None) < 1e-9
