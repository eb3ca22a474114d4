"""SMART: namisan/mt-dnn at 676b48b, mt_dnn/perturbation.py, loss.py, matcher.py and train.py.

Noise N(0, 1e-10) on the embedding layer's output, which stays attached; a step of eta 1e-5 along the gradient of the
summed `stable_kl`; noise + step over each token's largest entry, so that the perturbation's largest entry is 1. It goes
in as `inputs_embeds`, so the encoder's embedding layer is applied to it a second time. `SymKlCriterion` detaches the
target of each of its two KL divergences and averages over the batch. No Bregman term.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.smart import SMART
from tests.methods.released.network import Network, Step, compare
from tests.support.steps import Setting


def stable_kl(logits: Tensor, target: Tensor) -> Tensor:
    p, y = logits.softmax(-1), target.softmax(-1)
    of_p, of_y = (-(1 / (z + 1e-6) - 1 + 1e-6).detach().log() for z in (p, y))
    return 2 * (p * (of_p - of_y)).sum()


def kl(moving: Tensor, fixed: Tensor) -> Tensor:
    """KL(fixed || moving), averaged over the batch; only `moving` has a gradient."""
    target = fixed.detach().log_softmax(-1)
    return (target.exp() * (target - moving.log_softmax(-1))).sum(-1).mean()


@pytest.mark.parametrize("eta", [1e-5, 0.05])
def test_a_step_is_that_of_the_released_file(tiny_backbone: Path, eta: float) -> None:
    s = Setting(tiny_backbone, SMART(kl_weight=0.8, step_size=eta, variant="released"))

    def reference(net: Network) -> Step:
        clean = net.logits(net.embed())
        embedded = net.embed()
        noise = (1e-5 * torch.randn(embedded.shape, dtype=torch.float64)).requires_grad_()
        # The embedding layer reads its own output.
        far = stable_kl(net.logits(net.embed(embedded + noise)), clean.detach())
        (g,) = torch.autograd.grad(far, noise, retain_graph=True)
        moved = noise.detach() + eta * g
        moved = moved / (moved.abs().amax(-1, keepdim=True) + 1e-6)
        other = net.logits(net.embed(embedded + moved))
        loss = net.loss(clean) + 0.8 * (kl(clean, other) + kl(other, clean))
        return Step(loss.item(), net.gradients(loss), (3, 2, 1))

    compare(s, reference, rtol=1e-6, atol=1e-9)
