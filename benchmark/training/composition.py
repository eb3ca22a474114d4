"""Composition: one method made of several, each giving the hooks that it overrides.

Every exclusive hook has at most one owner. `transform_batch` is a chain and the other hooks run side by side, both in
the order in which the members are named. Members are instances of their own, so their attributes cannot collide; a
member that calls an exclusive hook that it does not override, such as ``self.loss``, gets the owner's.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import ClassVar, TypeVar, cast

from torch import Tensor, nn

from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.context import Context
from benchmark.training.hyperparameters import Hyperparameter, HyperparameterField
from benchmark.training.method import Method

T = TypeVar("T")

EXCLUSIVE = (
    "build_model",
    "encode_example",
    "phases",
    "build_optimizer",
    "batches",
    "loss",
    "backward",
    "evaluation_weights",
)
"""Hooks that return a result or train; only one member can provide each of them."""

TOGETHER = (
    "adapt_model",
    "setup",
    "transform_batch",
    "transform_gradients",
    "after_step",
    "on_epoch_end",
    "finish",
)
"""Hooks that run one member after the other."""


class Composition(Method):
    """Base of the classes that `compose` creates. Hyper-parameters are named ``<member>.<hyper-parameter>``."""

    members: ClassVar[tuple[type[Method], ...]] = ()

    def __init__(self, **hyperparameters: Hyperparameter) -> None:
        self._parts = {member.name: member(**_inside(hyperparameters, member.name)) for member in self.members}
        for hook in EXCLUSIVE:
            for owner in self._parts.values():
                if hook in overridden(type(owner)):
                    self._lend(hook, owner)
        for part in self._parts.values():
            # Let a member's own passes, such as an importance pass, use the batches that training uses.
            part.transform_batch = self.transform_batch  # type: ignore[method-assign]

    def _lend(self, hook: str, owner: Method) -> None:
        """Use the owner's hook in the composition and in every other member."""
        for part in (self, *self._parts.values()):
            if part is not owner:
                setattr(part, hook, getattr(owner, hook))

    def adapt_model(self, model: Classifier) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.adapt_model(model)

    def setup(self, ctx: Context) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.setup(ctx)

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Apply every member's hook to the result of the member before."""
        for part in self._parts.values():
            batch = type(part).transform_batch(part, batch, ctx)
        return batch

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.transform_gradients(parameters, ctx)

    def after_step(self, ctx: Context) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.after_step(ctx)

    def on_epoch_end(self, ctx: Context) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.on_epoch_end(ctx)

    def finish(self, ctx: Context) -> None:
        """Call every member's hook, in order."""
        for part in self._parts.values():
            part.finish(ctx)

    def state_dict(self) -> dict[str, Tensor]:
        """Every member's, under its name."""
        return _outside({name: part.state_dict() for name, part in self._parts.items()})

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Load every member's tensors."""
        for name, part in self._parts.items():
            part.load_state_dict(_inside(state, name), ctx)

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """Every member's, under its name."""
        return _outside({name: part.reads(backbone) for name, part in self._parts.items()})

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """Every member's, under its name."""
        return _outside({name: part.hyperparameters() for name, part in self._parts.items()})

    @classmethod
    def hyperparameter_fields(cls) -> dict[str, HyperparameterField]:
        """Every member's, under its name."""
        return _outside({member.name: member.hyperparameter_fields() for member in cls.members})


def compose(members: Sequence[type[Method]]) -> type[Composition]:
    """Compose two or more methods; the name of the result joins theirs by ``+``.

    Two members may not override the same exclusive hook. `loss` and `backward` may have different owners if the owner
    of `backward` declares `Method.uses_loss` (SAM does). A `backward` with a loss of its own (FreeLB's) owns both.

    Raises:
        UsageError: a duplicate member, or two owners of one exclusive hook; the message names both and the hook.
    """
    name = "+".join(member.name for member in members)
    for first, second in combinations(members, 2):
        if first.name == second.name:
            raise UsageError(f"{name} names {first.name} twice; name it once.")
        clash = _clash(first, second)
        if clash:
            raise UsageError(f"{name} cannot be composed: {clash}.")
    settled = {
        "__doc__": f"{' and '.join(member.name for member in members)}, composed.",
        "__module__": __name__,
        "name": name,
        "version": "+".join(member.version for member in members),
        "paper": "; ".join(dict.fromkeys(member.paper for member in members)),
        "members": tuple(members),
    }
    return cast(type[Composition], type(name, (Composition,), settled))


def overridden(cls: type[Method]) -> frozenset[str]:
    """Return the hooks that a method class or one of its base classes overrides."""
    return frozenset(hook for hook in (*EXCLUSIVE, *TOGETHER) if getattr(cls, hook) is not getattr(Method, hook))


def _clash(first: type[Method], second: type[Method]) -> str | None:
    """Say why two methods cannot be composed."""
    shared = overridden(first) & overridden(second)
    for hook in EXCLUSIVE:
        if hook in shared:
            return f"both {first.name} and {second.name} own {hook}"
    for trains, computes in ((first, second), (second, first)):
        if "backward" in overridden(trains) and "loss" in overridden(computes) and not trains.uses_loss:
            return (
                f"both {first.name} and {second.name} own the loss, {computes.name} by its loss and {trains.name} by a "
                "backward that does not train self.loss (if it does, declare uses_loss = True)"
            )
    return None


def _inside(named: Mapping[str, T], member: str) -> dict[str, T]:
    return {key.removeprefix(f"{member}."): value for key, value in named.items() if key.startswith(f"{member}.")}


def _outside(named: Mapping[str, Mapping[str, T]]) -> dict[str, T]:
    return {f"{member}.{key}": value for member, inner in named.items() for key, value in inner.items()}
