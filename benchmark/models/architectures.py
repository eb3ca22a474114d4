"""Table of model families: everything that the code knows about one.

There is one row per family: the six of the RoAST paper, further encoders, and decoders. Families with BERT's attribute
names need no row, but some methods and attacks need what only a row says. Nothing else tests for a family by its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from torch import nn

from benchmark.schema.errors import UsageError, nearest

ChildModule: TypeAlias = tuple[nn.Module, str]
"""A module and the name of one of its children, so that the child can be read or replaced."""


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Facts about one model family; by default a fact is unknown or does not hold.

    Attributes:
        embedding: Path in the base model of the module whose output is the embedding layer's output.
        words: Path of the table of word embeddings, before positions, token types and normalisation are added.
        blocks: Path of the list of transformer blocks.
        scaled_words: Whether the embedding layer multiplies word embeddings by the square root of the width.
        summary: Token that the classification head reads, unless the configuration says that it reads their mean.
        time_major: Whether hidden states are (length, batch, width) inside the family's code.
        padding_side: Side on which the family's code expects padding; it overrides the tokenizer's setting. Absolute
            positions are counted from the first token, so padding belongs on the right.
        attention: Pattern of the path inside a block of the module that returns attention probabilities.
        feedforward: Pattern of the path inside a block of the dropout after the feed-forward layer or, if the family
            has no such module, of the linear layer at its end.
        query_value: Patterns of the paths inside a block of the linear layers that compute queries and values; one
            layer where the family computes them, and the keys, together.
        intermediate: Whether each block has weights of its own and BERT's parts `intermediate` and `output`.
        positions_after_padding: Whether positions are counted from after the padding token's id, so that the first
            rows of the table are unused.
        token_types_are_words: Whether token types are embedded with the table of words, so that they cannot be used.
        causal: Whether the model is a decoder: a token sees only the tokens before it, the classification head is the
            linear layer `score`, and a prompt's language model predicts the next word instead of filling a mask.
        masked_lm_keys: Names of the published masked-LM head, as patterns, and their replacements in the library's
            older class, because the newer class ties the wrong weights; None where the newer class is right.
        continues_word: Mark of tokens that continue a word.
        begins_word: Mark of tokens that begin a word.
    """

    embedding: str
    words: str
    blocks: str
    scaled_words: bool = False
    summary: Literal["first", "last"] = "first"
    time_major: bool = False
    padding_side: Literal["left", "right"] = "right"
    attention: str | None = None
    feedforward: str | None = None
    query_value: tuple[str, ...] = ()
    intermediate: bool = False
    positions_after_padding: bool = False
    token_types_are_words: bool = False
    causal: bool = False
    masked_lm_keys: Mapping[str, str] | None = None
    continues_word: str | None = None
    begins_word: str | None = None


_COMMON = Architecture(embedding="embeddings", words="embeddings.word_embeddings", blocks="encoder.layer")
"""Attribute paths of BERT, which are tried for a family without a row."""

_LIKE_BERT = replace(
    _COMMON,
    attention="attention.self",
    feedforward="output.dropout",
    query_value=("attention.self.query", "attention.self.value"),
    intermediate=True,
)

_LIKE_DEBERTA = replace(
    _LIKE_BERT,
    masked_lm_keys={
        r"^lm_predictions\.lm_head\.(dense|LayerNorm)\.": r"cls.predictions.transform.\1.",
        r"^lm_predictions\.lm_head\.bias$": "cls.predictions.bias",
    },
)

_LIKE_LLAMA = Architecture(
    embedding="embed_tokens",
    words="embed_tokens",
    blocks="layers",
    summary="last",
    attention="self_attn",
    feedforward="mlp.down_proj",
    query_value=("self_attn.q_proj", "self_attn.v_proj"),
    causal=True,
)

ARCHITECTURES: dict[str, Architecture] = {
    "bert": replace(_LIKE_BERT, continues_word="##"),
    "roberta": replace(_LIKE_BERT, positions_after_padding=True, begins_word="Ġ"),
    "xlm-roberta": replace(_LIKE_BERT, positions_after_padding=True),
    "electra": replace(_LIKE_BERT, continues_word="##"),
    "deberta": replace(_LIKE_DEBERTA, query_value=("attention.self.in_proj",)),
    "deberta-v2": replace(_LIKE_DEBERTA, query_value=("attention.self.query_proj", "attention.self.value_proj")),
    "distilbert": replace(
        _COMMON,
        blocks="transformer.layer",
        attention="attention",
        feedforward="ffn.dropout",
        query_value=("attention.q_lin", "attention.v_lin"),
        continues_word="##",
    ),
    # ALBERT shares one group of weights between its layers, so that group is its only block.
    "albert": replace(
        _COMMON,
        blocks="encoder.albert_layer_groups",
        attention="albert_layers.*.attention",
        feedforward="albert_layers.*.ffn_output",
        query_value=("albert_layers.*.attention.query", "albert_layers.*.attention.value"),
    ),
    "xlnet": Architecture(
        embedding="word_embedding",
        words="word_embedding",
        blocks="layer",
        summary="last",
        time_major=True,
        padding_side="left",
        attention="rel_attn",
        feedforward="ff.layer_2",
    ),
    "gpt2": Architecture(
        embedding="drop",
        words="wte",
        blocks="h",
        summary="last",
        attention="attn",
        feedforward="mlp.dropout",
        query_value=("attn.c_attn",),
        token_types_are_words=True,
        causal=True,
    ),
    "mpnet": replace(
        _LIKE_BERT,
        attention="attention.attn",
        query_value=("attention.attn.q", "attention.attn.v"),
        continues_word="##",
    ),
    "modernbert": Architecture(
        embedding="embeddings",
        words="embeddings.tok_embeddings",
        blocks="layers",
        attention="attn",
        feedforward="mlp.Wo",
        query_value=("attn.Wqkv",),
        begins_word="Ġ",
    ),
    "llama": _LIKE_LLAMA,
    "qwen2": _LIKE_LLAMA,
    "qwen3": _LIKE_LLAMA,
    "gemma": replace(_LIKE_LLAMA, scaled_words=True),
    "gemma2": replace(_LIKE_LLAMA, scaled_words=True),
    "gemma3_text": replace(_LIKE_LLAMA, scaled_words=True),
}

_POSITIONS_AFTER_PADDING = (
    "camembert", "data2vec-text", "longformer", "roberta-prelayernorm", "xlm-roberta-xl", "xmod",
)  # fmt: skip
"""Families without a row that count positions from after the padding token's id."""


def family_facts(model_type: str) -> Architecture:
    """Return the row of a Hugging Face ``config.model_type``, or what families without a row are taken for."""
    return ARCHITECTURES.get(model_type, _COMMON)


def unused_positions(model_type: str, padding: int) -> int:
    """Count the rows of a family's table of positions that no token uses, given the padding token's id."""
    if family_facts(model_type).positions_after_padding or model_type in _POSITIONS_AFTER_PADDING:
        return padding + 1
    return 2 if model_type == "mpnet" else 0


def architecture_of(model_type: str, base: nn.Module) -> Architecture:
    """Look up a Hugging Face ``config.model_type`` and check that the base model has the parts.

    Raises:
        UsageError: the family has no row here and does not have BERT's attribute names.
    """
    architecture = family_facts(model_type)
    for path in (architecture.embedding, architecture.words, architecture.blocks):
        try:
            base.get_submodule(path)
        except AttributeError:
            raise UsageError(
                f"Model family {model_type!r} is not supported: it has no {path!r}. Add its row to "
                f"benchmark/models/architectures.py. {nearest(model_type, ARCHITECTURES)}"
            ) from None
    return architecture


def submodule(root: nn.Module, path: str) -> ChildModule:
    """Return the parent module and the child's name of a dotted path."""
    parent, _, name = path.rpartition(".")
    return root.get_submodule(parent), name


def last_linear(network: nn.Module, body: nn.Module) -> ChildModule:
    """Return the last linear layer of `network` outside of its `body`, whose outputs are the logits."""
    inside = set(body.modules())
    linear = [name for name, part in network.named_modules() if isinstance(part, nn.Linear) and part not in inside]
    return submodule(network, linear[-1])
