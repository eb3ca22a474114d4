"""Masked language models: a backbone with its pre-trained head, or with the packaged head for it."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import family_facts
from benchmark.models.backbones import Backbone
from benchmark.models.pretrained import load_config, load_network, without_value
from benchmark.resources import load_manifest, locate, resource_fingerprint
from benchmark.schema.errors import IntegrityError, UsageError, nearest

PACKAGED_HEADS = {"artifact:minilm": "minilm-masked-lm"}
"""Resources with a masked-LM head for packaged backbones that lack one, by the backbone's source."""

_UP, _DOWN = ".up", ".down"


def packaged_head(backbone: Backbone) -> Path | None:
    """Return the file of the packaged masked-LM head of a backbone; None if there is no packaged head.

    Raises:
        IntegrityError: the file is missing or changed.
    """
    name = PACKAGED_HEADS.get(backbone.source)
    return None if name is None else locate(name) / Path(load_manifest()[name].file).name


def head_fingerprints(backbone: Backbone) -> dict[str, str]:
    """Return the hash of the packaged head by resource name; empty without a packaged head."""
    name = PACKAGED_HEADS.get(backbone.source)
    return {} if name is None else {name: resource_fingerprint(name)}


def load_masked_lm(folder: Path, head: Path | None = None) -> nn.Module:
    """Load a masked LM in eval mode, in the Hugging Face class of its family, such as ``BertForMaskedLM``.

    Args:
        folder: Backbone: config.json and weights in safetensors. Neither pickle files nor remote code are loaded.
        head: Tensors in safetensors that replace those of the folder (see `packaged_head`). A tensor replaces that of
            the same name in the state dict; the product of a pair ``NAME.up`` (rows, rank) and ``NAME.down``
            (rank, columns) is added to ``NAME``.

    Returns:
        A network with ``config``, ``base_model`` and, called with token ids, ``logits`` of shape
        (batch, length, vocabulary).

    Raises:
        UsageError: the family has no masked-LM class, or neither the checkpoint nor `head` has a head.
        IntegrityError: the head does not fit this backbone.
    """
    from transformers import AutoModelForMaskedLM

    config = load_config(folder)
    _require_family(config, folder)
    keys = family_facts(config.model_type).masked_lm_keys
    if keys is not None:
        config.legacy = True
    key_mapping = None if keys is None else dict(keys)
    network, absent = load_network(AutoModelForMaskedLM, folder, config, key_mapping=key_mapping)
    replaced = set() if head is None else _apply_head(network, head)
    missing = without_value(network, absent - replaced)
    if missing:
        raise UsageError(
            f"The backbone in {folder} is not a masked LM: its checkpoint has no masked-LM head ({missing[0]!r} is one "
            f"of {len(missing)} missing weights). Use a backbone that was published with its head."
        )
    return cast(nn.Module, network.eval())


@contextmanager
def predicting_only(network: nn.Module, where: Tensor, vocabulary: Tensor | None = None) -> Iterator[None]:
    """Restrict the logits of `network` to some positions and words, shape (positions, words).

    The body runs unchanged. The head, whose decoder is as large as the vocabulary, runs only on the selected positions
    and words. Gradients flow.

    Args:
        network: Network from `load_masked_lm`.
        where: True at the positions to predict, shape (batch, length); the result is in row-major order.
        vocabulary: Token ids to predict, shape (words,); all of them if None.
    """

    def pick(_body: nn.Module, _inputs: object, output: Any) -> Any:
        return type(output)({**output, "last_hidden_state": output.last_hidden_state[where]})

    with ExitStack() as stack:
        stack.callback(cast(Any, network).base_model.register_forward_hook(pick).remove)
        if vocabulary is not None:
            stack.enter_context(_narrowed(network, vocabulary))
        yield


def logits_at(
    network: nn.Module, tokens: Mapping[str, Tensor], where: Tensor, vocabulary: Tensor | None = None
) -> Tensor:
    """Compute logits at some positions, of all words or of some, shape (positions, words); see `predicting_only`."""
    with predicting_only(network, where, vocabulary):
        logits: Tensor = network(**tokens).logits
    return logits


class _Rows(nn.Module):
    """A linear layer with some rows of another one."""

    def __init__(self, whole: nn.Linear, rows: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = whole.weight[rows], None if whole.bias is None else whole.bias[rows]

    def forward(self, hidden: Tensor) -> Tensor:
        return nn.functional.linear(hidden, self.weight, self.bias)


@contextmanager
def _narrowed(network: nn.Module, rows: Tensor) -> Iterator[None]:
    decoder: nn.Linear = cast(Any, network).get_output_embeddings()
    parent, name = next(
        (module, name) for module in network.modules() for name, child in module.named_children() if child is decoder
    )
    setattr(parent, name, _Rows(decoder, rows))
    try:
        yield
    finally:
        setattr(parent, name, decoder)


def _apply_head(network: nn.Module, head: Path) -> set[str]:
    """Replace the network's tensors by the file's, add its low-rank corrections, and return the replaced names."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(head))
        corrected = {name.removesuffix(_UP) for name in tensors if name.endswith(_UP)}
        with torch.no_grad():
            for name in corrected:
                # Use float64, so that the rounded sum does not depend on the order of addition.
                low_rank = tensors.pop(name + _UP).double() @ tensors.pop(name + _DOWN).double()
                weight = network.get_parameter(name)
                weight.copy_(weight.double() + low_rank)
        unknown = network.load_state_dict(tensors, strict=False).unexpected_keys
    except (SafetensorError, RuntimeError, AttributeError, KeyError, OSError) as error:
        raise IntegrityError(f"The masked-LM head {head} does not fit {type(network).__name__}: {error}") from error
    if unknown:
        raise IntegrityError(
            f"The masked-LM head {head} has a tensor {unknown[0]!r} that {type(network).__name__} lacks."
        )
    return set(tensors)


def _require_family(config: Any, folder: Path) -> None:
    from transformers import AutoModelForMaskedLM

    if type(config) not in AutoModelForMaskedLM._model_mapping:
        known = {family.model_type for family in AutoModelForMaskedLM._model_mapping}
        raise UsageError(
            f"The backbone in {folder} is not a masked LM: the model family {config.model_type!r} has none. "
            f"{nearest(config.model_type, known)}"
        )
