"""WordDrop's step against its equations."""

from pathlib import Path

import pytest
import torch

from methods.worddrop import WordDrop
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, check_step

VARIANTS = ["paper", "released"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, WordDrop(probability=0.3, kl_weight=0.5, variant=variant))
    dropped: list[int] = []

    def expected(w: Weights) -> torch.Tensor:
        e = embedding_layer(w, s.ids)
        gone = torch.rand(s.ids.shape) < 0.3
        dropped.append(int(gone.sum()))
        z = logits_from(w, e, s.mask, 2, 2)
        z_drop = logits_from(w, torch.where(gone[..., None], torch.zeros(()).double(), e), s.mask, 2, 2)
        p, q = z.softmax(-1), z_drop.softmax(-1)
        kl = (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)
        if variant == "released":
            return 0.5 * cross_entropy(z, s.labels) + 0.5 * 0.5 * kl.sum()
        return 0.5 * cross_entropy(z, s.labels) + 0.5 * cross_entropy(z_drop, s.labels) + 0.5 * 0.5 * kl.mean()

    check_step(s, expected)
    assert dropped[0] > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, variant: str) -> None:
    passes = Setting(tiny_backbone, WordDrop(variant=variant)).passes()
    assert passes == {"forward": 2, "backward": 2, "input_backward": 0}
