"""HiddenCut: SALT-NLP/HiddenCut at 8ec0cc7.

transformers/modeling_bert.py `BertOutput` ("attn_span_cutoff") and trainer.py `_training_step_with_attn_span_cutoff`.
"""

from pathlib import Path

import torch
from torch import Tensor

from methods.hiddencut import HiddenCut
from tests.methods.released.network import Network, Step, compare
from tests.support.steps import Setting


def test_a_step_is_that_of_the_released_file(tiny_backbone: Path) -> None:
    """A span from one of the tokens that get the most attention; CE of both passes and KL(m || p) twice, halved."""
    s = Setting(tiny_backbone, HiddenCut(ratio=0.3, top=0.4, ce_weight=0.7, js_weight=2.0, variant="released"))

    def cut(output: Tensor, attention: Tensor) -> Tensor:
        # Padding queries count, padding keys cannot be chosen.
        received = attention.sum(2).sum(1)
        draws = torch.rand(len(output))
        rows = []
        for i, length in enumerate(s.batch.attention_mask.sum(1).tolist()):
            span = int(0.3 * length) if 0.3 * length > 1 else 1
            best = int(0.4 * length) if 0.4 * length > 1 else 1
            top = received[i].topk(length).indices[:best]
            start = int(top[int(draws[i] * best)])
            span = min(span, length - start)
            zeros = torch.zeros(span, output.shape[-1], dtype=torch.float64)
            rows.append(torch.cat([output[i, :start], zeros, output[i, start + span :]]))
        return torch.stack(rows)

    def reference(net: Network) -> Step:
        clean, poorer = net.logits(net.embed()), net.logits(net.embed(), edit=cut)
        p, q = (clean + 1e-10).softmax(-1), (poorer + 1e-10).softmax(-1)
        m = (p + q) / 2
        js = sum((m * (m.log() - x.log())).sum(-1).mean() for x in (p, q)) / 2
        loss = net.loss(clean) + 0.7 * net.loss(poorer) + 2.0 * js
        return Step(loss.item(), net.gradients(loss), (2, 2, 0))

    compare(s, reference)
