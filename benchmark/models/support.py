"""Whether a backbone can be used at all, found out before any training."""

import json
from typing import Any

from benchmark.models.backbones import Backbone
from benchmark.schema.errors import UsageError

_PADDED_POSITIONS = {"roberta": 2, "xlm-roberta": 2, "camembert": 2, "mpnet": 2}
"""Positions that a family keeps for itself: its first token stands after the padding index."""


def require_supported(backbone: Backbone, classes: int, max_length: int) -> None:
    """Build the model without memory for its weights and look whether every part is where it should be.

    Raises:
        UsageError: the configuration cannot be read, the family is not supported, or its inputs are too short.
    """
    config = _read_config(backbone)
    positions = config.get("max_position_embeddings") or config.get("n_positions")
    if isinstance(positions, int):
        usable = positions - _PADDED_POSITIONS.get(str(config.get("model_type")), 0)
        if usable < max_length:
            raise UsageError(
                f"Backbone {backbone.name!r} reads at most {usable} tokens and the suite asks for max_length "
                f"{max_length}; choose another backbone or lower max_length in a copy of the suite."
            )
    _build(backbone, classes)


def _read_config(backbone: Backbone) -> dict[str, Any]:
    path = backbone.path / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"Backbone {backbone.name!r}: {path} cannot be read ({error}).") from error
    if not isinstance(config, dict):
        raise UsageError(f"Backbone {backbone.name!r}: {path} is not a JSON object.")
    return config


def _build(backbone: Backbone, classes: int) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    from benchmark.models.classifier import Classifier

    try:
        config = AutoConfig.from_pretrained(str(backbone.path), num_labels=classes, trust_remote_code=False)
        with torch.device("meta"):
            network = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        first = str(error).strip().partition("\n")[0]
        raise UsageError(f"Backbone {backbone.name!r} is not a model that can be fine-tuned here: {first}") from error
    Classifier(network, None, max_length=8)
