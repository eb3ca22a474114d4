"""A BERT classifier written out in float64 from its equations: the other side of the fidelity tests.

It shares no code with the library or the product; it reads a state dict and knows no dropout.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def layer_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred**2).mean(-1, keepdim=True)
    return centred / torch.sqrt(spread + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: Tensor, w: Weights, name: str) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def word_vectors(w: Weights, ids: Tensor) -> Tensor:
    table = w["network.bert.embeddings.word_embeddings.weight"]
    # The padding token's vector is never trained, even where padding is attended.
    return torch.cat([table[:1].detach(), table[1:]])[ids]


def embedding_layer_from(w: Weights, words: Tensor) -> Tensor:
    base = "network.bert.embeddings"
    places = w[f"{base}.position_embeddings.weight"][: words.shape[1]]
    return layer_norm(words + places + w[f"{base}.token_type_embeddings.weight"][0], w, f"{base}.LayerNorm")


def embedding_layer(w: Weights, ids: Tensor) -> Tensor:
    return embedding_layer_from(w, word_vectors(w, ids))


def last_hidden_from(
    w: Weights,
    hidden: Tensor,
    mask: Tensor,
    layers: int,
    heads: int,
    edit: Callable[[Tensor, Tensor], Tensor] | None = None,
    seen: list[Tensor] | None = None,
) -> Tensor:
    """`edit` sees each block's feed-forward output, before its residual, and its attention probabilities.

    `seen` is given each block's output.
    """
    batch, length, width = hidden.shape
    barred = (1.0 - mask[:, None, None, :].double()) * -1e30
    for number in range(layers):
        base = f"network.bert.encoder.layer.{number}"

        def split(x: Tensor) -> Tensor:
            return x.view(batch, length, heads, width // heads).transpose(1, 2)

        q, k, v = (split(linear(hidden, w, f"{base}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads) + barred
        attention = torch.exp(scores - scores.logsumexp(-1, keepdim=True))
        mixed = (attention @ v).transpose(1, 2).reshape(hidden.shape)
        hidden = layer_norm(
            hidden + linear(mixed, w, f"{base}.attention.output.dense"), w, f"{base}.attention.output.LayerNorm"
        )
        inner = linear(hidden, w, f"{base}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + torch.erf(inner / math.sqrt(2.0)))
        inner = linear(inner, w, f"{base}.output.dense")
        inner = inner if edit is None else edit(inner, attention)
        hidden = layer_norm(hidden + inner, w, f"{base}.output.LayerNorm")
        if seen is not None:
            seen.append(hidden)
    return hidden


def logits_from(
    w: Weights,
    hidden: Tensor,
    mask: Tensor,
    layers: int,
    heads: int,
    edit: Callable[[Tensor, Tensor], Tensor] | None = None,
    seen: list[Tensor] | None = None,
) -> Tensor:
    """The classification head's answer; see `last_hidden_from`."""
    last = last_hidden_from(w, hidden, mask, layers, heads, edit, seen)
    pooled = torch.tanh(linear(last[:, 0], w, "network.bert.pooler.dense"))
    return linear(pooled, w, "network.classifier")


def word_scores(w: Weights, states: Tensor, tokens: list[int]) -> Tensor:
    """The masked-LM head's logits of some words, for hidden states of shape (n, width): (n, words)."""
    base = "network.cls.predictions"
    x = linear(states, w, f"{base}.transform.dense")
    x = layer_norm(x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), w, f"{base}.transform.LayerNorm")
    return x @ w["network.bert.embeddings.word_embeddings.weight"][tokens].T + w[f"{base}.bias"][tokens]


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    return (z.logsumexp(-1) - z[torch.arange(len(y)), y]).mean()
