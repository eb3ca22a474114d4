"""Check before training whether a backbone can be used: its network and tokenizer together."""

import inspect
import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

from benchmark.models.architectures import family_facts, unused_positions
from benchmark.models.backbones import Backbone
from benchmark.schema.errors import UsageError

_ODD_TEXTS: tuple[tuple[str, ...], ...] = (
    ("",),
    ("good",),
    ("Ünïcode, 電影 😀 and <b>tags</b>!",),
    ("A film that takes its time, and then takes ours: two hours that feel like three.",),
    ("A film.", "It is a film that takes its time."),
    ("", "good"),
)
_LONG_TEXT = ("word, " * 5000,)

_TOLERANCE = 1e-4
"""Maximum difference of two outputs that counts as rounding, relative to the largest; MiniLM has 1e-6."""

_GRADIENT_NEEDED = (
    "Methods that perturb inputs would do nothing, and the gradient-masking checks would be void. Use another "
    "backbone, or remove a classification head of zeros from its weights."
)


def require_supported(backbone: Backbone, classes: int, max_length: int) -> None:
    """Load a backbone, encode a few unusual texts, run them alone and in one batch, and differentiate its loss.

    Otherwise its faults would appear in training and be attributed to every method. torch's random state is kept.

    Raises:
        UsageError: the backbone cannot be used; the message says why in one sentence.
    """
    from benchmark.models.pretrained import quiet_transformers

    config = _read_config(backbone)
    with quiet_transformers():
        tokenizer = _tokenizer(backbone)
        _require_padding(backbone, config, tokenizer)
        _require_positions(backbone, config, int(tokenizer.pad_token_id), max_length)
        model = _model(backbone, classes, max_length)
        _require_inputs(backbone, model)
        _require_independence(backbone, model)
        _require_gradient(backbone, model)


def _read_config(backbone: Backbone) -> dict[str, Any]:
    path = backbone.path / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"Backbone {backbone.name!r}: {path} cannot be read ({error}).") from error
    if not isinstance(config, dict):
        raise UsageError(f"Backbone {backbone.name!r}: {path} is not a JSON object.")
    return config


def _tokenizer(backbone: Backbone) -> Any:
    from benchmark.models.pretrained import load_tokenizer

    try:
        return load_tokenizer(backbone.path)
    except Exception as error:  # the libraries raise many types, including plain Exception
        pieces = sorted(path.name for path in backbone.path.glob("*.model"))
        missing = [package for package in ("sentencepiece", "google.protobuf") if not _installed(package)]
        if pieces and missing and not (backbone.path / "tokenizer.json").is_file():
            raise UsageError(
                f"Backbone {backbone.name!r}: its tokenizer is a sentencepiece model ({pieces[0]}), and a package that "
                "reads it is not installed. Run `pip install sentencepiece protobuf`."
            ) from error
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer cannot be loaded ({_first_line(error)}). Put the tokenizer "
            "files that the model was published with into its folder."
        ) from error


def _installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # raised for a missing parent package
        return False


def _require_padding(backbone: Backbone, config: dict[str, Any], tokenizer: Any) -> None:
    pad, declared = tokenizer.pad_token_id, config.get("pad_token_id")
    if pad is None:
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer has neither a padding token nor an end-of-text token to pad "
            "with. Name a `pad_token` of its vocabulary in tokenizer_config.json."
        )
    if isinstance(declared, int) and declared != pad and tokenizer.pad_token != tokenizer.eos_token:
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer pads with token {pad} ({tokenizer.pad_token!r}) and its "
            f"config.json says pad_token_id {declared}: the tokenizer belongs to another model. Add the model's own."
        )


def _require_positions(backbone: Backbone, config: dict[str, Any], pad: int, max_length: int) -> None:
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if not isinstance(positions, int):
        return
    unused = unused_positions(str(config.get("model_type")), pad)
    if positions - unused < max_length:
        raise UsageError(
            f"Backbone {backbone.name!r} reads at most {positions - unused} tokens and the suite asks for max_length "
            f"{max_length}; choose another backbone or lower max_length in a copy of the suite."
        )


def _model(backbone: Backbone, classes: int, max_length: int) -> Any:
    import torch

    from benchmark.models.classifier import Classifier

    try:
        with torch.random.fork_rng(devices=[]):
            return Classifier.from_pretrained(backbone.path, classes, max_length).eval()
    except UsageError:
        raise
    except Exception as error:  # as for the tokenizer
        raise UsageError(
            f"Backbone {backbone.name!r} is not a model that can be fine-tuned here: {_first_line(error)}"
        ) from error


def _require_inputs(backbone: Backbone, model: Any) -> None:
    """Check that the network accepts the tokenizer's outputs."""
    network, config = model.network, model.network.config
    accepted = inspect.signature(network.forward).parameters
    encoded = [model.tokenise(texts) for texts in (*_ODD_TEXTS, _LONG_TEXT)]
    if "attention_mask" not in encoded[0]:
        raise UsageError(f"Backbone {backbone.name!r}: its tokenizer returns no attention_mask. {_names_of_inputs()}")
    for name in encoded[0]:
        if name not in accepted:
            raise UsageError(
                f"Backbone {backbone.name!r}: its tokenizer returns {name}, which {type(network).__name__} does not "
                f"accept. {_names_of_inputs()}"
            )
    if "token_type_ids" in encoded[0] and family_facts(model.family).token_types_are_words:
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer returns token_type_ids, which GPT-2 adds to every position "
            f"like words. {_names_of_inputs()}"
        )
    rows, highest = len(model.word_table), max(_reachable(model.tokenizer))
    if highest >= rows:
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer has token ids up to {highest} and the model embeds {rows} "
            "tokens, so the tokenizer belongs to another model or has added tokens. Add the model's own."
        )
    types = getattr(config, "type_vocab_size", 0) or 0
    used = max(max(numbers.get("token_type_ids", [0])) for numbers in encoded)
    if 0 < types <= used:
        raise UsageError(
            f"Backbone {backbone.name!r}: its tokenizer assigns token type {used} to a part of a pair of texts, but "
            f"the model has only types below {types}. Put the model's own tokenizer into the folder."
        )


def _reachable(tokenizer: Any) -> set[int]:
    """Return the token ids that a text can have, without special tokens without a role, such as XLNet's <eop>."""
    special = {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    roles = {getattr(tokenizer, f"{role}_token_id") for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")}
    return (set(tokenizer.get_vocab().values()) - special) | (roles - {None})


def _names_of_inputs() -> str:
    return "Correct `model_input_names` or `tokenizer_class` in its tokenizer_config.json."


def _require_independence(backbone: Backbone, model: Any) -> None:
    """Compare the outputs for single texts with those for the same texts in one padded batch.

    Outputs are logits and, since a new head may hardly depend on it, the hidden state that the head reads.
    """
    import numpy as np

    try:
        alone = [np.concatenate(outputs) for outputs in zip(*(_outputs(model, [t]) for t in _ODD_TEXTS), strict=True)]
        together = _outputs(model, _ODD_TEXTS)
        longest = _outputs(model, [_LONG_TEXT])
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        raise UsageError(
            f"Backbone {backbone.name!r} cannot process a text that its own tokenizer encoded: {_first_line(error)}. "
            "Check that its tokenizer fits its config.json."
        ) from error
    if not all(np.isfinite(output).all() for output in (*together, *longest)):
        raise UsageError(
            f"Backbone {backbone.name!r} returns logits that are not finite: its weights are damaged. Fetch it again."
        )
    for single, batched in zip(alone, together, strict=True):
        if np.abs(single - batched).max() > _TOLERANCE * np.abs(single).max():
            raise UsageError(
                f"Backbone {backbone.name!r} returns other logits if a text is padded, so results would depend on the "
                "batch: its code lets padding reach real tokens, as MobileBERT's does, which embeds every token with "
                "its neighbours. Choose another backbone."
            )


def _outputs(model: Any, texts: Sequence[Sequence[str]]) -> tuple[Any, Any]:
    """Return logits and the hidden states that the head reads."""
    import torch

    batch = model.encode(texts)
    with torch.inference_mode(), model.watching_hidden() as seen:
        logits = model(batch)
        return logits.numpy(), model.summary(batch, seen.last).numpy()


def _require_gradient(backbone: Backbone, model: Any) -> None:
    """Check that the loss of each text has a finite gradient by its embeddings that is not zero."""
    import numpy as np

    from benchmark.models.inference import inspect_model

    try:
        largest = inspect_model(model, _ODD_TEXTS, [0] * len(_ODD_TEXTS)).gradients
    except RuntimeError as error:
        raise UsageError(
            f"Backbone {backbone.name!r}: its logits have no gradient by the embeddings ({_first_line(error)}). "
            f"{_GRADIENT_NEEDED}"
        ) from error
    if not np.isfinite(largest).all() or not largest.all():
        kind = "zero" if np.isfinite(largest).all() else "not finite"
        raise UsageError(
            f"Backbone {backbone.name!r}: the gradient of the loss by the embeddings is {kind}. {_GRADIENT_NEEDED}"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
