"""FreeLB: zhuchen03/FreeLB at d8c1695, fairseq-RoBERTa/fairseq/tasks/sentence_prediction.py `freelb_train_step`.

K + 1 perturbed passes, each with the weight 1 / (K + 1), and an ascent between two of them. Masks of dropout are those
of the first pass (`init_dp=self.args.no_sync_dp`, off by default).
"""

from pathlib import Path

import pytest
import torch

from methods.freelb import FreeLB
from tests.methods.released.network import Network, Step, compare, summed
from tests.support.steps import Setting


@pytest.mark.parametrize(
    ("steps", "rate", "start", "radius", "norm"),
    [
        (2, 0.1, 1.0, 0.6, "l2"),
        (3, 0.4, 0.5, 0.3, "l2"),
        (2, 0.3, 1.0, 0.0, "l2"),
        (1, 0.2, 0.0, 0.0, "l2"),
        (2, 0.3, 0.2, 0.25, "l_inf"),
    ],
)
def test_a_step_is_that_of_the_released_file(
    tiny_backbone: Path, steps: int, rate: float, start: float, radius: float, norm: str
) -> None:
    settings = {"steps": steps, "rate": rate, "start": start, "radius": radius, "norm": norm}
    s = Setting(tiny_backbone, FreeLB(**settings, variant="released"))
    order = 2 if norm == "l2" else float("inf")

    def reference(net: Network) -> Step:
        words = net.words().detach()
        real = net.mask.unsqueeze(-1).double()
        drawn = 2 * torch.rand(words.shape, dtype=torch.float64) - 1
        size = start / (net.mask.sum(1).double() * words.shape[-1]).sqrt()
        size = size if norm == "l2" else torch.full_like(size, start)
        delta, parts, losses = drawn * real * size[:, None, None], [], []
        for number in range(steps + 1):
            delta = delta.detach().requires_grad_()
            loss = net.loss(net.logits(net.embed(net.words() + delta))) / (steps + 1)
            (g,) = torch.autograd.grad(loss, delta, retain_graph=True)
            parts.append(net.gradients(loss))
            losses.append(loss.item())
            if number == steps:
                break
            delta = delta + rate * g / g.flatten(1).norm(dim=1, p=order).clamp(min=1e-10)[:, None, None]
            if radius > 0 and norm == "l2":
                length = delta.flatten(1).norm(dim=1)
                delta = delta * torch.where(length > radius, radius / length, torch.ones_like(length))[:, None, None]
            elif radius > 0:
                delta = delta.clamp(-radius, radius)
        return Step(sum(losses), summed(parts), (steps + 1, steps + 1, 0))

    compare(s, reference)


def test_all_passes_share_the_first_ones_dropout(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, FreeLB(variant="released"))
    drop = s.model.network.bert.encoder.layer[0].output.dropout
    drop.p = 0.5
    masks: list[torch.Tensor] = []
    drop.register_forward_hook(lambda _m, _i, out: masks.append(out.detach() == 0))
    s.run_backward()
    assert len(masks) == 3
    assert masks[0].float().mean() > 0.3
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])
