"""Every method on every family's real classes: it trains, it costs what it must, and it touches what it says."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.schema.errors import UsageError
from tests.support.families import FAMILIES, REFUSED, Run, family_model, run_steps

ELSEWHERE = {"ascc", "dora", "lora", "mixup", "mvp", "rift", "soup"}
"""Have suites of their own: they need a lexicon, a masked LM or trials, freeze the body, or refuse a family."""

VARIANTS = (
    "adv_embed:space=words:norm=l2:epsilon=1.0:rate=1.5:random_start=true:clean=false",
    "child_tuning:mode=F",
    "mixout:variant=released",
    "roast:variant=released",
    "sam:adaptive=true",
    "smart:variant=released",
)
METHODS = (*(name for name in registered() if name not in ELSEWHERE), *VARIANTS)

# Forward, full backward and backward to the inputs of a step, in batches: the floor of the cost table.
PASSES = {
    "adv_embed": (2, 2, 1),
    VARIANTS[0]: (2, 1, 1),
    "awp": (2, 2, 0),
    "freelb": (2, 2, 0),
    "freelb_pp": (5, 5, 0),
    "hiddencut": (2, 2, 0),
    "infobert": (3, 3, 3),
    "r3f": (2, 2, 0),
    "r_drop": (2, 2, 0),
    "roast": (2, 2, 1),
    "roast:variant=released": (3, 2, 1),
    "rose-ensemble": (2, 4, 0),
    "rose-first": (2, 4, 0),
    "sam": (2, 2, 0),
    "sam:adaptive=true": (2, 2, 0),
    "smart": (4, 2, 1),
    "smart:variant=released": (3, 2, 1),
    "tavat": (2, 2, 0),
    "worddrop": (2, 2, 0),
}


def zeroed(run: Run, names: set[str], number: int = 0) -> float:
    """Share of the gradient's entries in these parameters that the method set to zero."""
    step = run.steps[number]
    pairs = [(step.raw[name] != 0, step.seen[name] == 0) for name in names if name in step.raw]
    return sum(int((was & gone).sum()) for was, gone in pairs) / sum(int(was.sum()) for was, _ in pairs)


def masks_blocks(low: float, high: float) -> Callable[[Run], None]:
    def check(run: Run) -> None:
        for number in range(len(run.steps)):
            assert low < zeroed(run, run.blocks, number) < high
            assert zeroed(run, set(run.start) - run.blocks, number) == 0

    return check


def masks_everything(run: Run) -> None:
    for part in (run.blocks, run.body - run.blocks, set(run.start) - run.body):
        assert 0.6 < zeroed(run, part) < 0.8


def holds_tensors_of_the_blocks(run: Run) -> None:
    step = run.steps[-1]
    names = {p: name for name, p in run.model.named_parameters()}
    factors = {names[p]: factor for p, factor in run.method._optimizer.factors.items()}  # type: ignore[attr-defined]
    assert set(factors) == {name for name in run.blocks & set(step.raw) if not name.endswith("bias")}
    held = {name for name, factor in factors.items() if factor == 0}
    assert 0 < len(held) < len(factors)
    assert all(torch.equal(step.before[name], step.after[name]) for name in held)


def keeps_the_body(run: Run) -> None:
    """So far before the midpoint, with so strong a pull, every step ends where the body began."""
    after = run.steps[-1].after
    assert all(torch.equal(run.start[name], after[name]) for name in run.body)
    assert any(not torch.equal(run.start[name], after[name]) for name in set(after) - run.body)


def pulls_the_body(run: Run) -> None:
    step = run.steps[1]
    for name, seen in step.seen.items():
        pull = 2 * 0.01 * (step.before[name] - run.start[name])
        spared = name not in run.body or name.endswith("bias") or step.before[name].dim() == 1
        torch.testing.assert_close(seen - step.raw[name], torch.zeros_like(pull) if spared else pull, atol=1e-6, rtol=0)
    assert any((step.before[name] != run.start[name]).any() for name in run.blocks)


def mixes(run: Run) -> None:
    """Nine in ten input neurons compute with their pre-trained weights, and so have no gradient."""
    linear = [n for n in run.moved[0] if n in run.blocks]
    assert len(linear) >= 2 * len(run.model.blocks)
    for name in linear:
        axis = int("Linear" in type(run.model.get_submodule(name.rpartition(".")[0])).__name__)
        gone = (run.steps[1].raw[name] == 0).all(1 - axis)
        assert 0.6 < float(gone.float().mean()) < 1.0


def moves_uphill(run: Run) -> None:
    reached = set(run.steps[0].raw)
    assert set(run.moved[0]) == reached
    assert math.sqrt(sum(float(d.square().sum()) for d in run.moved[0].values())) == pytest.approx(0.05, rel=1e-4)


def moves_adaptively(run: Run) -> None:
    assert set(run.moved[0]) == set(run.steps[0].raw)
    assert run.blocks & set(run.moved[0])


def moves_matrices(run: Run) -> None:
    reached = {name for name, g in run.steps[0].raw.items() if g.dim() >= 2}
    assert set(run.moved[0]) == reached
    for name, delta in run.moved[0].items():
        # A parameter that is zero, like a table of segments, has no norm, so it cannot move by a share of it.
        assert float(delta.norm()) == pytest.approx(0.01 * float(run.start[name].norm()), rel=1e-3, abs=1e-7)


def probes_first(run: Run) -> None:
    first = run.steps[0].before
    layer = run.model.output_layer
    probed = {name for name, p in run.model.named_parameters() if p is layer.weight or p is layer.bias}
    assert {name for name in first if not torch.equal(first[name], run.start[name])} == probed


def trains_biases_and_head(run: Run) -> None:
    trained = {name for name in run.start if name not in run.body or name.endswith("bias")}
    moved = {name for name, value in run.steps[-1].after.items() if not torch.equal(value, run.start[name])}
    assert moved <= trained
    assert {name for name in moved & run.blocks if "norm" not in name.lower()}
    assert moved - run.body


EFFECTS: dict[str, Callable[[Run], None]] = {
    "awp": moves_matrices,
    "bitfit": trains_biases_and_head,
    "child_tuning": masks_blocks(0.65, 0.75),
    "child_tuning:mode=F": masks_everything,
    "lp_ft": probes_first,
    "mixout": mixes,
    "mixout:variant=released": mixes,
    "recadam": keeps_the_body,
    "roast": masks_blocks(0.5, 0.6),
    "roast:variant=released": masks_blocks(0.5, 0.6),
    "rose-ensemble": holds_tensors_of_the_blocks,
    "rose-first": holds_tensors_of_the_blocks,
    "rose-second": holds_tensors_of_the_blocks,
    "sam": moves_uphill,
    "sam:adaptive=true": moves_adaptively,
    "wconsol": pulls_the_body,
}
DROPOUT = "compares two passes that differ in their dropout, and this .* model has none"
REASONS = {
    "bitfit": "the backbone has no biases",
    **dict.fromkeys(("r_drop", "rose-ensemble", "rose-first"), DROPOUT),
}
STILL = {"bitfit", "recadam"}
"""Whose matrices in the body stay where they were."""


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_every_family(method: str, family: str, tiny_backbone: Path) -> None:
    make, model = configure(MethodRequest.parse(method)).make, family_model(family, tiny_backbone)
    sentence = REASONS.get(method) if family in REFUSED.get(method, ()) else None
    if sentence is not None:
        with pytest.raises(UsageError, match=sentence):
            run_steps(make, model)
        return
    run = run_steps(make, model)
    forward, backward, inputs = PASSES.get(method, (1, 1, 0))
    assert run.passes == {"forward": forward, "backward": backward, "input_backward": inputs}
    after = run.steps[-1].after
    assert all(value.isfinite().all() for value in after.values())
    if method != "bitfit":
        assert run.steps[0].raw[run.table].any()
    if method not in STILL:
        moved = {name for name in run.blocks if not torch.equal(run.start[name], after[name])}
        assert len(moved) > 0.5 * len(run.blocks)
    EFFECTS.get(method, lambda _run: None)(run)


@pytest.mark.parametrize("method", [name for name in EFFECTS if "lp_ft" not in name])
def test_parameters_that_a_batch_does_not_reach_are_passed(method: str, tiny_backbone: Path) -> None:
    """XLNet without token types uses neither its segment embeddings nor their bias."""
    model = family_model("xlnet", tiny_backbone, types=False)
    run = run_steps(configure(MethodRequest.parse(method)).make, model)
    idle = {name for name in run.blocks if name.endswith(("seg_embed", "r_s_bias"))}
    assert len(idle) == 4
    assert not idle & set(run.steps[0].raw)
    assert all(torch.equal(run.start[name], run.steps[-1].after[name]) for name in idle)
    EFFECTS[method](run)
