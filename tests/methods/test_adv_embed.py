"""AdvEmbed's step (FGSM, PGD, RoAST's and MVP's versions) against their equations."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.adv_embed import AdvEmbed
from tests.support.plain_bert import (
    Weights,
    cross_entropy,
    embedding_layer,
    embedding_layer_from,
    logits_from,
    word_vectors,
)
from tests.support.steps import Setting, accumulation_gap, check_step

MVP = {"space": "words", "norm": "l2", "epsilon": 1.0, "rate": 1.5, "random_start": True, "clean": False}
PGD = {"norm": "l_inf", "steps": 3, "epsilon": 0.2, "rate": 1.5, "random_start": True, "clean": False}


def divergences(z: Tensor, z_adv: Tensor) -> Tensor:
    p, q = z.softmax(-1), z_adv.softmax(-1)
    return (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_roasts_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, AdvEmbed(epsilon=0.1, kl_weight=0.5, variant=variant))

    def expected(w: Weights) -> Tensor:
        e = embedding_layer(w, s.ids)
        z = logits_from(w, e, s.mask, 2, 2)
        start = e.detach()
        if variant == "released":
            start = start + torch.rand(e.shape, dtype=torch.float64) * 1e-5
        start.requires_grad_()
        (g,) = torch.autograd.grad(cross_entropy(logits_from(w, start, s.mask, 2, 2), s.labels), start)
        moved = start + 0.1 * g / (g.abs().max(-1, keepdim=True).values + 1e-8)
        z_adv = logits_from(w, moved.detach(), s.mask, 2, 2)
        kl = divergences(z, z_adv)
        if variant == "released":
            return 0.5 * cross_entropy(z, s.labels) + 0.5 * 0.5 * kl.sum()
        return 0.5 * (cross_entropy(z, s.labels) + cross_entropy(z_adv, s.labels)) + 0.5 * 0.5 * kl.mean()

    check_step(s, expected)


@pytest.mark.parametrize("norm", ["l2", "l_inf"])
@pytest.mark.parametrize("clean", [True, False])
def test_pgd_from_zero(tiny_backbone: Path, norm: str, clean: bool) -> None:
    """Three steps that overshoot the ball; where a clean pass is asked for, its own embeddings stay detached."""
    s = Setting(tiny_backbone, AdvEmbed(norm=norm, steps=3, epsilon=0.3, rate=2.0, clean=clean, kl_weight=0.0))

    def expected(w: Weights) -> Tensor:
        e = embedding_layer(w, s.ids)
        delta = torch.zeros_like(e)
        for _ in range(3):
            point = (e + delta).detach().requires_grad_()
            (g,) = torch.autograd.grad(cross_entropy(logits_from(w, point, s.mask, 2, 2), s.labels), point)
            if norm == "l2":
                delta = delta + 0.2 * g / (g**2).sum((1, 2), keepdim=True).sqrt()
                size = (delta**2).sum((1, 2), keepdim=True).sqrt()
                delta = torch.where(size > 0.3, delta * 0.3 / size, delta)
            else:
                delta = (delta + 0.2 * torch.sign(g)).clamp(-0.3, 0.3)
        if not clean:
            return cross_entropy(logits_from(w, e + delta, s.mask, 2, 2), s.labels)
        z, z_adv = (logits_from(w, x, s.mask, 2, 2) for x in (e, (e + delta).detach()))
        return 0.5 * (cross_entropy(z, s.labels) + cross_entropy(z_adv, s.labels))

    check_step(s, expected)


@pytest.mark.parametrize("variant", ["paper", "released"])
def test_mvps_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, AdvEmbed(**MVP, variant=variant))

    def expected(w: Weights) -> Tensor:
        words = word_vectors(w, s.ids)
        r = torch.rand(words.shape, dtype=torch.float64)
        start = (r if variant == "released" else 1.0) * (2 * r - 1)
        start = (start / (start**2).sum((1, 2), keepdim=True).sqrt()).requires_grad_()
        first = cross_entropy(logits_from(w, embedding_layer_from(w, words.detach() + start), s.mask, 2, 2), s.labels)
        (g,) = torch.autograd.grad(first, start, retain_graph=True)
        delta = start.detach() + 1.5 * g / (g**2).sum((1, 2), keepdim=True).sqrt()
        size = (delta**2).sum((1, 2), keepdim=True).sqrt()
        delta = torch.where(size > 1, delta / size, delta)
        second = cross_entropy(logits_from(w, embedding_layer_from(w, words + delta), s.mask, 2, 2), s.labels)
        # What the attack leaves in the parameters' gradients is that of the loss at the start.
        return second + first if variant == "released" else second

    check_step(s, expected)


def test_the_attack_on_words_sees_no_dropout_and_the_mode_comes_back(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, AdvEmbed(**MVP))
    seen: list[bool] = []
    s.model.network.dropout.register_forward_hook(lambda module, _i, _o: seen.append(module.training))
    s.run_backward()
    assert seen == [False, True]
    assert all(m.training for m in s.model.modules())


@pytest.mark.parametrize(
    ("settings", "forward", "backward", "inputs"),
    [
        ({}, 2, 2, 1),
        ({"variant": "released"}, 3, 2, 1),
        ({"steps": 3}, 4, 2, 3),
        (PGD, 4, 1, 3),
        (MVP, 2, 1, 1),
        ({**MVP, "variant": "released"}, 2, 2, 0),
    ],
)
def test_passes_are_those_of_the_cost_table(
    tiny_backbone: Path, settings: dict, forward: int, backward: int, inputs: int
) -> None:
    passes = Setting(tiny_backbone, AdvEmbed(**settings)).passes()
    assert passes == {"forward": forward, "backward": backward, "input_backward": inputs}


@pytest.mark.parametrize("settings", [{}, {"norm": "l2", "steps": 2, "clean": False}])
def test_accumulating_changes_nothing(tiny_backbone: Path, tmp_path: Path, settings: dict) -> None:
    assert accumulation_gap(lambda: AdvEmbed(**settings), tiny_backbone, tmp_path) < 2e-6


def test_a_frozen_embedding_layer_is_no_obstacle(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, AdvEmbed())
    s.model.network.bert.embeddings.requires_grad_(False)
    s.run_backward()
    assert s.model.network.bert.embeddings.word_embeddings.weight.grad is None
    assert s.model.network.classifier.weight.grad is not None
