"""TAVAT's step, perturbations and table against their equations."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.tavat import TAVAT
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting, check_step

VARIANTS = ["paper", "released"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_one_step_and_the_table_after_it(tiny_backbone: Path, variant: str, radius: float) -> None:
    s = Setting(tiny_backbone, TAVAT(steps=3, rate=0.3, start=0.4, radius=radius, variant=variant))
    torch.manual_seed(5)
    s.method.setup(s.context)
    table = s.method._table.clone()
    assert table.shape == (39, 32)
    assert 0.95 < table.abs().max() * 32**0.5 / 0.4 <= 1
    final: list[Tensor] = []

    def expected(w: Weights) -> Tensor:
        words, rows, length = word_vectors(w, s.ids), *s.ids.shape
        real = s.mask.double()[..., None]
        delta = (2 * torch.rand(words.shape, dtype=torch.float64) - 1) * real * 0.4
        delta = delta / (real.sum((1, 2)) * 32).sqrt()[:, None, None]
        eta = table[s.ids] / (table[s.ids] ** 2).sum().sqrt() if variant == "released" else table[s.ids] * real
        losses = []
        for number in range(3):
            move = (delta + eta).requires_grad_()
            loss = cross_entropy(logits_from(w, embedding_layer_from(w, words + move), s.mask, 2, 2), s.labels)
            (g,) = torch.autograd.grad(loss, move, retain_graph=True)
            points = embedding_layer_from(w, words + move.detach())
            losses.append(cross_entropy(logits_from(w, points, s.mask, 2, 2), s.labels))
            if number == 2:
                break
            for b in range(rows):
                d = delta[b] + 0.3 * g[b] / g[b].norm()
                e = torch.stack([eta[b, i] + 0.3 * g[b, i] / max(float(g[b, i].norm()), 1e-8) for i in range(length)])
                most = max(float(t.norm()) for t in e)
                e = torch.stack([t * float(t.norm()) / most for t in e])
                size = float((d + e).norm())
                shrink = radius / size if 0 < radius < size else 1.0
                delta[b], eta[b] = d * shrink, e * shrink
        final.append(eta)
        return torch.stack(losses).sum()

    check_step(s, expected)
    want = table.clone()
    for word in s.ids.unique().tolist():
        here = (s.ids == word) & (s.mask.bool() if variant == "paper" else torch.ones_like(s.ids).bool())
        if variant == "released":
            want[word] += final[0][here].sum(0)
        elif here.any():
            want[word] = final[0][here].mean(0)
    assert not torch.equal(want, table)
    torch.testing.assert_close(s.method._table, want, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, steps: int) -> None:
    s = Setting(tiny_backbone, TAVAT(steps=steps))
    s.method.setup(s.context)
    assert s.passes() == {"forward": steps, "backward": steps, "input_backward": 0}
