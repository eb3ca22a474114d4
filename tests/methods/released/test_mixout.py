"""Mixout: bloodwass/mixout at 6c6a557, mixout/mixout.py, applied as in example_huggingface.py."""

from pathlib import Path

import torch

from methods.mixout import Mixout
from tests.methods.released.network import Network, Step, compare
from tests.support.steps import Setting
from tests.support.updates import start


def test_a_step_is_that_of_the_released_file(tiny_backbone: Path) -> None:
    """Every nn.Linear, the head too; one draw per input column; the backward has no 1 / (1 - p)."""
    p = 0.7
    s = Setting(tiny_backbone, Mixout(p=p, variant="released"))
    s.model.network.dropout = torch.nn.Dropout(0.5)
    start(s)
    targets = {n: w.detach().clone() for n, w in s.model.named_parameters()}
    with torch.no_grad():
        torch.manual_seed(2)
        for parameter in s.model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    linear = [n for n, w in s.model.named_parameters() if w.dim() == 2 and "embeddings" not in n]
    assert "network.classifier.weight" in linear

    def reference(net: Network) -> Step:
        noise = {n: torch.full((net.weights[n].shape[1],), 1 - p, dtype=torch.float64).bernoulli() for n in linear}
        leaves = dict(net.weights)
        mixed = {
            n: (((1 - k) * targets[n] + k * leaves[n] - p * targets[n]) / (1 - p)).detach().requires_grad_()
            for n, k in noise.items()
        }
        net.weights = {**leaves, **mixed}
        loss = net.loss(net.logits(net.embed()))
        got = net.gradients(loss)
        return Step(loss.item(), {n: g * noise[n] if n in noise else g for n, g in got.items()}, (1, 1, 0))

    compare(s, reference)
