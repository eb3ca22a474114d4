"""A BERT classifier written out in float64 from its equations: the other side of the fidelity tests.

It shares no code with the library or the product; it reads a state dict and knows no dropout.
"""

import math

import torch
from torch import Tensor

Weights = dict[str, Tensor]


def layer_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    spread = (centred**2).mean(-1, keepdim=True)
    return centred / torch.sqrt(spread + 1e-12) * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(x: Tensor, w: Weights, name: str) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def embedding_layer(w: Weights, ids: Tensor) -> Tensor:
    base = "network.bert.embeddings"
    table = w[f"{base}.word_embeddings.weight"]
    # The padding token's vector is never trained, even where padding is attended.
    words = torch.cat([table[:1].detach(), table[1:]])[ids]
    places = w[f"{base}.position_embeddings.weight"][: ids.shape[1]]
    return layer_norm(words + places + w[f"{base}.token_type_embeddings.weight"][0], w, f"{base}.LayerNorm")


def logits_from(w: Weights, hidden: Tensor, mask: Tensor, layers: int, heads: int) -> Tensor:
    batch, length, width = hidden.shape
    barred = (1.0 - mask[:, None, None, :].double()) * -1e30
    for number in range(layers):
        base = f"network.bert.encoder.layer.{number}"

        def split(x: Tensor) -> Tensor:
            return x.view(batch, length, heads, width // heads).transpose(1, 2)

        q, k, v = (split(linear(hidden, w, f"{base}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = q @ k.transpose(-1, -2) / math.sqrt(width // heads) + barred
        mixed = (torch.exp(scores - scores.logsumexp(-1, keepdim=True)) @ v).transpose(1, 2).reshape(hidden.shape)
        hidden = layer_norm(
            hidden + linear(mixed, w, f"{base}.attention.output.dense"), w, f"{base}.attention.output.LayerNorm"
        )
        inner = linear(hidden, w, f"{base}.intermediate.dense")
        inner = inner * 0.5 * (1.0 + torch.erf(inner / math.sqrt(2.0)))
        hidden = layer_norm(hidden + linear(inner, w, f"{base}.output.dense"), w, f"{base}.output.LayerNorm")
    pooled = torch.tanh(linear(hidden[:, 0], w, "network.bert.pooler.dense"))
    return linear(pooled, w, "network.classifier")


def cross_entropy(z: Tensor, y: Tensor) -> Tensor:
    return (z.logsumexp(-1) - z[torch.arange(len(y)), y]).mean()
