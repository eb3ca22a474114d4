"""TAVAT: LinyangLee/Token-Aware-VAT at ef5b427, token_vat.py `train`."""

from pathlib import Path

import pytest
import torch

from methods.tavat import TAVAT
from tests.methods.released.network import Network, Step, compare, summed
from tests.support.steps import Setting


@pytest.mark.parametrize(("steps", "rate", "radius"), [(2, 0.05, 0.5), (3, 0.3, 0.4)])
def test_a_step_is_that_of_the_released_file(tiny_backbone: Path, steps: int, rate: float, radius: float) -> None:
    """K passes whose losses are summed, K - 1 ascents; the table has every occurrence's perturbation added."""
    s = Setting(tiny_backbone, TAVAT(steps=steps, rate=rate, start=0.2, radius=radius, variant="released"))
    torch.manual_seed(4)
    s.method.setup(s.context)
    table = s.method._table.clone()
    width = table.shape[1]
    torch.manual_seed(4)
    drawn = (2 * torch.rand(table.shape) - 1) * 0.2 / width**0.5
    torch.testing.assert_close(table, drawn.to(table.dtype))

    def reference(net: Network) -> Step:
        batch = len(net.ids)
        size = 0.2 / (net.mask.sum(1).double() * width).sqrt()
        drawn = 2 * torch.rand((*net.ids.shape, width), dtype=torch.float64) - 1
        text = drawn * net.mask.unsqueeze(-1) * size[:, None, None]
        token = table[net.ids]
        token = token / token.norm()
        parts, losses = [], []
        for number in range(steps):
            text, token = text.detach().requires_grad_(), token.detach().requires_grad_()
            loss = net.loss(net.logits(net.embed(net.words() + text + token)))
            of_text, of_token = torch.autograd.grad(loss, [text, token], retain_graph=True)
            parts.append(net.gradients(loss))
            losses.append(loss.item())
            if number == steps - 1:
                table.index_put_((net.ids.flatten(),), token.detach().view(-1, width), accumulate=True)
                break
            text = text + rate * of_text / of_text.view(batch, -1).norm(dim=1).clamp(min=1e-8)[:, None, None]
            token = token + rate * of_token / of_token.norm(dim=-1, keepdim=True).clamp(min=1e-8)
            norms = token.norm(dim=-1)
            token = token * (norms / norms.amax(-1, keepdim=True)).unsqueeze(-1)
            norms = (text + token).view(batch, -1).norm(dim=1)
            scale = torch.where(norms > radius, radius / norms, torch.ones_like(norms))[:, None, None]
            text, token = text * scale, token * scale
        return Step(sum(losses), summed(parts), (steps, steps, 0))

    compare(s, reference)
    torch.testing.assert_close(s.method._table, table)
