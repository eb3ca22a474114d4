"""Oracles for victims, sentence encoders and masked LMs; a victim is a classifier or a function from text to logits."""

from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.encoder import Encoder, SentenceEncoder
from benchmark.attacks.engine.oracles import Cosines, Tier, TieredOracle, TopK, Values
from benchmark.attacks.precision import batched
from benchmark.attacks.token_predictions import MARGIN as MASKED_LM_MARGIN
from benchmark.attacks.token_predictions import MaskedLM

if TYPE_CHECKING:
    from benchmark.models.classifier import Classifier

Logits = NDArray[np.float32]

Victim = Callable[[Sequence[tuple[str, ...]]], Logits]
"""Returns logits, shape (texts, classes), for tuples of one or two texts; deterministic, and it batches by itself."""


class ModelVictim:
    """A classifier under attack.

    Texts are classified in bfloat16 first if that is faster on this machine, and again in float32 if a decision is
    still open.

    Attributes:
        model: The classifier, in eval mode.
        tokens_per_batch: Padded tokens in a batch.
    """

    def __init__(self, model: "Classifier", *, tokens_per_batch: int = 1024) -> None:
        """Store the model.

        Args:
            model: The classifier, in eval mode.
            tokens_per_batch: Padded tokens in a batch.
        """
        self.model = model
        self.tokens_per_batch = tokens_per_batch

    def __call__(self, texts: Sequence[tuple[str, ...]]) -> Logits:
        """Compute logits in full batches, float32."""
        return self._classify(self.model, texts, self.tokens_per_batch)

    def tiers(self) -> list[Tier]:
        """Return the tiers: full batches in bfloat16 if that is faster, full float32 batches, and single texts."""
        from benchmark.models.packed_linear import summary_only

        copies = batched(self.model, str(self.model.device))
        fast = [model if model is self.model else summary_only(model) for model in copies]
        return [*(self._tier(model, self.tokens_per_batch) for model in fast), self._tier(self.model, 1)]

    def _tier(self, model: "Classifier", tokens: int) -> Tier:
        return lambda texts: self._classify(model, texts, tokens)  # type: ignore[arg-type]  # a victim's items are texts

    @staticmethod
    def _classify(model: "Classifier", texts: Sequence[tuple[str, ...]], tokens: int) -> Logits:
        from benchmark.models.inference import predict_logits

        # Each call forms new batches, so reading_mask must remove any dependence of a text's logits on its batch.
        with model.reading_mask():
            return predict_logits(model, texts, tokens_per_batch=tokens)


def victim_oracle(victim: Victim) -> TieredOracle:
    """Create the oracle of a victim; the answers of a plain function count as exact."""
    if isinstance(victim, ModelVictim):
        return TieredOracle(_single_threaded_last(victim.tiers()))
    return TieredOracle([_checked(victim)])


def encoder_oracle(encoder: Encoder) -> TieredOracle:
    """Create the oracle of a sentence encoder's cosines."""
    tiers = encoder.tiers() if isinstance(encoder, SentenceEncoder) else [encoder.encode]
    return TieredOracle(_single_threaded_last([Cosines(encode) for encode in tiers]))


def masked_lm_oracle(model: MaskedLM) -> TieredOracle:
    """Create the oracle of a masked LM's most likely tokens."""
    return TieredOracle(_single_threaded_last(model.tiers()), least=MASKED_LM_MARGIN)


def _single_threaded_last(tiers: Sequence[Tier]) -> list[Tier]:
    """Run the last tier on one thread, because the last bits of a sum depend on the number of threads."""
    *others, last = tiers

    def alone(items: Sequence[Hashable]) -> list[Values | TopK]:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return list(last(items))
        finally:
            torch.set_num_threads(threads)

    return [*others, alone]


def _checked(victim: Victim) -> Tier:
    def classify(texts: Sequence[Hashable]) -> Logits:
        answers = np.asarray(victim(texts), dtype=np.float32)  # type: ignore[arg-type]  # a victim's items are texts
        if answers.ndim != 2 or len(answers) != len(texts):
            raise ValueError(f"the victim returned logits of shape {answers.shape} for {len(texts)} texts")
        return answers

    return classify
