"""A victim as TextAttack wants it. Importing this module imports TextAttack, which takes seconds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.spec import Victim
from benchmark.attacks.textattack.importing import load_textattack

load_textattack()

# TextAttack may be imported only after the call above.
from textattack.models.wrappers import ModelWrapper  # noqa: E402


class VictimWrapper(ModelWrapper):  # type: ignore[misc]  # TextAttack has no types
    """Probabilities in float64, and no text asked twice within an example.

    Attributes:
        logits: What the victim said about each text since the last `clear`.
    """

    def __init__(self, victim: Victim) -> None:
        self.model = victim
        self.logits: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def clear(self) -> None:
        """Forget all answers."""
        self.logits.clear()

    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]]) -> NDArray[np.float64]:
        """Probabilities of the classes, shape (texts, classes).

        Raises:
            ValueError: the victim's answer has another shape or is not finite.
        """
        texts = [(text,) if isinstance(text, str) else tuple(text) for text in text_input_list]
        missing = [text for text in dict.fromkeys(texts) if text not in self.logits]
        if missing:
            answers = np.asarray(self.model(missing), dtype=np.float32)
            if answers.ndim != 2 or len(answers) != len(missing):
                raise ValueError(f"the victim gave logits of shape {answers.shape} for {len(missing)} texts")
            if not np.isfinite(answers).all():
                raise ValueError("the victim gave logits that are not finite")
            self.logits.update(zip(missing, answers, strict=True))
        logits = np.stack([self.logits[text] for text in texts]).astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)
