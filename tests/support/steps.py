"""One step of a method in float64 next to its expected loss, and its gap under accumulation."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe
from benchmark.training import Context, Method
from tests.support.plain_bert import Weights
from tests.support.tiny import sentences, trainer, weights, without_dropout

Make = Callable[[], Method]


class Setting:
    """A float64 model without dropout, one batch with padding, and the context of a run."""

    def __init__(self, backbone: Path, method: Method) -> None:
        torch.manual_seed(3)
        self.model = without_dropout(Classifier.from_pretrained(backbone, 2, 16)).double().train()
        # A fresh head is nearly flat; a larger one makes every term of the loss matter.
        with torch.no_grad():
            self.model.network.classifier.weight.mul_(40)
        pairs = sentences(6, seed=5)
        self.batch = self.model.encode([(t,) for t, _ in pairs], [y for _, y in pairs])
        recipe = Recipe(epochs=2, batch_size=6, learning_rate=1e-3)
        self.context = Context(self.model, recipe, 0, 2, lambda _purpose: iter([self.batch]))
        self.method = method

    def weights(self) -> Weights:
        return {name: p.detach().clone().requires_grad_() for name, p in self.model.named_parameters()}

    @property
    def ids(self) -> Tensor:
        return self.batch.tokens["input_ids"]

    @property
    def mask(self) -> Tensor:
        """The mask that training attends by: all ones where the variant attends padding."""
        return self.method.transform_batch(self.batch, self.context).attention_mask

    @property
    def labels(self) -> Tensor:
        return self.batch.targets()

    def start_optimizer(self) -> None:
        self.context.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1
        )

    def run_backward(self, seed: int = 11) -> float:
        """The method's own backward of the batch; returns the loss that the loop would log."""
        torch.manual_seed(seed)
        batch: Batch = self.method.transform_batch(self.batch, self.context)
        self.method.backward(self.model, batch, self.context)
        return self.context.take_loss()

    def passes(self) -> dict[str, float]:
        """Passes of one backward, in batches."""
        before = self.model.passes.counts()
        self.run_backward()
        after = self.model.passes.counts()
        return {key: (after[key] - before[key]) / len(self.batch) for key in after}


def check_step(
    s: Setting, expected: Callable[[Weights], Tensor], seed: int = 11, rtol: float = 1e-7
) -> dict[str, Tensor]:
    """Loss, gradients and AdamW's update of one step against `expected`, a loss whose gradient is the method's.

    `expected` draws its noise from the generator seeded as the method's is, in the same order. A method that
    back-propagates several losses is expected to have the gradient of their sum.
    """
    w = s.weights()
    s.start_optimizer()
    torch.manual_seed(seed)
    loss = expected(w)
    grads = dict(zip(w, torch.autograd.grad(loss, list(w.values())), strict=True))
    assert s.run_backward(seed) == pytest.approx(loss.item(), rel=1e-9)
    for name, parameter in s.model.named_parameters():
        torch.testing.assert_close(parameter.grad, grads[name], rtol=rtol, atol=1e-11, msg=name)
    s.context.optimizer.step()
    for name, parameter in s.model.named_parameters():
        g = grads[name]
        m_hat, v_hat = 0.1 * g / (1 - 0.9), 0.02 * g**2 / (1 - 0.98)
        want = w[name].detach() * (1 - 1e-3 * 0.1) - 1e-3 * m_hat / (v_hat.sqrt() + 1e-6)
        torch.testing.assert_close(parameter.detach(), want, rtol=1e-6, atol=1e-8, msg=name)
    return grads


def accumulation_gap(make: Make, backbone: Path, folder: Path) -> float:
    """Largest difference between the weights of 4 + 4 + 2 and of 1 x 10 after two SGD steps without dropout."""
    got = []
    for batch_size, accumulation in ((4, 3), (10, 1)):
        method = make()
        build = method.build_model
        method.build_model = lambda b, t, build=build: without_dropout(build(b, t))  # type: ignore[method-assign]
        method.build_optimizer = lambda groups, ctx: torch.optim.SGD(  # type: ignore[method-assign]
            [dict(g) for g in groups], lr=ctx.recipe.learning_rate
        )
        method.batches = lambda data, size, rng: (  # type: ignore[method-assign]
            [i % len(data) for i in range(first + start, first + min(start + size, 10))]
            for first in (0, 10)
            for start in range(0, 10, size)
        )
        run = trainer(
            method, backbone, folder / f"{batch_size}", batch_size=batch_size, accumulation=accumulation,
            epochs=1, learning_rate=0.1, clip=None,
        )  # fmt: skip
        got.append(weights(run.run()[0]))
    return max(float((got[0][name] - got[1][name]).abs().max()) for name in got[0])
