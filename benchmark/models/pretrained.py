"""Load tokenizers and networks from a backbone's folder: safetensors only, no pickle, no remote code."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from benchmark.models.architectures import family_facts
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
    """Load the folder's configuration, with some settings replaced.

    ModernBERT is not compiled on a GPU, because a compiled module would not notice that a method replaces a part of it.
    Decoders keep no keys and values for further tokens.
    """
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False, **settings)
    if hasattr(config, "reference_compile"):
        config.reference_compile = False
    if family_facts(config.model_type).causal:
        config.use_cache = False
    return config


def load_with_head(folder: Path, config: Any) -> nn.Module:
    """Load the body with the family's classification head: the folder's, or a new one from torch's generator.

    A pooler counts as part of the head, since many checkpoints of masked LMs have none.

    Raises:
        UsageError: the checkpoint lacks weights of the body, which would be random.
    """
    from transformers import AutoModelForSequenceClassification

    network, missing = load_network(AutoModelForSequenceClassification, folder, config)
    body = f"{network.base_model_prefix}."
    names = [name for name in without_value(network, missing) if name.startswith(body)]
    if lost := [name for name in names if not name.startswith(f"{body}pooler.")]:
        raise UsageError(
            f"The checkpoint in {folder} is not a complete {type(network).__name__}: it has no {lost[0]!r} (one of "
            f"{len(lost)} missing weights). Download or export it again."
        )
    return cast(nn.Module, network)


def load_causal_lm(folder: Path) -> nn.Module:
    """Load a causal language model in eval mode; its output layer is `lm_head`, often the table of word embeddings.

    Raises:
        UsageError: the checkpoint has no output layer.
    """
    from transformers import AutoModelForCausalLM

    network, absent = load_network(AutoModelForCausalLM, folder, load_config(folder))
    if missing := without_value(network, absent):
        raise UsageError(
            f"The backbone in {folder} is not a language model: its checkpoint has no {missing[0]!r}. Use a backbone "
            "that was published with its head."
        )
    return cast(nn.Module, network)


def load_network(auto: Any, folder: Path, config: Any, **options: object) -> tuple[Any, set[str]]:
    """Load a network in fp32 with a class of transformers such as ``AutoModel``.

    Returns:
        The network, and the names of its parameters and buffers that the checkpoint does not have.
    """
    with quiet_transformers():
        network, loading = auto.from_pretrained(
            str(folder),
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **options,
        )
    return network, set(loading["missing_keys"])


def without_value(network: nn.Module, missing: set[str]) -> list[str]:
    """Return the missing parameters that are not tied to a loaded one."""
    named = dict(network.named_parameters(remove_duplicate=False))
    valued = {id(value) for name, value in named.items() if name not in missing}
    return sorted(name for name in missing if name in named and id(named[name]) not in valued)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hide the library's messages, such as that a head is missing, which Temper handles, and its progress bars."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
