"""Whole optimizer steps of a method in float64, and AdamW written out to compare them with."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.training import Method
from benchmark.training.optimization import parameter_groups
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting
from tests.support.tiny import sentences

RATE, DECAY, BETA1, BETA2, EPSILON = 1e-3, 0.01, 0.9, 0.999, 1e-8
Gradients = dict[str, Tensor]


class Different(torch.nn.Module):
    """Replace dropout: double the pooled output in every second pass, so that the two passes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x if self.calls % 2 else 2 * x


def batches_of(s: Setting, sizes: Sequence[int], seed: int = 9) -> list[Batch]:
    """Consecutive batches of the same sentences, whatever the sizes."""
    pairs, made, start = sentences(sum(sizes), seed), [], 0
    for size in sizes:
        part = pairs[start : start + size]
        made.append(s.model.encode([(text,) for text, _ in part], [label for _, label in part]))
        start += size
    return made


def start(s: Setting) -> None:
    """Do what the loop does before the first step."""
    s.context.optimizer = s.method.build_optimizer(parameter_groups(s.model, s.context.recipe), s.context)
    s.method.setup(s.context)


def one_step(s: Setting, window: Sequence[Batch], seed: int = 4) -> Gradients:
    """Do what the loop does for one step, without clipping; return the gradients that the optimizer saw."""
    torch.manual_seed(seed + s.context.step)
    s.context.start_window([len(batch) for batch in window])
    for s.context.micro_batch, batch in enumerate(window):
        s.method.backward(s.model, s.method.transform_batch(batch, s.context), s.context)
    s.method.transform_gradients(list(s.model.parameters()), s.context)
    seen = {name: p.grad.clone() for name, p in s.model.named_parameters() if p.grad is not None}
    for group in s.context.optimizer.param_groups:
        group["lr"] = RATE
    s.context.optimizer.step()
    s.context.optimizer.zero_grad(set_to_none=True)
    s.context.step += 1
    s.method.after_step(s.context)
    return seen


def plain_loss(w: Weights, batch: Batch) -> Tensor:
    z = logits_from(w, embedding_layer(w, batch.tokens["input_ids"]), batch.attention_mask, 2, 2)
    return cross_entropy(z, batch.targets())


def gradients(loss: Callable[[Weights], Tensor], w: Mapping[str, Tensor]) -> Gradients:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in w.items()}
    return dict(zip(leaves, torch.autograd.grad(loss(leaves), list(leaves.values())), strict=True))


def current(s: Setting) -> Gradients:
    return {name: p.detach().clone() for name, p in s.model.named_parameters()}


def assert_equal(
    got: Mapping[str, Tensor], want: Mapping[str, Tensor], rtol: float = 1e-7, atol: float = 1e-11
) -> None:
    for name, value in want.items():
        torch.testing.assert_close(
            got[name], value, rtol=rtol, atol=atol, msg=lambda text, name=name: f"{name}: {text}"
        )


def in_blocks(name: str) -> bool:
    return ".encoder.layer." in name


def decayed(name: str) -> bool:
    return not name.endswith("bias") and "LayerNorm" not in name


class PlainAdamW:
    """Adam's moments and AdamW's update from their equations, one tensor at a time."""

    def __init__(self, w: Mapping[str, Tensor]) -> None:
        self.m = {name: torch.zeros_like(value) for name, value in w.items()}
        self.v = {name: torch.zeros_like(value) for name, value in w.items()}
        self.t = 0

    def direction(self, grads: Mapping[str, Tensor]) -> Gradients:
        """Bias-corrected m / (sqrt(v) + epsilon) after these gradients."""
        self.t += 1
        found = {}
        for name, g in grads.items():
            self.m[name] = BETA1 * self.m[name] + (1 - BETA1) * g
            self.v[name] = BETA2 * self.v[name] + (1 - BETA2) * g * g
            corrected = self.v[name] / (1 - BETA2**self.t)
            found[name] = self.m[name] / (1 - BETA1**self.t) / (corrected.sqrt() + EPSILON)
        return found

    def step(self, w: Mapping[str, Tensor], grads: Mapping[str, Tensor]) -> Gradients:
        return {
            name: w[name] * (1 - RATE * DECAY * decayed(name)) - RATE * d for name, d in self.direction(grads).items()
        }


def split_and_whole(make: Callable[[], Method], backbone: Path, prepare: Callable[[Setting], None]) -> float:
    """Largest difference of weights after two steps on micro-batches of 4, 4 and 2 and on one batch of 10."""
    found = []
    for sizes in ([4, 4, 2] * 2, [10] * 2):
        s = Setting(backbone, make())
        prepare(s)
        start(s)
        parts = batches_of(s, sizes)
        half = len(sizes) // 2
        for window in (parts[:half], parts[half:]):
            one_step(s, window)
        found.append(current(s))
    return max(float((found[0][name] - found[1][name]).abs().max()) for name in found[0])


def quantile(values: Sequence[float], q: float) -> float:
    """Linear interpolation between order statistics."""
    return float(np.quantile(np.array(values), q))
