"""BERT-Attack's substitutes as TextAttack finds them. Importing this module imports TextAttack, which takes seconds."""

from typing import Any

import torch

from benchmark.attacks.masked_lm import MaskedLM
from benchmark.attacks.textattack.importing import load_textattack

load_textattack()

# TextAttack may be imported only after the call above.
from textattack.transformations import WordSwapMaskedLM  # noqa: E402


class AskedOnce:
    """A masked LM for TextAttack, which asks about a text anew for each of its words: the last answer is kept."""

    def __init__(self, network: Any) -> None:
        self.config = network.config
        self._network = network
        self._asked: torch.Tensor | None = None
        self._logits: tuple[torch.Tensor] | None = None

    def to(self, _device: object) -> "AskedOnce":
        """Stay where it is; TextAttack would move it to a device of its own choice."""
        return self

    def eval(self) -> "AskedOnce":
        """It is in eval mode."""
        return self

    def __call__(self, **tokens: torch.Tensor) -> tuple[torch.Tensor]:
        """Logits, shape (batch, length, vocabulary), alone in a tuple."""
        ids = tokens["input_ids"]
        if self._logits is None or self._asked is None or not torch.equal(ids, self._asked):
            device = self._network.device
            self._asked = ids
            self._logits = (self._network(**{name: t.to(device) for name, t in tokens.items()})[0],)
        return self._logits


def masked_lm_swaps(model: MaskedLM, candidates: int) -> WordSwapMaskedLM:
    """TextAttack's own transformation, with a masked LM of ours.

    It goes through every combination of a word's pieces, so that more than a handful of candidates takes it minutes a
    word.

    Args:
        model: The masked LM.
        candidates: Likeliest tokens tried for a word, and for each of its pieces.
    """
    return WordSwapMaskedLM(
        method="bert-attack",
        masked_language_model=AskedOnce(model.network),
        tokenizer=model.tokenizer,
        max_length=model.longest,
        max_candidates=candidates,
    )
