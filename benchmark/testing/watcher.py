"""Compare the model before and after every hook, to find forbidden changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module

from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.suites import TrainingTask
from benchmark.training import Batch, Context, Method

HOOKS = (
    "build_optimizer",
    "setup",
    "transform_batch",
    "backward",
    "transform_gradients",
    "after_step",
    "evaluation_weights",
    "on_epoch_end",
    "finish",
    "load_state_dict",
)
FIXED = {"build_optimizer", "transform_batch", "backward", "transform_gradients", "evaluation_weights"}
"""Hooks that must leave the weights to the optimizer."""

REPLACED = {"modules", "requires_grad", "mode"}
"""What `finish` may change, since it may replace modules."""

TORCH_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

RULES = {
    "hooks": "no torch hook is left behind",
    "modules": "no module is replaced outside build_model, adapt_model and finish",
    "requires_grad": "requires_grad is restored; phases says what is trained",
    "mode": "the modules' train and eval modes are restored",
    "weights": "only setup, the optimizer, after_step and finish move weights, and on_epoch_end before the last epoch",
    "settings": "torch's seed and settings and the pass counters' mode are restored",
}

Seen = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Violation:
    """A rule that a hook broke, and where."""

    rule: str
    where: str


@dataclass
class Watcher:
    """Wraps the hooks of one method instance.

    Attributes:
        violations: Violations in order.
        step: Steps done so far.
        losses: Calls of `loss` so far.
    """

    violations: list[Violation] = field(default_factory=list)
    step: int = 0
    losses: int = 0
    _model: Classifier | None = None

    def watch(self, method: Method) -> None:
        """Compare the model before and after each of the instance's hooks from now on."""
        build = method.build_model

        def build_model(backbone: Backbone, task: TrainingTask) -> Classifier:
            self._model = build(backbone, task)
            return self._model

        method.build_model = build_model  # type: ignore[method-assign]
        for hook in HOOKS:
            setattr(method, hook, self._watched(hook, getattr(method, hook)))
        loss = method.loss

        def counted(model: Classifier, batch: Batch, ctx: Context) -> torch.Tensor:
            self.losses += 1
            return loss(model, batch, ctx)

        method.loss = counted  # type: ignore[method-assign]

    def _watched(self, hook: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> Any:
            model = self._model
            if model is None:
                return call(*arguments)
            # The weights are saved before on_epoch_end, so a change after the last epoch would be lost.
            fixed = hook in FIXED or (hook == "on_epoch_end" and arguments[0].epoch == arguments[0].epochs)
            before = _look(model, weights=fixed)
            result = call(*arguments)
            self._compare(hook, before, _look(model, weights=fixed))
            return result

        return watched

    def _compare(self, hook: str, before: Seen, after: Seen) -> None:
        for kind, rule in RULES.items():
            if hook == "finish" and kind in REPLACED:
                continue
            # A newly loaded model has modules in both modes until the loop sets the training mode.
            if kind == "mode" and not all(before[kind].values()):
                continue
            changed = [n for n in {**before[kind], **after[kind]} if not _same(before[kind].get(n), after[kind].get(n))]
            where = f"{hook} changed {', '.join(changed[:3])}{' and more' if len(changed) > 3 else ''}"
            if changed:
                self.violations.append(Violation(rule, f"in step {self.step}, {where}."))


def _look(model: Classifier, *, weights: bool) -> Seen:
    """Return everything that a hook could leave a trace in, by kind and name."""
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
    return {
        f"{name or 'the model'}.{kind}": tuple(getattr(part, kind))
        for name, part in modules.items()
        for kind in TORCH_HOOKS
        if getattr(part, kind)
    }


def _parameter_hooks(parameters: Mapping[str, nn.Parameter]) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.{kind}": tuple(getattr(parameter, kind))
        for name, parameter in parameters.items()
        for kind in ("_backward_hooks", "_post_accumulate_grad_hooks")
        if getattr(parameter, kind)
    }


def _global_hooks() -> dict[str, tuple[int, ...]]:
    return {f"torch.{kind}": tuple(getattr(torch_module, f"_global{kind}")) for kind in TORCH_HOOKS}


def _same(left: object, right: object) -> bool:
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left, right)
    return left == right
