"""R-Drop's step against its equations."""

from pathlib import Path

import pytest
import torch

from methods.r_drop import RDrop
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, accumulation_gap, check_step

VARIANTS = ["paper", "released"]


class Different(torch.nn.Module):
    """Replace dropout: double the pooled output in every second pass, so that the two passes differ."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x if self.calls % 2 else 2 * x


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, RDrop(kl_weight=0.7, variant=variant))
    s.model.network.dropout = Different()

    def expected(w: Weights) -> torch.Tensor:
        z1 = logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2)
        bias = w["network.classifier.bias"]
        z2 = 2 * (z1 - bias) + bias
        p, q = z1.softmax(-1), z2.softmax(-1)
        kl = (p * (p / q).log()).sum(-1) + (q * (q / p).log()).sum(-1)
        if variant == "released":
            return 0.5 * cross_entropy(z1, s.labels) + 0.7 * 0.5 * kl.sum()
        return cross_entropy(z1, s.labels) + cross_entropy(z2, s.labels) + 0.7 * 0.5 * kl.mean()

    check_step(s, expected)


def test_the_two_passes_draw_their_own_dropout(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, RDrop())
    s.model.network.dropout = torch.nn.Dropout(0.5)
    seen: list[torch.Tensor] = []
    s.model.network.dropout.register_forward_hook(lambda _m, _i, out: seen.append(out))
    s.run_backward()
    assert len(seen) == 2
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("variant", VARIANTS)
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, variant: str) -> None:
    passes = Setting(tiny_backbone, RDrop(variant=variant)).passes()
    assert passes == {"forward": 2, "backward": 2, "input_backward": 0}


def test_accumulating_changes_nothing(tiny_backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(RDrop, tiny_backbone, tmp_path) < 1e-6
