"""The focal loss's step against its equation."""

from pathlib import Path

import pytest
import torch

from methods.focal import Focal
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, accumulation_gap, check_step


@pytest.mark.parametrize("gamma", [0.5, 2.0, 5.0])
def test_one_step(tiny_backbone: Path, gamma: float) -> None:
    s = Setting(tiny_backbone, Focal(gamma=gamma))

    def expected(w: Weights) -> torch.Tensor:
        z = logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2)
        p = (z.exp() / z.exp().sum(-1, keepdim=True)).gather(1, s.labels[:, None]).squeeze(1)
        return (-((1 - p) ** gamma) * p.log()).mean()

    check_step(s, expected)


def test_without_gamma_it_is_the_cross_entropy(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, Focal(gamma=0.0))
    check_step(s, lambda w: cross_entropy(logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2), s.labels))


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_certain_and_right_example_has_a_finite_gradient(tiny_backbone: Path, gamma: float) -> None:
    s = Setting(tiny_backbone, Focal(gamma=gamma))
    with torch.no_grad():
        s.model.network.classifier.bias.copy_(torch.tensor([60.0, -60.0]))
    assert 0 <= s.run_backward() < 200
    assert all(bool(p.grad.isfinite().all()) for p in s.model.parameters() if p.grad is not None)


def test_passes_are_those_of_the_cost_table(tiny_backbone: Path) -> None:
    assert Setting(tiny_backbone, Focal()).passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_accumulating_changes_nothing(tiny_backbone: Path, tmp_path: Path) -> None:
    assert accumulation_gap(Focal, tiny_backbone, tmp_path) < 1e-6
