"""Compositions: who owns a hook, what runs in order, state and hyper-parameters by member, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from benchmark.execution.method_registry import registered
from benchmark.schema.errors import UsageError
from benchmark.suites import Recipe
from benchmark.training import Batch, Classifier, Context, Encoded, Method, Phase
from benchmark.training.composition import EXCLUSIVE, TOGETHER, compose, overridden
from methods.adv_embed import AdvEmbed
from methods.awp import AWP
from methods.child_tuning import ChildTuning
from methods.freelb import FreeLB
from methods.infobert import InfoBERT
from methods.lp_ft import LPFT
from methods.mixout import Mixout
from methods.r_drop import RDrop
from methods.recadam import RecAdam
from methods.roast import RoAST
from methods.rose import RoseFirst, RoseSecond
from methods.sam import SAM
from methods.smart import SMART
from methods.vanilla import Vanilla
from methods.wconsol import WConsol
from tests.support.tiny import trainer, weights

CALLS: list[str] = []


@dataclass(kw_only=True, eq=False)
class Prompted(Method):
    """Has the hooks that MVP has: a model and an encoding of its own."""

    name: ClassVar[str] = "prompted"
    scale: float = 2.0

    def build_model(self, backbone: Any, task: Any) -> Classifier:
        model = super().build_model(backbone, task)
        with torch.no_grad():
            model.output_layer.weight.mul_(self.scale)
        return model

    def encode_example(self, model: Classifier, example: Any) -> Encoded:
        return model.tokenise((f"it was good {example.texts[0]}",))


class Recorder(Method):
    """Notes its calls in every hook that runs side by side."""

    def adapt_model(self, model: Classifier) -> None:
        CALLS.append(f"{self.name} adapt_model")

    def setup(self, ctx: Context) -> None:
        CALLS.append(f"{self.name} setup")

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        CALLS.append(f"{self.name} transform_batch")
        return batch

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        CALLS.append(f"{self.name} transform_gradients")

    def after_step(self, ctx: Context) -> None:
        CALLS.append(f"{self.name} after_step")

    def on_epoch_end(self, ctx: Context) -> None:
        CALLS.append(f"{self.name} on_epoch_end")

    def finish(self, ctx: Context) -> None:
        CALLS.append(f"{self.name} finish")


@dataclass(kw_only=True, eq=False)
class First(Recorder):
    name: ClassVar[str] = "first"


@dataclass(kw_only=True, eq=False)
class Second(Recorder):
    name: ClassVar[str] = "second"


def equal(left: Classifier, right: Classifier) -> bool:
    a, b = weights(left), weights(right)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "members",
    [
        (Prompted, RoAST),
        (Prompted, AdvEmbed),
        (RoseSecond, FreeLB),
        (RecAdam, SMART),
        (ChildTuning, RDrop),
        (SAM, RoAST),
        (AdvEmbed, AWP),
        (Mixout, RDrop),
        (Prompted, RoAST, RoseSecond),
        (LPFT, SAM, RDrop, WConsol),
    ],
)
def test_what_must_compose_does(members: tuple[type[Method], ...]) -> None:
    cls = compose(members)
    assert cls.name == "+".join(member.name for member in members)
    assert overridden(cls) == set(TOGETHER)
    cls()


@pytest.mark.parametrize(
    ("first", "second", "hook"),
    [
        (SMART, RoAST, "loss"),
        (FreeLB, SAM, "backward"),
        (RoseSecond, RecAdam, "build_optimizer"),
        (InfoBERT, RoseSecond, "build_optimizer"),
    ],
)
def test_two_owners_of_one_hook_are_both_named(first: type[Method], second: type[Method], hook: str) -> None:
    with pytest.raises(UsageError) as caught:
        compose([first, second])
    assert str(caught.value) == (
        f"{first.name}+{second.name} cannot be composed: both {first.name} and {second.name} own {hook}."
    )


@pytest.mark.parametrize("trains", [FreeLB, RoseFirst])
@pytest.mark.parametrize("turned", [False, True])
def test_a_backward_with_a_loss_of_its_own_refuses_anothers(trains: type[Method], *, turned: bool) -> None:
    pair = [SMART, trains] if turned else [trains, SMART]
    names = " and ".join(method.name for method in pair)
    with pytest.raises(UsageError, match=rf"both {names} own the loss, smart by its loss and {trains.name} by a back"):
        compose(pair)


@pytest.mark.parametrize("hook", EXCLUSIVE)
def test_every_exclusive_hook_has_one_owner(hook: str) -> None:
    def method(name: str) -> type[Method]:
        return type(name, (Vanilla,), {"name": name, hook: lambda self, *_: self.loss})

    with pytest.raises(UsageError, match=f"both left and right own {hook}"):
        compose([method("left"), method("right")])


def test_a_backward_composes_with_the_loss_of_another_if_it_declares_so() -> None:
    class OwnLoss(Vanilla):
        name: ClassVar[str] = "own"

        def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
            ctx.backward(model(batch).sum())

    class AnyLoss(Vanilla):
        name: ClassVar[str] = "any"
        uses_loss: ClassVar[bool] = True

        def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
            ctx.backward(self.loss(model, batch, ctx) / 2)

    compose([AnyLoss, RDrop])
    compose([RDrop, AnyLoss])
    with pytest.raises(UsageError, match=r"own the loss.*\(if it does, declare uses_loss = True\)"):
        compose([OwnLoss, RDrop])


@pytest.mark.parametrize("method", registered())
def test_uses_loss_says_what_backward_does(method: str, tiny_backbone: Path, tmp_path: Path) -> None:
    """A `backward` that says it trains `self.loss` and does not would drop the loss of another method."""
    cls = registered()[method].load()
    if "backward" not in overridden(cls):
        assert not cls.uses_loss
        return
    made, calls = cls(), []
    made.loss = lambda model, batch, ctx: calls.append(1) or Method.loss(made, model, batch, ctx)
    trainer(made, tiny_backbone, tmp_path, epochs=1).run()
    assert bool(calls) == cls.uses_loss


def test_a_member_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"roast\+sam\+roast names roast twice"):
        compose([RoAST, SAM, RoAST])


def test_verbs_side_by_side_run_in_the_order_of_the_names(tiny_backbone: Path, tmp_path: Path) -> None:
    CALLS.clear()
    trainer(compose([Second, First])(), tiny_backbone, tmp_path, epochs=1).run()
    assert CALLS[:2] == ["second adapt_model", "first adapt_model"]
    assert CALLS[0::2] == [call.replace("first", "second") for call in CALLS[1::2]]
    assert {call.split()[1] for call in CALLS} == set(TOGETHER)


def test_a_composition_with_vanilla_is_the_method(tiny_backbone: Path, tmp_path: Path) -> None:
    for method in (RoAST, SAM, RecAdam, LPFT):
        alone, position = trainer(method(), tiny_backbone, tmp_path / method.name / "a").run()
        composed = trainer(compose([Vanilla, method])(), tiny_backbone, tmp_path / method.name / "b")
        model, other = composed.run()
        assert equal(alone, model)
        assert (position.log, position.passes) == (other.log, other.passes)


def test_the_backward_of_one_trains_the_loss_of_the_other(tiny_backbone: Path, tmp_path: Path) -> None:
    """SAM on R-Drop's loss is the gradient of R-Drop's loss at SAM's point, written here as one method."""

    @dataclass(kw_only=True, eq=False)
    class Merged(SAM):
        loss = RDrop.loss
        variant = "paper"
        kl_weight = 1.0

    composed, position = trainer(compose([SAM, RDrop])(), tiny_backbone, tmp_path / "a").run()
    merged, expected = trainer(Merged(), tiny_backbone, tmp_path / "b").run()
    plain, _ = trainer(SAM(), tiny_backbone, tmp_path / "c").run()
    assert equal(composed, merged)
    assert position.passes == expected.passes
    assert not equal(composed, plain)


def test_a_model_and_an_encoding_of_one_meet_the_loss_and_masks_of_the_other(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    @dataclass(kw_only=True, eq=False)
    class Merged(RoAST):
        scale: float = 2.0
        build_model = Prompted.build_model
        encode_example = Prompted.encode_example

    Merged.build_model = lambda self, b, t: Prompted(scale=self.scale).build_model(b, t)  # type: ignore[method-assign]
    composed, _ = trainer(compose([Prompted, RoAST])(), tiny_backbone, tmp_path / "a").run()
    merged, _ = trainer(Merged(), tiny_backbone, tmp_path / "b").run()
    alone, _ = trainer(RoAST(), tiny_backbone, tmp_path / "c").run()
    assert equal(composed, merged)
    assert not equal(composed, alone)


def test_what_a_member_sees_of_a_batch_is_what_training_sees(tiny_backbone: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    class Shortens(Vanilla):
        name: ClassVar[str] = "shortens"

        def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
            return batch.with_tokens(attention_mask=batch.attention_mask * 0 + 1)

    class Looks(Vanilla):
        name: ClassVar[str] = "looks"

        def setup(self, ctx: Context) -> None:
            seen.extend(int((self.transform_batch(b, ctx).attention_mask == 0).sum()) for b in ctx.train_batches("x"))

    trainer(compose([Looks, Shortens])(), tiny_backbone, tmp_path, epochs=1).run()
    assert seen
    assert not any(seen)


def test_states_of_members_do_not_meet(tiny_backbone: Path, tmp_path: Path) -> None:
    """WConsol and Mixout both keep an origin, under the same attribute and the same names."""
    run = trainer(compose([WConsol, Mixout])(), tiny_backbone, tmp_path, epochs=1)
    run.run()
    state = run.method.state_dict()
    assert {name.partition(".")[0] for name in state} == {"wconsol", "mixout"}
    assert {"wconsol.origin.0", "mixout.origin.0"} <= state.keys()


def test_hyperparameters_are_named_by_member() -> None:
    cls = compose([Prompted, RoAST])
    assert cls.defaults() == {
        "prompted.scale": 2.0,
        **{f"roast.{key}": value for key, value in RoAST.defaults().items()},
    }
    made = cls(**{**cls.defaults(), "roast.alpha": 0.7})
    assert made.hyperparameters() == {**cls.defaults(), "roast.alpha": 0.7}
    assert cls.hyperparameter_fields()["roast.unbiased"].annotation is bool
    with pytest.raises(UsageError, match=r"roast:alpha=2\.0: alpha must be a finite number > 0 and < 1"):
        cls(**{"roast.alpha": 2.0})


def test_phases_of_one_and_the_optimizer_of_another(tiny_backbone: Path, tmp_path: Path) -> None:
    class ProbeFirst(Vanilla):
        name: ClassVar[str] = "probe_first"

        def phases(self, recipe: Recipe) -> list[Phase]:
            return [Phase("probe", 1, lambda name: "classifier" in name), Phase("all", 1)]

    class Plain(Vanilla):
        name: ClassVar[str] = "plain"

        def build_optimizer(self, groups: Any, ctx: Context) -> torch.optim.Optimizer:
            return torch.optim.SGD([dict(g) for g in groups], lr=ctx.recipe.learning_rate)

    run = trainer(compose([ProbeFirst, Plain])(), tiny_backbone, tmp_path)
    run.run()
    assert [phase.name for phase in run.phases] == ["probe", "all"]
    assert isinstance(run.context.optimizer, torch.optim.SGD)
