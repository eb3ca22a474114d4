"""Victims as oracles: a trained classifier, or any function from texts to logits."""

import copy
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.encoder import Encoder, SentenceEncoder, bfloat16_is_quicker
from benchmark.attacks.engine.oracles import Cosines, Tier, Tiered
from benchmark.attacks.spec import Victim
from benchmark.models.classifier import Classifier

Logits = NDArray[np.float32]


class ModelVictim:
    """A classifier under attack.

    Attributes:
        model: In eval mode.
        quick: Whether questions are asked in bfloat16 first, and again in float32 where that leaves anything open.
    """

    def __init__(self, model: Classifier, *, quick: bool | None = None, tokens_per_batch: int = 1024) -> None:
        """Take a model.

        Args:
            model: The victim.
            quick: None leaves it to the machine: yes where bfloat16 is quicker.
            tokens_per_batch: Padded tokens in a batch.
        """
        self.model = model
        self._tokens = tokens_per_batch
        self.quick = bfloat16_is_quicker(model.device.type) if quick is None else quick

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> Logits:
        """Logits in full batches, float32."""
        return self._ask(self.model, texts, self._tokens)

    def tiers(self) -> list[Tier]:
        """Full batches in bfloat16 where that is quicker, full batches in float32, and each text alone."""
        quick = [self._tier(_in_bfloat16(self.model), self._tokens)] if self.quick else []
        return [*quick, self._tier(self.model, self._tokens), self._tier(self.model, 1)]

    def _tier(self, model: Classifier, tokens: int) -> Tier:
        return lambda texts: self._ask(model, texts, tokens)  # type: ignore[arg-type]  # a victim's items are texts

    @staticmethod
    def _ask(model: Classifier, texts: Sequence[tuple[str, ...]], tokens: int) -> Logits:
        from benchmark.models.inference import predict_logits

        return predict_logits(model, texts, tokens_per_batch=tokens)


def victim_oracle(victim: Victim) -> Tiered:
    """An oracle of a victim; what a plain function says is taken for exact."""
    if isinstance(victim, ModelVictim):
        return Tiered(victim.tiers())
    return Tiered([_checked(victim)])


def encoder_oracle(encoder: Encoder) -> Tiered:
    """An oracle of a sentence encoder's cosines."""
    tiers = encoder.tiers() if isinstance(encoder, SentenceEncoder) else [encoder.encode]
    return Tiered([Cosines(encode) for encode in tiers])


def _in_bfloat16(model: Classifier) -> Classifier:
    import torch

    return copy.deepcopy(model).to(torch.bfloat16).eval()


def _checked(victim: Victim) -> Tier:
    def ask(texts: Sequence[Hashable]) -> Logits:
        answers = np.asarray(victim(texts), dtype=np.float32)  # type: ignore[arg-type]  # a victim's items are texts
        if answers.ndim != 2 or len(answers) != len(texts):
            raise ValueError(f"the victim gave logits of shape {answers.shape} for {len(texts)} texts")
        return answers

    return ask
