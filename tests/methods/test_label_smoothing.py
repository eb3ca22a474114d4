"""Label smoothing's step against its equation."""

from pathlib import Path

import torch

from methods.label_smoothing import LabelSmoothing
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, accumulation_gap, check_step


def test_one_step(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, LabelSmoothing(smoothing=0.3))

    def expected(w: Weights) -> torch.Tensor:
        z = logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2)
        p = z.exp() / z.exp().sum(-1, keepdim=True)
        # With two classes the right one has 1 - 0.3 + 0.3 / 2, and the other one the rest.
        right, wrong = p.gather(1, s.labels[:, None]), p.gather(1, 1 - s.labels[:, None])
        return -(0.85 * right.log() + 0.15 * wrong.log()).mean()

    check_step(s, expected)
    s = Setting(tiny_backbone, LabelSmoothing(smoothing=0.0))
    check_step(s, lambda w: cross_entropy(logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2), s.labels))


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, LabelSmoothing()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_accumulating_changes_nothing(tiny_backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(LabelSmoothing, tiny_backbone, tmp_path) < 1e-6
