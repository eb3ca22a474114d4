"""InfoBERT's step, its critic's gradients and its tokens against their equations."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.infobert import InfoBERT, bottleneck, middle_ranked
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting, check_step

LARGE = {"alpha": 0.5, "beta": 0.02, "rate": 0.3, "start": 0.4, "radius": 0.5}


def chosen(g: Tensor, lengths: list[int], low: float, high: float) -> list[tuple[int, int]]:
    picked = []
    for row, n in enumerate(lengths):
        order = sorted(range(n), key=lambda i, row=row: g[row, i].norm().item())
        kept = order[math.ceil(n * low) : math.ceil(n * high)]
        picked += [(row, i) for i in sorted(kept)]
    return picked


def score(c: Weights, x: Tensor, y: Tensor) -> Tensor:
    hidden = torch.relu(c["local.weight"] @ x + c["local.bias"] + c["whole.weight"] @ y)
    return torch.log1p(torch.exp(c["score.weight"] @ hidden + c["score.bias"]))[0]


def lower_bound(c: Weights, pairs: list[tuple[Tensor, Tensor]], group: int) -> Tensor:
    bounds = []
    for at in range(0, len(pairs), group):
        some = pairs[at : at + group]
        own = torch.stack([score(c, x, y) for x, y in some]).mean()
        others = [torch.stack([score(c, x, y) for x, _ in some]).exp().sum().log() for _, y in some]
        bounds.append(own - torch.stack(others).mean() + math.log(len(some)))
    return torch.stack(bounds).mean()


def test_one_step_of_model_and_critic(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, InfoBERT(steps=2, **LARGE))
    critic = s.method._critic_of(s.context)
    c = {name: p.detach().clone().requires_grad_() for name, p in critic.named_parameters()}
    lengths, tokens = s.mask.sum(1).tolist(), int(s.mask.sum())
    critics: list[dict[str, Tensor]] = []

    def expected(w: Weights) -> Tensor:
        words, real = word_vectors(w, s.ids), s.mask.double()[..., None]
        delta = (2 * torch.rand(words.shape, dtype=torch.float64) - 1) * real * 0.4
        delta = delta / (real.sum((1, 2)) * 32).sqrt()[:, None, None]
        partners, shuffles = torch.randint(tokens, (2, tokens)), torch.rand(2, tokens)
        total = torch.zeros(()).double()
        for number in range(2):
            point = delta.detach().requires_grad_()
            first = embedding_layer_from(w, words + point)
            last: list[Tensor] = []
            z = logits_from(w, first, s.mask, 2, 2, seen=last)
            rows = torch.cat([first[b, :n] for b, n in enumerate(lengths)])
            upper = torch.stack([((rows[i] - rows[j]) ** 2).sum() / 2 for i, j in enumerate(partners[number])]).mean()
            task = cross_entropy(z, s.labels) + 0.02 * upper
            (g,) = torch.autograd.grad(task, point, retain_graph=True)
            picked = chosen(g, lengths, 0.5, 0.9)
            order = shuffles[number, : len(picked)].argsort().tolist()
            pairs = [(first[picked[i]], last[-1][picked[i][0], 0]) for i in order]
            total = total + (task - 0.5 * lower_bound(c, pairs, 6)) / 2
            delta = delta + 0.3 * g / (g**2).sum((1, 2), keepdim=True).sqrt()
            size = (delta**2).sum((1, 2), keepdim=True).sqrt()
            delta = torch.where(size > 0.5, delta * 0.5 / size, delta).detach()
        grads = torch.autograd.grad(total, list(c.values()), retain_graph=True)
        critics.append(dict(zip(c, grads, strict=True)))
        return total

    check_step(s, expected)
    for name, parameter in critic.named_parameters():
        assert critics[0][name].abs().max() > 1e-6
        torch.testing.assert_close(parameter.grad, critics[0][name], rtol=1e-6, atol=1e-10, msg=name)


def test_middle_ranked_tokens_leave_padding_and_both_ends_out() -> None:
    gradient = torch.tensor([[5.0, 1, 4, 2, 3, 0, 9, 8, 7, 6], [3.0, 1, 2, 9, 9, 9, 9, 9, 9, 9]]).unsqueeze(-1)
    mask = torch.tensor([[1] * 10, [1] * 3 + [0] * 7])
    got = middle_ranked(gradient, mask, 0.5, 0.9)
    # Of ten norms 0..9 the ranks 5..8; of three the ranks ceil(1.5) = 2 to below ceil(2.7) = 3.
    assert gradient[0, got[0], 0].tolist() == [5, 8, 7, 6]
    assert got[1].nonzero().tolist() == [[0]]


def test_the_bottleneck_is_half_the_mean_squared_distance() -> None:
    tokens = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert bottleneck(tokens, torch.tensor([1, 1])).item() == pytest.approx(25 / 4)


def test_the_critic_is_trained_and_decayed(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, InfoBERT())
    optimizer = s.method.build_optimizer(
        [{"params": [p], "weight_decay": d} for p, d in zip(list(s.model.parameters())[:2], (0.1, 0.0), strict=True)],
        s.context,
    )
    held = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert all(id(p) in held for p in s.method._critic.parameters())
    assert optimizer.param_groups[0]["weight_decay"] == 0.1


def test_passes_of_a_step(tiny_backbone: Path) -> None:
    """The backward to the embeddings is what chooses the tokens; the table of costs rounds it away."""
    s = Setting(tiny_backbone, InfoBERT())
    s.method._critic_of(s.context)
    assert s.passes() == {"forward": 3, "backward": 3, "input_backward": 3}
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in s.model.modules())
