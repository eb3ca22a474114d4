"""Victims as oracles: a trained classifier, or any function from texts to logits."""

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.encoder import Encoder, SentenceEncoder
from benchmark.attacks.engine.oracles import Cosines, Ranked, Tier, Tiered, Values
from benchmark.attacks.masked_lm import MARGIN as MASKED_LM_MARGIN
from benchmark.attacks.masked_lm import MaskedLM
from benchmark.attacks.quickness import batched
from benchmark.attacks.spec import Victim

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

Logits = NDArray[np.float32]


class ModelVictim:
    """A classifier under attack.

    Questions are asked in bfloat16 first where the machine is quicker at that, and again in float32 where it leaves
    anything open.

    Attributes:
        model: In eval mode.
        tokens_per_batch: Padded tokens in a batch.
    """

    def __init__(self, model: "Classifier", *, tokens_per_batch: int = 1024) -> None:
        """Take a model.

        Args:
            model: The victim.
            tokens_per_batch: Padded tokens in a batch.
        """
        self.model = model
        self.tokens_per_batch = tokens_per_batch

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> Logits:
        """Logits in full batches, float32."""
        return self._ask(self.model, texts, self.tokens_per_batch)

    def tiers(self) -> list[Tier]:
        """Full batches in bfloat16 where that is quicker, full batches in float32, and each text alone."""
        from benchmark.models.packed_linear import summary_only

        copies = batched(self.model, str(self.model.device))
        quick = [model if model is self.model else summary_only(model) for model in copies]
        return [*(self._tier(model, self.tokens_per_batch) for model in quick), self._tier(self.model, 1)]

    def _tier(self, model: "Classifier", tokens: int) -> Tier:
        return lambda texts: self._ask(model, texts, tokens)  # type: ignore[arg-type]  # a victim's items are texts

    @staticmethod
    def _ask(model: "Classifier", texts: Sequence[tuple[str, ...]], tokens: int) -> Logits:
        from benchmark.models.inference import predict_logits

        # Queries are batched anew each time: a model whose answers depend on the batch cannot be searched.
        with model.reading_mask():
            return predict_logits(model, texts, tokens_per_batch=tokens)


def victim_oracle(victim: Victim) -> Tiered:
    """An oracle of a victim; what a plain function says is taken for exact."""
    if isinstance(victim, ModelVictim):
        return Tiered(_settled(victim.tiers()))
    return Tiered([_checked(victim)])


def encoder_oracle(encoder: Encoder) -> Tiered:
    """An oracle of a sentence encoder's cosines."""
    tiers = encoder.tiers() if isinstance(encoder, SentenceEncoder) else [encoder.encode]
    return Tiered(_settled([Cosines(encode) for encode in tiers]))


def masked_lm_oracle(model: MaskedLM) -> Tiered:
    """An oracle of a masked LM's likeliest tokens."""
    return Tiered(_settled(model.tiers()), least=MASKED_LM_MARGIN)


def _settled(tiers: Sequence[Tier]) -> list[Tier]:
    """Tiers of which the last one runs on one thread: a sum's last bits depend on how many share it."""
    *others, last = tiers

    def alone(items: Sequence[Hashable]) -> list[Values | Ranked]:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return list(last(items))
        finally:
            torch.set_num_threads(threads)

    return [*others, alone]


def _checked(victim: Victim) -> Tier:
    def ask(texts: Sequence[Hashable]) -> Logits:
        answers = np.asarray(victim(texts), dtype=np.float32)  # type: ignore[arg-type]  # a victim's items are texts
        if answers.ndim != 2 or len(answers) != len(texts):
            raise ValueError(f"the victim gave logits of shape {answers.shape} for {len(texts)} texts")
        return answers

    return ask
