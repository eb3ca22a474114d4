"""Phases: what a later one trains, methods that picked parameters at the start work on, too, alone and composed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.suites import Recipe
from benchmark.testing.subject import Killed
from benchmark.training import Context, Method, Phase
from benchmark.training.composition import compose, overridden
from methods.lp_ft import LPFT
from methods.recadam import RecAdam
from methods.roast import RoAST
from methods.vanilla import Vanilla
from tests.support.tiny import trainer, weights

ELSEWHERE = {"ascc", "mvp", "rift", "soup"}
"""Need a lexicon, trials, or a masked LM, which the tiny backbone here is not."""

LOSS = {"loss", "transform_batch"}
HOOKS = {name: set(overridden(point.load())) for name, point in registered().items() if name not in ELSEWHERE}
ON_EMBEDDINGS = {"adv_embed", "r3f"}
MEMBERS = [
    name for name, hooks in HOOKS.items() if "phases" not in hooks and (name in ON_EMBEDDINGS or not hooks <= LOSS)
]
"""A method with phases of its own, such as BitFit and LoRA, cannot be given others; the loss of another method looks at
no phase, unless it works on the embeddings, which a phase may freeze."""
TRAIN_AS_VANILLA = {"ema", "swa", "wise_ft"}
"""Differ from vanilla in the weights that are evaluated, not in training."""
# RecAdam's body stays at its start until the midpoint.
SETTINGS: dict[object, dict[str, float]] = {
    "recadam": {"recadam.midpoint": 1, "recadam.pull": 10.0},
}
Weights = dict[str, torch.Tensor]


def head(name: str) -> bool:
    return "classifier" in name


def head_and_last_block(name: str) -> bool:
    return head(name) or ".layer.1." in name


class Phased(Vanilla):
    plan: ClassVar[list[Phase]] = []

    def phases(self, recipe: Recipe) -> list[Phase]:
        return self.plan


class Probed(Phased):
    name: ClassVar[str] = "probed"
    plan: ClassVar[list[Phase]] = [Phase("probe", 1, head), Phase("all", 1)]


class Unfrozen(Phased):
    name: ClassVar[str] = "unfrozen"
    plan: ClassVar[list[Phase]] = [Phase("head", 1, head), Phase("top", 1, head_and_last_block), Phase("all", 1)]


class Frozen(Phased):
    name: ClassVar[str] = "frozen"
    plan: ClassVar[list[Phase]] = [Phase("all", 1), Phase("head", 1, head)]


def made(*members: type[Method] | str) -> Callable[[], Method]:
    classes = [configure(MethodRequest(m, {})).cls if isinstance(m, str) else m for m in members]
    cls = compose(classes)
    settings = {key: value for m in members for key, value in SETTINGS.get(m, {}).items()}
    return lambda: cls(**settings)


def train(method: Method, backbone: Path, folder: Path, kill: int = 0) -> list[Weights]:
    """The weights after each step, those of the start first."""
    run, seen = trainer(method, backbone, folder), []
    prepare = run._start

    def note(done: int, _total: int) -> None:
        seen.append(weights(run.model))
        if done == kill:
            raise Killed

    def start() -> None:
        prepare()
        seen.append(weights(run.model))

    run._start, run.report, run.checkpoint_seconds = start, note, 0.0 if kill else 60.0  # type: ignore[method-assign]
    run.run()
    return seen


def moved(before: Weights, after: Weights) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def begin(method: Method, backbone: Path, folder: Path) -> Weights:
    """The weights when the first step begins."""
    run = trainer(method, backbone, folder)
    run._start()
    return weights(run.model)


@pytest.fixture(scope="module")
def probed(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[Weights]]:
    """The steps of a method behind a probe, trained once for all tests."""
    return cache(lambda member: train(made(Probed, member)(), tiny_backbone, tmp_path_factory.mktemp("probed")))


@pytest.fixture(scope="module")
def plain(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Weights]:
    return train(Probed(), tiny_backbone, tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def linear_probe(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Weights]:
    return train(LPFT(), tiny_backbone, tmp_path_factory.mktemp("linear-probe"))


@pytest.mark.parametrize("member", MEMBERS)
def test_a_probe_before_it_freezes_the_body_and_changes_nothing_of_the_method(
    member: str, probed: Callable[[str], list[Weights]], plain: list[Weights]
) -> None:
    steps = probed(member)
    assert all(all(v.isfinite().all() for v in step.values()) for step in steps)
    assert all(head(name) for name in moved(steps[0], steps[5]))
    assert moved(steps[0], steps[5])
    body = {name for name in moved(steps[5], steps[10]) if ".layer." in name}
    assert len(body) > 16  # of 32
    if member not in TRAIN_AS_VANILLA:
        assert any(not torch.equal(steps[10][name], plain[10][name]) for name in body)


@pytest.mark.slow
@pytest.mark.parametrize("member", MEMBERS)
def test_it_is_resumed_in_either_phase(
    member: str, probed: Callable[[str], list[Weights]], tiny_backbone: Path, tmp_path: Path
) -> None:
    make, steps = made(Probed, member), probed(member)
    for kill in (3, 7):
        with pytest.raises(Killed):
            train(make(), tiny_backbone, tmp_path, kill)
    assert not moved(steps[-1], train(make(), tiny_backbone, tmp_path)[-1])


@pytest.mark.parametrize("member", [name for name in MEMBERS if name != "lp_ft"])
def test_linear_probing_goes_before_every_method(
    member: str, linear_probe: list[Weights], tiny_backbone: Path, tmp_path: Path
) -> None:
    """The probe is installed, the body as pre-trained when the first step begins; then the method trains both."""
    both = train(made("lp_ft", member)(), tiny_backbone, tmp_path / "both")
    alone = begin(made(Vanilla, member)(), tiny_backbone, tmp_path / "alone")
    assert moved(alone, both[0]) == {"network.classifier.weight", "network.classifier.bias"}
    assert not moved(linear_probe[0], both[0])
    assert {name.split(".")[1] for name in moved(both[0], both[10])} == {"bert", "classifier"}
    assert bool(moved(linear_probe[10], both[10])) == (member not in TRAIN_AS_VANILLA)


@pytest.mark.parametrize("member", ["child_tuning", "recadam", "roast", "rose-ensemble", "rose-second", "mixout"])
def test_blocks_are_unfrozen_one_after_the_other(member: str, tiny_backbone: Path, tmp_path: Path) -> None:
    steps = train(made(Unfrozen, member)(), tiny_backbone, tmp_path)
    assert all(head(name) for name in moved(steps[0], steps[5]))
    assert all(head_and_last_block(name) for name in moved(steps[5], steps[10]))
    for block in (".layer.0.", ".layer.1."):
        assert any(block in name for name in moved(steps[10], steps[15]))


@pytest.mark.parametrize("member", MEMBERS)
def test_what_a_phase_freezes_stays(member: str, tiny_backbone: Path, tmp_path: Path) -> None:
    steps = train(made(Frozen, member)(), tiny_backbone, tmp_path)
    assert moved(steps[5], steps[10])
    assert all(head(name) for name in moved(steps[5], steps[10]))


def test_setup_sees_the_whole_model_trainable_and_the_phase_comes_back(tiny_backbone: Path, tmp_path: Path) -> None:
    seen: list[tuple[str, int]] = []

    @dataclass(kw_only=True, eq=False)
    class Looks(Probed):
        def setup(self, ctx: Context) -> None:
            seen.append(("setup", sum(not p.requires_grad for p in ctx.model.parameters())))

        def transform_gradients(self, parameters: Sequence[torch.nn.Parameter], ctx: Context) -> None:
            seen.append((f"epoch {ctx.epoch}", sum(not p.requires_grad for p in ctx.model.parameters())))

    trainer(Looks(), tiny_backbone, tmp_path).run()
    assert seen[0] == ("setup", 0)
    assert dict(seen[1:]) == {"epoch 0": 39, "epoch 1": 0}


def test_roasts_mask_waits_for_the_phase_that_trains_the_blocks(tiny_backbone: Path, tmp_path: Path) -> None:
    masks: list[torch.Tensor] = []

    @dataclass(kw_only=True, eq=False)
    class Watched(RoAST):
        def transform_gradients(self, parameters: Sequence[torch.nn.Parameter], ctx: Context) -> None:
            super().transform_gradients(parameters, ctx)
            masks.append(torch.cat([m.reshape(-1) for m in self._multipliers]))

    class Long(Phased):
        name: ClassVar[str] = "long"
        plan: ClassVar[list[Phase]] = [Phase("probe", 2, head), Phase("all", 2)]

    trainer(compose([Long, Watched])(), tiny_backbone, tmp_path).run()
    assert len(masks) == 20
    assert all(torch.equal(masks[0], mask) for mask in masks[:15])
    assert 0 < float((masks[0] == 0).float().mean()) < 1
    assert not torch.equal(masks[14], masks[15])


def test_recadam_recalls_the_pre_trained_weights_in_every_phase(tiny_backbone: Path, tmp_path: Path) -> None:
    method = compose([Unfrozen, RecAdam])(**{"recadam.midpoint": 10_000, "recadam.pull": 1e9})
    steps = train(method, tiny_backbone, tmp_path)
    for name, value in steps[-1].items():
        if not head(name):
            torch.testing.assert_close(value, steps[0][name], rtol=1e-3, atol=1e-7)
