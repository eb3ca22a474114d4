"""A method under test: its runs on the tiny task, and how two of them differ."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema import file_fingerprint, fingerprint
from benchmark.schema.errors import TemperError, UsageError
from benchmark.testing.rules import CUTS, RESUMED, ContractError, Cut
from benchmark.testing.tiny import sentences, trainer, weights
from benchmark.testing.watcher import Violation, Watcher
from benchmark.training import Context, Method, MethodError
from benchmark.training.checkpoint import Position, storable
from benchmark.training.method_errors import checked_state


class Killed(BaseException):
    """Simulate kill -9: no code may catch this exception, and no code runs after it."""


@dataclass
class CompletedRun:
    """A completed run.

    Attributes:
        ends: The weights after the last step of each epoch since the run was resumed, by name.
        weights: The weights of the best epoch, which the run returns, by name.
        violations: Changes that its hooks left behind, if the run was watched.
        losses: Calls of its `loss`, if the run was watched.
    """

    method: Method
    model: Classifier
    position: Position
    ends: list[dict[str, Tensor]]
    violations: list[Violation] = field(default_factory=list)
    losses: int = 0

    def __post_init__(self) -> None:
        self.weights = weights(self.model)

    def first_difference(self, other: "CompletedRun") -> str:
        """Return the name of the first weight, or else of the part of the outcome, that differs; empty if none does."""
        weight = self.first_weight_difference(other)
        if weight:
            return weight
        outcomes = {
            "log": (self.position.log, other.position.log),
            "cost in passes": (self.position.passes, other.position.passes),
        }
        return next((name for name, (left, right) in outcomes.items() if left != right), "")

    def first_weight_difference(self, other: "CompletedRun") -> str:
        """Return the name of the first weight that differs, of the best epoch or after the last step."""
        pairs = ((self.weights, other.weights), *zip(self.ends[-1:], other.ends[-1:], strict=True))
        return next(filter(None, (_first_difference(mine, theirs) for mine, theirs in pairs)), "")

    def suspects(self, other: "CompletedRun") -> str:
        """Return a sentence that names the attributes that differ between the two methods; empty if none."""
        names = sorted(_differing("self", vars(self.method), vars(other.method)))
        return f" Look at {', '.join(names[:5])}." if names else ""


def _first_difference(mine: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> str:
    for name in {**mine, **theirs}:
        if name not in mine or name not in theirs or not torch.equal(mine[name], theirs[name]):
            return name
    return ""


@dataclass
class Subject:
    """A method with a backbone and a folder to run in.

    Attributes:
        name: Name in messages.
        cls: Its class.
        make: Creates a new instance.
    """

    name: str
    cls: type[Method]
    make: Callable[[], Method]
    backbone: Path
    folder: Path

    @cached_property
    def whole(self) -> CompletedRun:
        """Run without interruption, with seed 0 and every hook watched."""
        return self.run("whole", "it trains to the end", watcher=Watcher())

    @cached_property
    def resumes(self) -> bool:
        """Whether a run that is killed at all of `CUTS` and resumed ends as the run without interruption."""
        try:
            return not self.whole.first_difference(self.run("cut", RESUMED, cuts=CUTS))
        except ContractError:
            return False

    def seed_matters(self) -> bool:
        """Return whether another seed gives other weights, after the first epoch or else at the end."""
        rule, epoch = "another seed gives other weights", Cut("before on_epoch_end of epoch", 1)
        other = self.run("other", rule, seed=1, until=epoch)
        if other.ends and _first_difference(self.whole.ends[0], other.ends[0]):
            return True
        return bool(self.whole.first_difference(self.run("other-whole", rule, seed=1)))

    def equals_vanilla(self) -> bool:
        """Return whether vanilla fine-tuning with the same seed gives the same weights and the same predictions."""
        files = {path.name: file_fingerprint(path) for path in sorted(self.backbone.iterdir())}
        vanilla = _VANILLA.get(fingerprint(files))
        if vanilla is None:
            vanilla = Subject("vanilla", Method, Method, self.backbone, self.folder / "vanilla").run("run", "it trains")
            _VANILLA[fingerprint(files)] = vanilla
        if self.whole.first_weight_difference(vanilla):
            return False
        texts = [(text,) for text, _ in sentences(16, seed=3)]
        return np.array_equal(predict_logits(vanilla.model, texts), predict_logits(self.whole.model, texts))

    def run(
        self,
        folder: str,
        rule: str,
        *,
        cuts: "tuple[Cut, ...]" = (),
        until: Cut | None = None,
        seed: int = 0,
        watcher: Watcher | None = None,
        **recipe: object,
    ) -> CompletedRun:
        """Train from the start to the end, or to an earlier point, killed at the given points and resumed.

        Raises:
            ContractError: a hook raised, or the loss or the method's state is invalid.
        """
        for cut in (*cuts, until):
            try:
                method = self.make()
            except UsageError as error:
                raise ContractError(self.name, rule, f"the method cannot be made: {error}") from error
            self._check_state(method)
            if watcher is not None:
                watcher.watch(method)
            ends: list[dict[str, Tensor]] = []
            _wrap_epoch_end(method, cut, ends)
            try:
                run = trainer(method, self.backbone, self.folder / folder, seed, **recipe)
                run.report = _reporter(cut, watcher)
                if cut is not until:
                    run.checkpoint_seconds = 0.0
                _, position = run.run()
            except Killed:
                position = Position()
            except MethodError as error:
                raise ContractError(self.name, rule, str(error)) from error
            else:
                break
        watched = watcher or Watcher()
        return CompletedRun(method, run.model, position, ends, watched.violations, watched.losses)

    def _check_state(self, method: Method) -> None:
        """Check every state that `state_dict` returns."""
        give, rule = method.state_dict, "state_dict holds tensors by name, and nothing else"

        def state_dict() -> dict[str, Tensor]:
            try:
                return storable(checked_state(give()))
            except TemperError as error:
                raise ContractError(self.name, rule, f"state_dict {error}") from error

        method.state_dict = state_dict  # type: ignore[method-assign]

    def batching_gap(self) -> tuple[float, int]:
        """Return the largest difference of an example's logits alone and in a batch of 16, and the example."""
        model, texts = self.whole.model.eval(), [(text,) for text, _ in sentences(16, seed=3)]
        with torch.inference_mode(), model.passes.paused():
            alone = torch.cat([model(model.encode([text])) for text in texts])
            gaps = (alone - model(model.encode(texts))).abs().amax(dim=1)
        return float(gaps.max()), int(gaps.argmax())

    def reload_gap(self) -> float:
        """Return the largest difference of logits after saving and loading as the engine does."""
        model, texts = self.whole.model, [(text,) for text, _ in sentences(16, seed=3)]
        model.save(self.folder / "saved")
        loaded = load_classifier(self.folder / "saved").to(model.device).eval()
        return float(np.abs(predict_logits(model, texts) - predict_logits(loaded, texts)).max())


_VANILLA: dict[str, CompletedRun] = {}
"""Runs of vanilla by the fingerprint of their backbone, which the contracts of many methods share."""


def subject_of(method: str | type[Method], backbone: Path, folder: Path) -> Subject:
    """Create the subject for a method's name or class."""
    if isinstance(method, str):
        configured = configure(MethodRequest.parse(method))
        return Subject(configured.label, configured.cls, configured.make, backbone, folder)
    return Subject(method.name or method.__name__, method, method, backbone, folder)


def _reporter(cut: Cut | None, watcher: Watcher | None) -> Callable[[int, int], None]:
    def report(done: int, _total: int) -> None:
        if watcher is not None:
            watcher.step = done
        if cut is not None and cut == ("in step", done):
            raise Killed

    return report


def _wrap_epoch_end(method: Method, cut: Cut | None, ends: list[dict[str, Tensor]]) -> None:
    """Kill a method's `on_epoch_end` before or after its work if the cut is there, and keep the epoch's weights."""
    work = method.on_epoch_end

    def on_epoch_end(ctx: Context) -> None:
        ends.append(weights(ctx.model))
        if cut == ("before on_epoch_end of epoch", ctx.epoch):
            raise Killed
        work(ctx)
        if cut == ("after on_epoch_end of epoch", ctx.epoch):
            raise Killed

    method.on_epoch_end = on_epoch_end  # type: ignore[method-assign]


def _differing(name: str, left: Any, right: Any) -> Iterator[str]:
    """Yield the names of attributes, and of their elements, that differ between two objects of the same type."""
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        for key in left.keys() | right.keys():
            yield from _differing(f"{name}.{key}", left.get(key), right.get(key))
    elif isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)) and len(left) == len(right):
        if any(True for pair in zip(left, right, strict=True) for _ in _differing(name, *pair)):
            yield name
    elif isinstance(left, Method) and isinstance(right, Method):
        yield from _differing(name, vars(left), vars(right))
    elif not _equal(left, right):
        yield name


def _equal(left: Any, right: Any) -> bool:
    """Return whether two values are equal; values that cannot be compared and the model's parameters count as equal."""
    if isinstance(left, nn.Parameter) or callable(left) or callable(right):
        return True
    states: dict[type, Callable[[Any], Any]] = {
        torch.Generator: lambda g: g.get_state().tolist(),
        np.random.Generator: lambda g: g.bit_generator.state,
        random.Random: lambda g: g.getstate(),
        Tensor: lambda t: t.tolist(),
        np.ndarray: lambda a: a.tolist(),
    }
    for kind, state in states.items():
        if isinstance(left, kind) and isinstance(right, kind):
            return bool(state(left) == state(right))
    if isinstance(left, (bool, int, float, str)) and isinstance(right, (bool, int, float, str)):
        return left == right
    return (left is None) == (right is None)
