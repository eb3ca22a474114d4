"""Masked language models: a backbone with the head that it was pre-trained with, or with the one packaged for it."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from benchmark.models.backbones import Backbone
from benchmark.resources import load_manifest, locate, resource_fingerprint
from benchmark.schema.errors import IntegrityError, UsageError, nearest

PACKAGED_HEADS = {"artifact:minilm": "minilm-masked-lm"}
"""Source of a packaged backbone without a masked-LM head of its own -> the resource that holds one for it."""

_UP, _DOWN = ".up", ".down"
_DEBERTA = ("deberta", "deberta-v2")
_DEBERTA_NAMES = {
    r"^lm_predictions\.lm_head\.(dense|LayerNorm)\.": r"cls.predictions.transform.\1.",
    r"^lm_predictions\.lm_head\.bias$": "cls.predictions.bias",
}
"""DeBERTa's published heads, and their names in the library's older class: the newer one ties the wrong weights."""


def packaged_head(backbone: Backbone) -> Path | None:
    """File of the masked-LM head that Temper carries for a backbone; None where the backbone needs none or has none.

    Raises:
        IntegrityError: the file is missing or changed.
    """
    name = PACKAGED_HEADS.get(backbone.source)
    return None if name is None else locate(name) / Path(load_manifest()[name].file).name


def head_fingerprints(backbone: Backbone) -> dict[str, str]:
    """What using a backbone as a masked LM reads beside it: resource name -> hash; empty without a packaged head."""
    name = PACKAGED_HEADS.get(backbone.source)
    return {} if name is None else {name: resource_fingerprint(name)}


def load_masked_lm(folder: Path, head: Path | None = None) -> nn.Module:
    """Load a masked LM in eval mode: the Hugging Face class of its family, such as ``BertForMaskedLM``.

    Args:
        folder: Backbone: config.json and weights in safetensors; no pickle, no remote code.
        head: Tensors in safetensors that are laid over what the folder has (see `packaged_head`). A tensor under a name
            of the class's state dict replaces that one; a pair ``NAME.up`` (rows, rank) and ``NAME.down``
            (rank, columns) is multiplied and added to it.

    Returns:
        A network with ``config``, ``base_model`` and, called with token ids, ``logits`` of shape
        (batch, length, vocabulary).

    Raises:
        UsageError: the family has no masked-LM class, or the checkpoint has no such head and none is given.
        IntegrityError: the head is not one for this backbone.
    """
    from transformers import AutoConfig, AutoModelForMaskedLM

    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
    _require_family(config, folder)
    deberta = config.model_type in _DEBERTA
    if deberta:
        config.legacy = True
    with _quiet():
        network, found = AutoModelForMaskedLM.from_pretrained(
            str(folder),
            config=config,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            key_mapping=_DEBERTA_NAMES if deberta else None,
        )
    laid = set() if head is None else _lay_over(network, head)
    missing = _without_value(network, set(found["missing_keys"]) - laid)
    if missing:
        raise UsageError(
            f"The backbone in {folder} is no masked LM: its checkpoint has no masked-LM head: {missing[0]!r} is one of "
            f"{len(missing)} missing weights. Take a backbone that was published with its head."
        )
    return cast(nn.Module, network.eval())


@contextmanager
def predicting_only(network: nn.Module, where: Tensor, vocabulary: Tensor | None = None) -> Iterator[None]:
    """Inside, `network` answers with logits of shape (positions, words), of these positions and words only.

    The body runs as always; the head, whose decoder is as large as the vocabulary, runs on nothing that is not asked
    for. Gradients flow.

    Args:
        network: What `load_masked_lm` returned.
        where: True at the positions to predict, shape (batch, length); they answer in row-major order.
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
    """Logits at some positions, of all words or of some: shape (positions, words); see `predicting_only`."""
    with predicting_only(network, where, vocabulary):
        logits: Tensor = network(**tokens).logits
    return logits


class _Rows(nn.Module):
    """Some rows of a linear map."""

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


def _lay_over(network: nn.Module, head: Path) -> set[str]:
    """Replace the network's tensors by the file's, and add its low-rank corrections; returns the names replaced."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(str(head))
        corrected = {name.removesuffix(_UP) for name in tensors if name.endswith(_UP)}
        with torch.no_grad():
            for name in corrected:
                # In float64, so that the rounded sum is the same whatever the order in which it is taken.
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


def _without_value(network: nn.Module, missing: set[str]) -> list[str]:
    """Of parameters that no file had, those that are not tied to one that a file had."""
    named = dict(network.named_parameters(remove_duplicate=False))
    valued = {id(value) for name, value in named.items() if name not in missing}
    return sorted(name for name in missing if name in named and id(named[name]) not in valued)


def _require_family(config: Any, folder: Path) -> None:
    from transformers import AutoModelForMaskedLM

    if type(config) not in AutoModelForMaskedLM._model_mapping:
        known = {family.model_type for family in AutoModelForMaskedLM._model_mapping}
        raise UsageError(
            f"The backbone in {folder} is no masked LM: the model family {config.model_type!r} has none. "
            f"{nearest(config.model_type, known)}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """The library warns of the missing head, which is told in our words or laid over."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
