"""RoAST's step against the paper's equations, written out in float64 without any of the product's code."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe
from benchmark.training import Context
from methods.roast import RoAST, keep_probabilities, rank_fractions, sample_multipliers
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.tiny import sentences, without_dropout

VARIANTS = ["paper", "released"]
ALPHA, BETA, EPSILON, LAMBDA = 0.6, 3.0, 0.1, 0.5


class Setting:
    """A float64 model without dropout, three batches with padding, and the context of a run."""

    def __init__(self, backbone: Path, variant: str) -> None:
        torch.manual_seed(3)
        self.model = without_dropout(Classifier.from_pretrained(backbone, 2, 16)).double().train()
        # A fresh head is nearly flat; a larger one makes every term of the loss matter.
        with torch.no_grad():
            self.model.network.classifier.weight.mul_(40)
        pairs = sentences(18, seed=5)
        texts, labels = [(t,) for t, _ in pairs], [y for _, y in pairs]
        self.batches = [self.model.encode(texts[i : i + 6], labels[i : i + 6]) for i in (0, 6, 12)]
        recipe = Recipe(epochs=2, batch_size=6, learning_rate=1e-3)
        self.context = Context(self.model, recipe, 0, 2, lambda _purpose: iter(self.batches))
        self.method = RoAST(alpha=ALPHA, beta=BETA, epsilon=EPSILON, kl_weight=LAMBDA, variant=variant)
        self.released = variant == "released"

    def weights(self) -> Weights:
        return {name: p.detach().clone().requires_grad_() for name, p in self.model.named_parameters()}

    def mask(self, batch: Batch) -> Tensor:
        """The released code attends its padding."""
        return torch.ones_like(batch.attention_mask) if self.released else batch.attention_mask

    def masked_names(self) -> list[str]:
        return [name for name, _ in self.model.named_parameters() if ".encoder.layer." in name]


def expected_loss(s: Setting, w: Weights, batch: Batch, noise: Tensor) -> Tensor:
    """Section 1.2 of the method's description, step by step."""
    ids, mask, y = batch.tokens["input_ids"], s.mask(batch), batch.targets()
    e = embedding_layer(w, ids)
    z = logits_from(w, e, mask, 2, 2)
    start = (e.detach() + (noise * 1e-5 if s.released else 0.0)).requires_grad_()
    (g,) = torch.autograd.grad(cross_entropy(logits_from(w, start, mask, 2, 2), y), start)
    unit = g / (g.abs().max(dim=-1, keepdim=True).values + 1e-8)
    z_adv = logits_from(w, (start + EPSILON * unit).detach(), mask, 2, 2)
    p, q = z.softmax(-1), z_adv.softmax(-1)
    kl = (p * (p.log() - q.log())).sum(-1) + (q * (q.log() - p.log())).sum(-1)
    if s.released:
        return 0.5 * cross_entropy(z, y) + LAMBDA * 0.5 * kl.sum()
    return 0.5 * (cross_entropy(z, y) + cross_entropy(z_adv, y)) + LAMBDA * 0.5 * kl.mean()


def expected_importance(s: Setting) -> list[np.ndarray]:
    """Mean over batches of the squared gradient of the clean cross-entropy."""
    sums = dict.fromkeys(s.masked_names(), 0.0)
    for number, batch in enumerate(s.batches):
        if s.released and number == 0:
            continue
        w = s.weights()
        z = logits_from(w, embedding_layer(w, batch.tokens["input_ids"]), s.mask(batch), 2, 2)
        grads = torch.autograd.grad(cross_entropy(z, batch.targets()), [w[name] for name in sums])
        for name, g in zip(sums, grads, strict=True):
            sums[name] = sums[name] + (g**2).numpy() / len(s.batches)
    return list(sums.values())


def expected_probabilities(importance: list[np.ndarray]) -> np.ndarray:
    flat = np.concatenate([i.ravel() for i in importance])
    ranks = np.empty(flat.size)
    ranks[np.argsort(flat, kind="stable")] = np.arange(flat.size)
    return 1.0 / (1.0 + np.exp(-2.0 * BETA * (ranks / (flat.size - 1) - ALPHA)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_importance_ranks_probabilities_and_multipliers(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, variant)
    importance = expected_importance(s)
    caught: list[Tensor] = []
    s.method._start(s.context)
    summed, forget = s.method._importance, s.method._importance.reset
    s.method._start = lambda _ctx: None  # type: ignore[method-assign]

    def reset() -> None:
        caught.extend(total / summed.count for total in summed.sums)
        forget()

    summed.reset = reset  # type: ignore[method-assign]
    s.method.setup(s.context)
    for got, want in zip(caught, importance, strict=True):
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-9, atol=1e-18)
    p = expected_probabilities(importance)
    m = torch.cat([t.reshape(-1) for t in s.method._multipliers]).numpy()
    kept = m > 0
    # A key's bias moves no softmax, so its gradient is rounding and its rank an accident.
    named = zip(s.masked_names(), importance, strict=True)
    real = np.concatenate([np.full(i.size, not name.endswith("key.bias")) for name, i in named])
    np.testing.assert_allclose(m[kept & real], 1.0 / p[kept & real], rtol=1e-4)
    # The share kept is the mean probability, within four standard deviations.
    assert abs(kept.mean() - p.mean()) < 4 * np.sqrt((p * (1 - p)).sum()) / p.size


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_gradient_and_update_of_one_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, variant)
    s.method.setup(s.context)
    w, batch = s.weights(), s.batches[1]
    s.context.optimizer = torch.optim.AdamW(
        s.model.parameters(), lr=1e-3, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.1
    )

    torch.manual_seed(11)
    shape = (*batch.tokens["input_ids"].shape, 32)
    noise = torch.rand(shape, dtype=torch.float64)
    loss = expected_loss(s, w, batch, noise)
    grads = dict(zip(w, torch.autograd.grad(loss, list(w.values())), strict=True))
    multipliers = dict(zip(s.masked_names(), s.method._multipliers, strict=True))

    torch.manual_seed(11)
    moved = s.method.transform_batch(batch, s.context)
    got = s.method.loss(s.model, moved, s.context)
    assert got.item() == pytest.approx(loss.item(), rel=1e-10)
    s.context.backward(got)
    s.method.transform_gradients(list(s.model.parameters()), s.context)
    for name, parameter in s.model.named_parameters():
        want = grads[name] * multipliers.get(name, 1.0)
        torch.testing.assert_close(parameter.grad, want, rtol=1e-7, atol=1e-11, msg=name)

    s.context.optimizer.step()
    for name, parameter in s.model.named_parameters():
        g = grads[name] * multipliers.get(name, 1.0)
        m_hat, v_hat = 0.1 * g / (1 - 0.9), 0.02 * g**2 / (1 - 0.98)
        want = w[name].detach() * (1 - 1e-3 * 0.1) - 1e-3 * m_hat / (v_hat.sqrt() + 1e-6)
        torch.testing.assert_close(parameter.detach(), want, rtol=1e-6, atol=1e-9, msg=name)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_epochs_importance_is_that_of_the_unmasked_full_loss(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, variant)
    s.method.setup(s.context)
    expected = dict.fromkeys(s.masked_names(), 0.0)
    torch.manual_seed(2)
    noises = [torch.rand((*b.tokens["input_ids"].shape, 32), dtype=torch.float64) for b in s.batches]
    for number, (batch, noise) in enumerate(zip(s.batches, noises, strict=True)):
        w = s.weights()
        grads = torch.autograd.grad(expected_loss(s, w, batch, noise), [w[name] for name in expected])
        for name, g in zip(expected, grads, strict=True):
            if not (s.released and number == 0):
                expected[name] = expected[name] + g**2
    torch.manual_seed(2)
    for batch in s.batches:
        s.model.zero_grad()
        s.context.backward(s.method.loss(s.model, s.method.transform_batch(batch, s.context), s.context))
        s.method.transform_gradients(list(s.model.parameters()), s.context)
    assert s.method._importance.count == 3
    for got, want in zip(s.method._importance.sums, expected.values(), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-7, atol=1e-16)


@pytest.mark.parametrize(("variant", "forward", "backward"), [("paper", 2, 2), ("released", 3, 2)])
def test_passes_of_a_step_are_those_of_the_cost_table(
    tiny_backbone: Path, variant: str, forward: int, backward: int
) -> None:
    s = Setting(tiny_backbone, variant)
    s.method.setup(s.context)
    before = s.model.passes.counts()
    s.context.backward(s.method.loss(s.model, s.batches[0], s.context))
    after = s.model.passes.counts()
    assert {k: (after[k] - before[k]) / 6 for k in after} == {
        "forward": forward, "backward": backward, "input_backward": 1,
    }  # fmt: skip


def test_the_two_variants_differ(tiny_backbone: Path) -> None:
    losses = []
    for variant in VARIANTS:
        s = Setting(tiny_backbone, variant)
        losses.append(s.method.loss(s.model, s.method.transform_batch(s.batches[0], s.context), s.context).item())
    assert abs(losses[0] - losses[1]) > 1e-3


@pytest.mark.parametrize(
    ("alpha", "beta", "mean", "least", "most"),
    [(0.9, 10.0, 0.106, 1.5e-8, 0.881), (0.6, 1.0, 0.454, 0.231, 0.690)],
)
def test_keep_rates_of_the_papers_settings(alpha: float, beta: float, mean: float, least: float, most: float) -> None:
    (p,) = keep_probabilities([torch.linspace(0, 1, 200_001, dtype=torch.float64)], alpha, beta)
    assert p.mean().item() == pytest.approx(mean, abs=6e-4)
    assert p.min().item() == pytest.approx(least, rel=0.05)
    assert p.max().item() == pytest.approx(most, abs=6e-4)


def test_multipliers_average_to_one_only_when_unbiased() -> None:
    p = [torch.full((200_000,), 0.25)]
    generator = torch.Generator().manual_seed(0)
    assert sample_multipliers(p, generator)[0].mean().item() == pytest.approx(1.0, abs=0.02)
    assert sample_multipliers(p, generator, unbiased=False)[0].mean().item() == pytest.approx(0.25, abs=0.005)


def test_ranks_are_global_over_tensors_and_ties_keep_their_order() -> None:
    first, second = rank_fractions([torch.tensor([[3.0, 1.0]]), torch.tensor([2.0, 1.0, 0.0])])
    assert first.tolist() == [[1.0, 0.25]]
    assert second.tolist() == [0.75, 0.5, 0.0]
