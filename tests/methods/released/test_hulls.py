"""ASCC and RIFT, whose adversary is a sparse convex combination of substitutes.

dongxinshuai/ASCC at e49a93b: models/BaseModelAdv.py `get_adv_by_convex_syn`, train_imdb_ascc.py, utils.py.
dongxinshuai/RIFT-NeurIPS2021 at 633ba92: models/AdvPLM.py and rift_train.py.

Two things are adapted: features are the last hidden state of the summary token where RIFT's code takes the pooler's
output, and the network's own head replaces its two-layer one (docs/fidelity.md).
"""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.training.optimization import parameter_groups
from methods.ascc import ASCC
from methods.rift import RIFT
from tests.methods.released.network import Network, Step, compare
from tests.support.steps import Setting
from tests.support.swaps import marked_setting, shaken, swappable, write_neighbours

CHOICES, SPARSITY = 10, 15.0


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_neighbours(tmp_path_factory.mktemp("lexicon"))


class Choices:
    """Token ids that each position may take, and which of them there are: (batch, length, choices)."""

    def __init__(self, s: Setting) -> None:
        places = swappable(s)
        self.ids = s.ids.unsqueeze(-1).repeat(1, 1, CHOICES)
        self.valid = torch.zeros(self.ids.shape, dtype=torch.float64)
        self.valid[..., 0] = 1
        for row, at, ids in places:
            self.ids[row, at, : len(ids)] = torch.tensor(ids)
            self.valid[row, at, : len(ids)] = 1
        self.where = tuple(torch.tensor(x) for x in zip(*((row, at) for row, at, _ in places), strict=True))

    def start(self) -> Tensor:
        """kaiming_normal_ of (batch, length, choices, 1): standard deviation sqrt(2 / (length * choices))."""
        w = torch.zeros(self.ids.shape, dtype=torch.float64)
        drawn = torch.randn(len(self.where[0]), CHOICES, dtype=torch.float64)
        w[self.where] = drawn * math.sqrt(2 / (self.ids.shape[1] * CHOICES))
        return w


def combined(
    run: Callable[[Tensor], Tensor], points: Tensor, choices: Choices, clean: Tensor, settings: tuple[int, float, float]
) -> Tensor:
    """The combination after some steps of Adam on - KL(clean || adversarial) + 15 * entropies / divisor."""
    steps, rate, divisor = settings
    w = choices.start().requires_grad_()
    adam = torch.optim.Adam([w], lr=rate, weight_decay=2e-5)
    for _ in range(steps):
        scores = w * choices.valid + 500 * (choices.valid - 1)
        shares = scores.softmax(-1)
        out = run((shares.unsqueeze(-1) * points.detach()).sum(-2))
        target = clean.detach().log_softmax(-1)
        far = (target.exp() * (target - out.log_softmax(-1))).sum()
        entropy = -(shares * scores.log_softmax(-1)).sum() / divisor
        (w.grad,) = torch.autograd.grad(SPARSITY * entropy - far, w)
        adam.step()
    return (w * choices.valid + 500 * (choices.valid - 1)).softmax(-1).detach().unsqueeze(-1)


def divergence(clean: Tensor, other: Tensor) -> Tensor:
    """KL(clean || other), averaged over the batch, with gradients through both."""
    p, q = clean.log_softmax(-1), other.log_softmax(-1)
    return (p.exp() * (p - q)).sum() / len(clean)


def test_asccs_step_is_that_of_the_released_files(tiny_backbone: Path, lexicon: str) -> None:
    s = marked_setting(tiny_backbone, ASCC(steps=3, rate=0.7, lexicon=lexicon, variant="released"))
    shaken(s, 0.2)
    choices = Choices(s)

    def reference(net: Network) -> Step:
        table = net.weights["network.bert.embeddings.word_embeddings.weight"]
        points = torch.where(
            choices.valid.sum(-1, keepdim=True).unsqueeze(-1) > 1, table[choices.ids], net.words().unsqueeze(-2)
        )
        clean = net.logits(net.embed(net.words().detach())).detach()
        run = lambda words: net.logits(net.embed(words))  # noqa: E731
        # The mean entropy is over all positions. PWWS/word_level_process.py pads every text to one length, which is the
        # model's longest here.
        shares = combined(run, points, choices, clean, (3, 0.7, len(choices.ids) * s.model.max_length))
        clean = net.logits(net.embed())
        other = net.logits(net.embed((shares * points).sum(-2)))
        loss = net.loss(clean) + 4.0 * divergence(clean, other)
        return Step(loss.item(), net.gradients(loss), (6, 2, 3))

    compare(s, reference)


def test_rifts_step_is_that_of_the_released_files(tiny_backbone: Path, lexicon: str) -> None:
    """Outputs of the embedding layer are mixed; the information term reads a pass of its own."""
    method = RIFT(steps=2, rate=0.7, kl_weight=3.0, mi_weight=0.8, lexicon=lexicon, variant="released")
    s = marked_setting(tiny_backbone, method)
    teacher = shaken(s, 0.2)
    method.build_optimizer(parameter_groups(s.model, s.context.recipe), s.context)
    shaken(s, 0.05)
    choices = Choices(s)
    heads = {name: p.detach().clone() for name, p in method._contrast.named_parameters()}

    def projected(side: str, label: int, x: Tensor) -> Tensor:
        base = f"{side}.{label}"
        hidden = (x @ heads[f"{base}.0.weight"].T + heads[f"{base}.0.bias"]).relu()
        return torch.nn.functional.normalize(hidden @ heads[f"{base}.2.weight"].T + heads[f"{base}.2.bias"])

    def reference(net: Network) -> Step:
        table = net.weights["network.bert.embeddings.word_embeddings.weight"]

        def embedded() -> Tensor:
            """Return the output of the embedding layer for each choice at its position."""
            of_choices = torch.stack([net.embed(table[choices.ids[..., k]]) for k in range(CHOICES)], dim=2)
            alone = choices.valid.sum(-1)[..., None, None] == 1
            return torch.where(alone, net.embed().unsqueeze(-2), of_choices)

        clean = net.logits(net.embed().detach()).detach()
        shares = combined(net.logits, embedded(), choices, clean, (2, 0.7, 300 * 128))
        own, net.weights = net.weights, teacher
        pretrained: list[Tensor] = []
        net.logits(net.embed(), seen=pretrained)
        net.weights = own
        clean = net.logits(net.embed())
        other = net.logits((shares * embedded()).sum(-2))
        student: list[Tensor] = []
        net.logits((shares * embedded()).sum(-2), seen=student)
        kept = []
        for label in net.labels.unique().tolist():
            rows = net.labels == label
            f = projected("student", label, student[-1][rows, 0])
            t = projected("teacher", label, pretrained[-1][rows, 0].detach())
            kept.append(-(f @ t.T / 0.2).log_softmax(0).diagonal().mean())
        loss = net.loss(clean) + 3.0 * divergence(clean, other) + 0.8 * torch.stack(kept).mean()
        return Step(loss.item(), net.gradients(loss), (7, 3, 2))

    compare(s, reference)
