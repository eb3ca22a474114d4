"""What attacks may not do: small functions, each usable alone, from the cheapest to the most expensive."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.attacks.engine.case import Case
from benchmark.attacks.engine.questions import ENCODER, Answer, Ask
from benchmark.attacks.engine.scored import Scored, above
from benchmark.attacks.tagger import Tagger
from benchmark.attacks.text import AttackedText
from benchmark.lexicons import Lexicon

_BEFORE, _AFTER = 4, 3
"""Words around a word that the tagger sees."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that keeps all rules.

    Attributes:
        text: The text.
        similarity: To the text that it was compared with; None where the attack compares none.
    """

    text: AttackedText
    similarity: Scored | None = None


def modifiable(text: AttackedText, stopwords: Collection[str]) -> list[int]:
    """Numbers of the words that may be replaced: of the attacked column, not replaced yet, and no stop words."""
    return [i for i in text.attacked_words if may_replace(text, i, stopwords)]


def may_replace(text: AttackedText, index: int, stopwords: Collection[str]) -> bool:
    """Whether a text has a word of this number, and it may be replaced."""
    return index in text.attacked_words and index not in text.modified and text.words[index] not in stopwords


def near_enough(lexicon: Lexicon, least: float, original: AttackedText, candidate: AttackedText) -> bool:
    """Whether each word that the last replacement brought has a cosine of at least `least` to the original's."""
    if any(index >= min(len(original.words), len(candidate.words)) for index in candidate.latest):
        return False
    return all(_cosine(lexicon, original.words[i], candidate.words[i]) >= least for i in candidate.latest)


def same_part_of_speech(tagger: Tagger, original: AttackedText, candidate: AttackedText) -> bool:
    """Whether each new word is what the original's was, in the original's context; noun and verb count as one."""
    for index in candidate.latest:
        before = original.words[max(index - _BEFORE, 0) : index]
        after = original.words[index + 1 : index + 1 + _AFTER]
        tags = {tagger.tag((*before, text.words[index], *after))[len(before)] for text in (original, candidate)}
        if len(tags) > 1 and not tags <= {"NOUN", "VERB"}:
            return False
    return True


def few_enough(share: float, original: AttackedText, candidate: AttackedText) -> bool:
    """Whether at most a share of the words, rounded up, are not the original's."""
    words = min(len(original.words), len(candidate.words))
    return candidate.differing(original) <= math.ceil(words * share)


@dataclass(frozen=True, slots=True)
class Similarity:
    """A bound on how far a text may move in the eyes of a sentence encoder.

    Attributes:
        threshold: Least similarity.
        metric: "cosine", or "angular" (1 - angle / pi).
        window: Words around the replaced one that are compared; None for all.
        short_texts: What happens to texts of fewer words than the window: "pass" allows all of them uncompared, as
            TextAttack does, so that they may move any distance; "compare" compares the whole text with the original.
    """

    threshold: float
    metric: str
    window: int | None
    short_texts: str = "pass"

    @property
    def least_cosine(self) -> float:
        """The threshold as a cosine; the angle descends with it, so both order alike."""
        # An angular similarity is never below 0, so that a lower threshold bounds nothing.
        return math.cos(math.pi * (1 - max(self.threshold, 0))) if self.metric == "angular" else self.threshold

    def keep(self, case: Case, reference: AttackedText, texts: Sequence[AttackedText]) -> Ask[list[Candidate]]:
        """Ask for the texts that are similar enough, with their similarities.

        Args:
            case: The example.
            reference: What texts are compared with, but for short ones, which the original is compared with.
            texts: The candidates.
        """
        compared = [self.short_texts == "compare" or not self._is_short(text) for text in texts]
        pairs = [self._pair(case, reference, text) for text, asked in zip(texts, compared, strict=True) if asked]
        scored = (yield from case.similarities(pairs)) if pairs else []
        kept = iter(zip((yield from above(scored, self.least_cosine)), scored, strict=True))
        found = []
        for text, asked in zip(texts, compared, strict=True):
            enough, similarity = next(kept) if asked else (True, _SAME)
            if enough:
                found.append(Candidate(text, similarity))
        return found

    def _is_short(self, text: AttackedText) -> bool:
        return self.window is not None and len(text.words) < self.window

    def _pair(self, case: Case, reference: AttackedText, text: AttackedText) -> tuple[str, str]:
        if self.window is None or self._is_short(text):
            whole = reference if self.window is None else case.original
            # As a window of all words is cut: what stands before the first and after the last one is left out.
            return whole.window(0, len(whole.words)), text.window(0, len(text.words))
        index = min(text.latest)
        return reference.window(index, self.window), text.window(index, self.window)


_SAME = Scored(ENCODER, None, None, Answer(np.ones(1, dtype=np.float32), 0.0, 0))
"""What TextAttack gives to texts that are too short to be compared."""

Rule = Callable[[AttackedText, AttackedText], bool]
"""Whether a candidate may stand beside the original."""


def allowed(original: AttackedText, texts: Sequence[AttackedText], rules: Sequence[Rule]) -> list[AttackedText]:
    """The texts that keep all rules, each looked at by the cheap ones first."""
    return [text for text in texts if all(rule(original, text) for rule in rules)]


def _cosine(lexicon: Lexicon, word: str, other: str) -> float:
    """Cosine that a lexicon gives to the other word as a neighbour; -1 where it gives none."""
    wanted = other.lower()
    return next((cosine for near, cosine in lexicon.neighbours(word.lower()) if near.lower() == wanted), -1.0)
