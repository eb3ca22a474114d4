"""Looks at the model before and after every verb, for what a method must not leave behind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.suites import TrainingTask
from benchmark.training import Method

VERBS = (
    "build_optimizer",
    "setup",
    "transform_batch",
    "backward",
    "transform_gradients",
    "after_step",
    "on_epoch_end",
    "load_state_dict",
)
FIXED = {"build_optimizer", "transform_batch", "backward", "transform_gradients"}
"""Verbs that must leave the weights to the optimizer."""

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

RULES = {
    "hooks": "no hook is left behind",
    "modules": "no module is replaced outside build_model",
    "requires_grad": "requires_grad comes back; what is trained is for phases to say",
    "mode": "the modules' train and eval modes come back",
    "weights": "only the optimizer, setup, after_step and on_epoch_end move weights",
    "settings": "torch's seed and settings and the pass counters' mode come back",
}

Seen = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Violation:
    """A rule that a verb broke, and where."""

    rule: str
    where: str


@dataclass
class Watcher:
    """Wraps the verbs of one method instance.

    Attributes:
        violations: What was seen, in order.
        step: Steps done so far.
    """

    violations: list[Violation] = field(default_factory=list)
    step: int = 0
    _model: Classifier | None = None

    def watch(self, method: Method) -> None:
        """Look before and after each of the instance's verbs from now on."""
        build = method.build_model

        def build_model(backbone: Backbone, task: TrainingTask) -> Classifier:
            self._model = build(backbone, task)
            return self._model

        method.build_model = build_model  # type: ignore[method-assign]
        for verb in VERBS:
            setattr(method, verb, self._watched(verb, getattr(method, verb)))

    def _watched(self, verb: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            model = self._model
            if model is None:
                return call(*arguments)
            before = _look(model, weights=verb in FIXED)
            result = call(*arguments)
            self._compare(verb, before, _look(model, weights=verb in FIXED))
            return result

        return watched

    def _compare(self, verb: str, before: Seen, after: Seen) -> None:
        for kind, rule in RULES.items():
            # A model fresh from its files is in mixed modes, until the loop puts it into training.
            if kind == "mode" and not all(before[kind].values()):
                continue
            changed = [n for n in {**before[kind], **after[kind]} if not _same(before[kind].get(n), after[kind].get(n))]
            where = f"{verb} changed {', '.join(changed[:3])}{' and more' if len(changed) > 3 else ''}"
            if changed:
                self.violations.append(Violation(rule, f"in step {self.step}, {where}."))


def _look(model: Classifier, *, weights: bool) -> Seen:
    """Everything that a verb could leave a trace in, by kind and name."""
    modules = dict(model.named_modules())
    parameters = dict(model.named_parameters())
    return {
        "hooks": {**_module_hooks(modules), **_parameter_hooks(parameters), **_global_hooks()},
        "modules": {name: id(part) for name, part in modules.items()},
        "requires_grad": {name: p.requires_grad for name, p in parameters.items()},
        "mode": {f"{name or 'the model'}.training": part.training for name, part in modules.items()},
        "weights": {name: p.detach().clone() for name, p in parameters.items()} if weights else {},
        "settings": {
            "torch.initial_seed()": torch.initial_seed(),
            "torch.is_grad_enabled()": torch.is_grad_enabled(),
            "torch.get_default_dtype()": torch.get_default_dtype(),
            "model.passes": (model.passes._input_only, model.passes._paused),
        },
    }


def _module_hooks(modules: Mapping[str, nn.Module]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, part in modules.items():
        found |= {f"{name or 'the model'}.{kind}": tuple(getattr(part, kind)) for kind in HOOKS}
    return found


def _parameter_hooks(parameters: Mapping[str, nn.Parameter]) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for name, parameter in parameters.items():
        for kind in ("_backward_hooks", "_post_accumulate_grad_hooks"):
            found[f"{name}.{kind}"] = tuple(getattr(parameter, kind) or ())
    return found


def _global_hooks() -> dict[str, tuple[int, ...]]:
    return {f"torch.{kind}": tuple(getattr(torch_module, f"_global{kind}")) for kind in HOOKS}


def _same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left, right)
    return left == right
