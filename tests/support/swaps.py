"""Word swaps written out from their definitions: the other side of ASCC's and RIFT's fidelity tests."""

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from benchmark.data import Example
from benchmark.training import Method
from tests.support.plain_bert import Weights, embedding_layer, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting
from tests.support.tiny import sentences

NEIGHBOURS = {
    "film": ["movie", "script", "unheard-of"],
    "movie": ["film"],
    "good": ["great", "fine", "warm", "funny"],
    "bad": ["awful", "dull"],
    "slow": ["dull", "cold", "bad"],
    "great": ["good", "fine"],
    "was": ["is"],
    "plot": ["story", "scene", "end", "acting", "script", "film", "movie", "it", "this", "that", "we", "i"],
    "the": ["unknown"],
}
"""Some words have no neighbour, some one, `plot` more than nine; some neighbours are not a single token."""

Group = list[list[int]]


def write_neighbours(folder: Path) -> str:
    path = folder / "neighbours.json"
    path.write_text(json.dumps(NEIGHBOURS))
    return str(path)


def marked_setting(backbone: Path, method: Method) -> Setting:
    """The setting of a step with a batch as the loop makes it."""
    s = Setting(backbone, method)
    pairs = sentences(6, seed=5)
    encoded = [method.encode_example(s.model, Example(str(i), (text,), y)) for i, (text, y) in enumerate(pairs)]
    s.batch = s.model.collate(encoded, [y for _, y in pairs])
    return s


@torch.no_grad()
def shaken(s: Setting, scale: float) -> Weights:
    """Add noise to the body, by which texts come to differ; returns the weights."""
    torch.manual_seed(1)
    for p in s.model.body.parameters():
        p.add_(scale * torch.randn_like(p))
    return {name: p.detach().clone() for name, p in s.model.named_parameters()}


def swappable(s: Setting) -> list[tuple[int, int, list[int]]]:
    """Row, position and choices of the words that have substitutes, in the order of reading."""
    vocabulary = s.model.tokenizer.get_vocab()
    found = []
    for row, (text, _) in enumerate(sentences(6, seed=5)):
        for at, word in enumerate(text.split(), start=1):
            near = [n for n in NEIGHBOURS.get(word, []) if n in vocabulary]
            if near:
                found.append((row, at, [vocabulary[w] for w in (word, *near)][:10]))
    return found


def moved_words(w: Weights, ids: Tensor, places: list, shares: list[Tensor]) -> Tensor:
    base = word_vectors(w, ids)
    table = w["network.bert.embeddings.word_embeddings.weight"]
    rows = [[base[b, t] for t in range(ids.shape[1])] for b in range(ids.shape[0])]
    for (b, t, choices), share in zip(places, shares, strict=True):
        rows[b][t] = sum(a * table[c] for a, c in zip(share, choices, strict=True))
    return torch.stack([torch.stack(row) for row in rows])


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """Sum over the batch of KL(p || q) of two sets of logits."""
    log_p, log_q = (z - z.logsumexp(-1, keepdim=True) for z in (p, q))
    return (log_p.exp() * (log_p - log_q)).sum()


def plain_logits(w: Weights, words: Tensor, mask: Tensor, seen: list[Tensor] | None = None) -> Tensor:
    return logits_from(w, embedding_layer_from(w, words), mask, 2, 2, seen=seen)


def attacked_shares(s: Setting, w: Weights, steps: int, rate: float, sparsity: float, divisor: float) -> list[Tensor]:
    """The shares after `steps` of Adam, each word's logits by themselves; draws what the method draws."""
    places = swappable(s)
    drawn = torch.randn(len(places), 10, dtype=torch.float64) * math.sqrt(2 / (s.ids.shape[1] * 10))
    x = [row[: len(place[2])].clone() for row, place in zip(drawn, places, strict=True)]
    m, v = [torch.zeros_like(row) for row in x], [torch.zeros_like(row) for row in x]
    fixed = {name: value.detach() for name, value in w.items()}
    clean = plain_logits(fixed, word_vectors(fixed, s.ids), s.mask)
    for number in range(1, steps + 1):
        leaves = [row.detach().requires_grad_() for row in x]
        shares = [row.exp() / row.exp().sum() for row in leaves]
        far = divergence(clean, plain_logits(fixed, moved_words(fixed, s.ids, places, shares), s.mask))
        entropy = sum(-(a * a.log()).sum() for a in shares) / divisor
        grads = torch.autograd.grad(sparsity * entropy - far, leaves)
        for i, (row, g) in enumerate(zip(x, grads, strict=True)):
            decayed = g + 2e-5 * row
            m[i], v[i] = 0.9 * m[i] + 0.1 * decayed, 0.999 * v[i] + 0.001 * decayed**2
            step = m[i] / (1 - 0.9**number) / ((v[i] / (1 - 0.999**number)).sqrt() + 1e-8)
            x[i] = row - rate * step
    return [row.exp() / row.exp().sum() for row in x]


def texts_of_choices(s: Setting) -> tuple[Tensor, Tensor]:
    """Token ids of ten texts for each text, the n-th with each word's n-th choice, and which choices there are.

    Both have the shape (batch, length, 10). What is not there is token 0, as RIFT's release pads its lists.
    """
    chosen, valid = torch.zeros(*s.ids.shape, 10, dtype=torch.long), torch.zeros(*s.ids.shape, 10, dtype=torch.float64)
    chosen[..., 0], valid[..., 0] = s.ids, 1
    for b, t, choices in swappable(s):
        chosen[b, t, : len(choices)] = torch.tensor(choices)
        valid[b, t, : len(choices)] = 1
    return chosen, valid


def mixed_embeddings(w: Weights, chosen: Tensor, shares: Tensor) -> Tensor:
    """Mix outputs of the embedding layer, each of the ten texts embedded as a whole: AdvPLM's `comb_w_to_logit`."""
    texts = [embedding_layer(w, chosen[..., n]) for n in range(10)]
    return sum(shares[..., n, None] * text for n, text in enumerate(texts))  # type: ignore[return-value]


def released_shares(s: Setting, w: Weights, steps: int, rate: float) -> Tensor:
    """The shares of every position by the loop of RIFT's release (`AdvPLM.ascc_attack`); draws what the method draws.

    The release's logits are a tensor over all positions. Those of words without substitutes decide nothing, so only
    the others are drawn here.
    """
    fixed = {name: value.detach() for name, value in w.items()}
    chosen, valid = texts_of_choices(s)
    places = swappable(s)
    free = torch.zeros(chosen.shape, dtype=torch.float64)
    drawn = torch.randn(len(places), 10, dtype=torch.float64) * math.sqrt(2 / (s.ids.shape[1] * 10))
    for (b, t, _), row in zip(places, drawn, strict=True):
        free[b, t] = row
    free.requires_grad_()
    optimizer = torch.optim.Adam([free], lr=rate, weight_decay=2e-5)

    def barred() -> Tensor:
        return free * valid + 500 * (valid - 1)

    clean = logits_from(fixed, embedding_layer(fixed, s.ids), s.mask, 2, 2)
    for _ in range(steps):
        optimizer.zero_grad()
        moved = logits_from(fixed, mixed_embeddings(fixed, chosen, barred().softmax(-1)), s.mask, 2, 2)
        entropy = -(barred().softmax(-1) * barred().log_softmax(-1)).sum()
        (15.0 * entropy / (300 * 128) - divergence(clean, moved)).backward()
        optimizer.step()
    return barred().softmax(-1).detach()
