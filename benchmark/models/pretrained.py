"""Load tokenizers and networks from a backbone's folder: safetensors only, no pickle, no remote code."""

from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from benchmark.schema.errors import UsageError


def load_tokenizer(folder: Path) -> Any:
    """Load the folder's tokenizer; without a padding token it pads with the end-of-text token."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def placeholder_token(tokenizer: Any) -> int:
    """Return the token that represents an empty text: the start token, or otherwise another special token.

    Raises:
        UsageError: the tokenizer has no special token.
    """
    for name in ("bos", "cls", "eos", "sep", "pad", "unk"):
        token = getattr(tokenizer, f"{name}_token_id")
        if token is not None:
            return int(token)
    raise UsageError(f"{type(tokenizer).__name__} has no special token, so an empty text would have no token.")


def load_config(folder: Path, **settings: object) -> Any:
    """Load the folder's configuration, with some settings replaced."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder), trust_remote_code=False, **settings)


def load_with_head(folder: Path, config: Any) -> nn.Module:
    """Load the body with the family's classification head: the folder's, or a new one from torch's generator."""
    from transformers import AutoModelForSequenceClassification

    network = AutoModelForSequenceClassification.from_pretrained(
        str(folder), config=config, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return cast(nn.Module, network)


def load_causal_lm(folder: Path) -> nn.Module:
    """Load a causal language model in eval mode; its output layer is the table of word embeddings."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(
        str(folder), trust_remote_code=False, use_safetensors=True, dtype=torch.float32
    )
    return cast(nn.Module, network)
