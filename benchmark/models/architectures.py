"""Table of model families: attribute paths of the parts that fine-tuning methods work on.

There is one row per family: the six of the RoAST paper, DistilBERT and GPT-2. Families with BERT's attribute names need
no row. A row holds the paths inside the base model of (1) the module whose output is the embedding layer's output,
(2) the table of word embeddings, (3) the list of transformer blocks, and which token the classification head reads.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import nn

from benchmark.schema.errors import UsageError, nearest

ChildModule: TypeAlias = tuple[nn.Module, str]
"""A module and the name of one of its children, so that the child can be read or replaced."""


@dataclass(frozen=True)
class Architecture:
    """Attribute paths of one model family.

    Attributes:
        embedding: Module whose output is the embedding layer's output.
        words: Table of word embeddings, before positions, token types and normalisation are added.
        blocks: List of transformer blocks.
        summary: Token that the classification head reads.
        time_major: Whether hidden states are (length, batch, width) inside the family's code.
        padding_side: Side on which the family's code expects padding; it overrides the tokenizer's setting. Absolute
            positions are counted from the first token, so padding belongs on the right.
    """

    embedding: str
    words: str
    blocks: str
    summary: Literal["first", "last"] = "first"
    time_major: bool = False
    padding_side: Literal["left", "right"] = "right"


ARCHITECTURES: dict[str, Architecture] = {
    "bert": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "roberta": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "xlm-roberta": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "electra": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "deberta": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "deberta-v2": Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer"),
    "distilbert": Architecture("embeddings", "embeddings.word_embeddings", "transformer.layer"),
    # ALBERT shares one group of weights between its layers, so that group is its only block.
    "albert": Architecture("embeddings", "embeddings.word_embeddings", "encoder.albert_layer_groups"),
    "xlnet": Architecture("word_embedding", "word_embedding", "layer", "last", True, "left"),
    "gpt2": Architecture("drop", "wte", "h", "last"),
}


LIKE_BERT = ("bert", "roberta", "xlm-roberta", "electra", "deberta", "deberta-v2")
"""Families whose blocks have BERT's parts `attention`, `intermediate` and `output`, without shared weights."""

_COMMON = Architecture("embeddings", "embeddings.word_embeddings", "encoder.layer")
"""Attribute paths of BERT, which are tried for a family without a row."""


def architecture_of(model_type: str, base: nn.Module) -> Architecture:
    """Look up a Hugging Face ``config.model_type`` and check that the base model has the parts.

    Raises:
        UsageError: the family has no row here and does not have BERT's attribute names.
    """
    architecture = ARCHITECTURES.get(model_type, _COMMON)
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
