"""RoAST and the baselines in its release: bbuing9/RoAST at 2f8a726.

`roberta_kl` in transformers/models/roberta/modeling_roberta.py holds all the losses, training/base.py and
roast_optim.py the masks. The model is called without an attention mask, so padding is attended. The loss is half of
the clean cross-entropy (the branch that would add the other half is never reached) plus coeff_sym times half of both
KL divergences, summed over the batch, with nothing detached.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from methods.adv_embed import AdvEmbed
from methods.r3f import R3F
from methods.r_drop import RDrop
from methods.roast import RoAST
from methods.worddrop import WordDrop
from tests.methods.released.network import Network, Step, compare
from tests.support.steps import Setting
from tests.support.updates import Different

WEIGHT = 0.4


def both_divergences(first: Tensor, second: Tensor) -> Tensor:
    """Half of KL(p || q) + KL(q || p), summed over the batch."""
    p, q = first.softmax(-1), second.softmax(-1)
    return ((p - q) * (p / q).log()).sum() / 2


def paired(net: Network, second: Callable[[Tensor], Tensor], passes: tuple[int, int, int]) -> Step:
    ones = torch.ones_like(net.mask)
    clean = net.logits(net.embed(), ones)
    loss = 0.5 * net.loss(clean) + WEIGHT * both_divergences(clean, second(ones))
    return Step(loss.item(), net.gradients(loss), passes)


def adversarial(net: Network) -> Step:
    """adv_eps 0.1: one step from U(0, 1) * 1e-5, scaled per token; all of the moved input is detached."""

    def second(ones: Tensor) -> Tensor:
        base = net.embed().detach()
        noise = (torch.rand(base.shape, dtype=torch.float64) * 1e-5).requires_grad_()
        (g,) = torch.autograd.grad(net.loss(net.logits(base + noise, ones)), noise)
        moved = base + noise + 0.1 * g / (g.abs().amax(-1, keepdim=True) + 1e-8)
        return net.logits(moved.detach(), ones)

    return paired(net, second, (3, 2, 1))


def noised(net: Network) -> Step:
    """R3F: uniform noise on the detached output of a second embedding pass."""

    def second(ones: Tensor) -> Tensor:
        base = net.embed().detach()
        return net.logits(base + 0.3 * (2 * torch.rand(base.shape, dtype=torch.float64) - 1), ones)

    return paired(net, second, (2, 2, 0))


def dropped(net: Network) -> Step:
    """WordDrop: whole embedding outputs become zero where U(0, 1) <= p, special tokens and padding included."""

    def second(ones: Tensor) -> Tensor:
        base = net.embed()
        gone = torch.rand(net.ids.shape) <= 0.4
        assert gone[:, 0].any()
        return net.logits(torch.where(gone.unsqueeze(-1), torch.zeros_like(base), base), ones)

    return paired(net, second, (2, 2, 0))


@pytest.mark.parametrize(
    ("method", "reference"),
    [
        (lambda: AdvEmbed(kl_weight=WEIGHT, variant="released"), adversarial),
        (lambda: R3F(kl_weight=WEIGHT, epsilon=0.3, variant="released"), noised),
        (lambda: WordDrop(kl_weight=WEIGHT, probability=0.4, variant="released"), dropped),
    ],
    ids=["adv_embed", "r3f", "worddrop"],
)
def test_a_step_is_that_of_the_released_file(
    tiny_backbone: Path, method: Callable, reference: Callable[[Network], Step]
) -> None:
    s = Setting(tiny_backbone, method())
    assert (s.batch.attention_mask == 0).any()
    compare(s, reference)


def test_r_drops_step_is_that_of_the_released_file(tiny_backbone: Path) -> None:
    """Run two clean passes. A doubled pooled output in the second replaces dropout, which makes them differ."""
    s = Setting(tiny_backbone, RDrop(kl_weight=WEIGHT, variant="released"))
    s.model.network.dropout = Different()

    def reference(net: Network) -> Step:
        ones = torch.ones_like(net.mask)
        bias = net.weights["network.classifier.bias"]
        clean = net.logits(net.embed(), ones)
        other = 2 * (net.logits(net.embed(), ones) - bias) + bias
        loss = 0.5 * net.loss(clean) + WEIGHT * both_divergences(clean, other)
        return Step(loss.item(), net.gradients(loss), (2, 2, 0))

    compare(s, reference)


@pytest.mark.parametrize("unbiased", [True, False])
def test_roasts_masks_and_step_are_those_of_the_released_files(tiny_backbone: Path, unbiased: bool) -> None:
    """Importance leaves out batch 0; ranks become probabilities; the step multiplies gradients of the blocks."""
    alpha, beta = 0.6, 2.0
    s = Setting(tiny_backbone, RoAST(alpha=alpha, beta=beta, kl_weight=WEIGHT, unbiased=unbiased, variant="released"))
    other = s.model.encode([("a dull and slow film",), ("the plot was great",)], [0, 1])
    s.context.train_batches = lambda _purpose: iter([other, s.batch])
    s.method.setup(s.context)
    net = Network(s)
    names = [name for name in net.weights if ".layer." in name]
    assert len(s.method._multipliers) == len(names)

    # calculate_fisher: the clean cross-entropy of every batch but the first, squared. Its mean has the same ranks.
    g = net.gradients(net.loss(net.logits(net.embed(), torch.ones_like(net.mask))))
    flat = torch.cat([g[name].flatten() ** 2 for name in names]).numpy()
    ranks = np.argsort(np.argsort(flat, kind="stable"), kind="stable") / (len(flat) - 1)
    keep = 1 / (1 + np.exp(-2 * beta * (ranks - alpha)))
    drawn = torch.cat([m.reshape(-1) for m in s.method._multipliers]).numpy()
    # A key's bias moves no softmax: its gradient is rounding.
    real = np.concatenate([np.full(g[name].numel(), not name.endswith("key.bias")) for name in names])
    kept = (drawn > 0) & real
    np.testing.assert_allclose(drawn[kept], 1 / keep[kept] if unbiased else 1.0, rtol=1e-4)
    assert abs((drawn > 0).mean() - keep.mean()) < 4 * np.sqrt((keep * (1 - keep)).sum()) / len(keep)

    step = compare(s, adversarial)
    s.method.transform_gradients(list(s.model.parameters()), s.context)
    multipliers = dict(zip(names, s.method._multipliers, strict=True))
    for name, parameter in s.model.named_parameters():
        want = step.gradients[name] * multipliers.get(name, torch.ones(()))
        torch.testing.assert_close(parameter.grad, want, rtol=1e-6, atol=1e-10, msg=name)
