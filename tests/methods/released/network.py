"""The tiny BERT as released training code sees an encoder, and the comparison of a method's step with that code's.

The references next to this file were written from the released source files alone. Each names its file and commit.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from tests.support.plain_bert import (
    Weights,
    cross_entropy,
    embedding_layer,
    embedding_layer_from,
    logits_from,
    word_vectors,
)
from tests.support.steps import Setting

SEED = 11


class Network:
    """A classifier written out in plain torch that remembers what each of its encoder's passes is given."""

    def __init__(self, s: Setting) -> None:
        self.weights: Weights = s.weights()
        self.ids, self.mask, self.labels = s.ids, s.batch.attention_mask, s.labels
        self.points: list[Tensor] = []

    def words(self) -> Tensor:
        return word_vectors(self.weights, self.ids)

    def embed(self, words: Tensor | None = None) -> Tensor:
        """Return the input of the encoder: words, positions and types, normalised."""
        if words is None:
            return embedding_layer(self.weights, self.ids)
        return embedding_layer_from(self.weights, words)

    def logits(
        self,
        embedded: Tensor,
        mask: Tensor | None = None,
        edit: Callable[[Tensor, Tensor], Tensor] | None = None,
        seen: list[Tensor] | None = None,
    ) -> Tensor:
        self.points.append(embedded.detach())
        return logits_from(self.weights, embedded, self.mask if mask is None else mask, 2, 2, edit, seen)

    def loss(self, logits: Tensor) -> Tensor:
        return cross_entropy(logits, self.labels)

    def gradients(self, loss: Tensor) -> dict[str, Tensor]:
        return dict(zip(self.weights, torch.autograd.grad(loss, list(self.weights.values())), strict=True))


@dataclass
class Step:
    """Result of one step of a released file.

    Attributes:
        loss: The loss that the method logs.
        gradients: Of each parameter, before clipping.
        passes: Forward and backward passes through the whole model, and backward passes to the inputs only.
    """

    loss: float
    gradients: Mapping[str, Tensor]
    passes: tuple[int, int, int]
    points: list[Tensor] = field(default_factory=list)


def summed(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The gradient after several backward passes."""
    return {name: torch.stack([part[name] for part in parts]).sum(0) for name in parts[0]}


def compare(s: Setting, reference: Callable[[Network], Step], rtol: float = 1e-7, atol: float = 1e-11) -> Step:
    """Compare a method's step with a reference: loss, gradients, the encoder's input in every pass, and passes.

    Both draw their random numbers from a generator with the same seed.
    """
    net = Network(s)
    torch.manual_seed(SEED)
    want = reference(net)
    given: list[Tensor] = []
    encoder = s.model.network.bert.encoder

    def keep(_module: torch.nn.Module, inputs: tuple, kwargs: dict) -> None:
        given.append((inputs[0] if inputs else kwargs["hidden_states"]).detach().clone())

    handle = encoder.register_forward_pre_hook(keep, with_kwargs=True)
    before = s.model.passes.counts()
    loss = s.run_backward(SEED)
    after = s.model.passes.counts()
    handle.remove()
    assert loss == pytest.approx(want.loss, rel=1e-9)
    assert len(given) == len(net.points)
    for number, (got, point) in enumerate(zip(given, net.points, strict=True)):
        torch.testing.assert_close(got, point, rtol=1e-7, atol=1e-10, msg=lambda m, n=number: f"pass {n}: {m}")
    for name, parameter in s.model.named_parameters():
        torch.testing.assert_close(
            parameter.grad, want.gradients[name], rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}"
        )
    counts = tuple((after[key] - before[key]) / len(s.batch) for key in ("forward", "backward", "input_backward"))
    assert counts == want.passes
    want.points = net.points
    return want
