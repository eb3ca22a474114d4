"""R3F's step against its equations."""

from pathlib import Path

import pytest
import torch

from methods.r3f import R3F
from tests.support.plain_bert import (
    Weights,
    cross_entropy,
    embedding_layer,
    embedding_layer_from,
    logits_from,
    word_vectors,
)
from tests.support.steps import Setting, check_step

VARIANTS = ["paper", "released"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("noise", ["uniform", "normal"])
def test_one_step(tiny_backbone: Path, variant: str, noise: str) -> None:
    # A large noise makes its every part show.
    s = Setting(tiny_backbone, R3F(kl_weight=0.5, epsilon=0.2, noise=noise, variant=variant))
    shape = (*s.ids.shape, 32)

    def expected(w: Weights) -> torch.Tensor:
        z = logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2)
        if noise == "normal":
            move = torch.randn(shape, dtype=torch.float64) * 0.2
        else:
            move = torch.rand(shape, dtype=torch.float64) * 0.4 - 0.2
        if variant == "released":
            moved = embedding_layer(w, s.ids).detach() + move
        else:
            moved = embedding_layer_from(w, word_vectors(w, s.ids).detach() + move)
        z_noisy = logits_from(w, moved, s.mask, 2, 2)
        p, q = z.softmax(-1), z_noisy.softmax(-1)
        kl = (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)
        if variant == "released":
            return 0.5 * cross_entropy(z, s.labels) + 0.5 * 0.5 * kl.sum()
        return cross_entropy(z, s.labels) + 0.5 * kl.mean()

    check_step(s, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, variant: str) -> None:
    passes = Setting(tiny_backbone, R3F(variant=variant)).passes()
    assert passes == {"forward": 2, "backward": 2, "input_backward": 0}
