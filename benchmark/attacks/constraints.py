"""Constraints on candidate texts: small functions, each usable alone, ordered from cheapest to most expensive."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine.case import Case, ScoredItem, above
from benchmark.attacks.engine.questions import ENCODER, Answer, Ask
from benchmark.attacks.tagger import Tagger
from benchmark.lexicons import Lexicon

Rule = Callable[[AttackedText, AttackedText], bool]
"""Returns whether a candidate (second) is allowed for an original (first)."""

_BEFORE, _AFTER = 4, 3
"""Number of words before and after a word in the tagger's input."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A text that satisfies all constraints.

    Attributes:
        text: The text.
        similarity: Its similarity to the reference text; None if the attack has no similarity constraint.
    """

    text: AttackedText
    similarity: ScoredItem | None = None


def modifiable(text: AttackedText, stopwords: Collection[str]) -> list[int]:
    """Return the indices of the words that may be replaced: in the attacked column, unmodified, not stop words."""
    return [i for i in text.attacked_words if may_replace(text, i, stopwords)]


def may_replace(text: AttackedText, index: int, stopwords: Collection[str]) -> bool:
    """Return whether the word at an index exists and may be replaced."""
    return index in text.attacked_words and index not in text.modified and text.words[index] not in stopwords


def near_enough(lexicon: Lexicon, least: float, original: AttackedText, candidate: AttackedText) -> bool:
    """Return whether each word of the last replacement has a cosine of at least `least` to the original's word."""
    if any(index >= min(len(original.words), len(candidate.words)) for index in candidate.latest):
        return False
    return all(_cosine(lexicon, original.words[i], candidate.words[i]) >= least for i in candidate.latest)


def same_part_of_speech(tagger: Tagger, original: AttackedText, candidate: AttackedText) -> bool:
    """Return whether each new word has the tag of the original's in the original's context; noun and verb are equal."""
    for index in candidate.latest:
        before = original.words[max(index - _BEFORE, 0) : index]
        after = original.words[index + 1 : index + 1 + _AFTER]
        tags = {tagger.tag((*before, text.words[index], *after))[len(before)] for text in (original, candidate)}
        if len(tags) > 1 and not tags <= {"NOUN", "VERB"}:
            return False
    return True


def few_enough(share: float, original: AttackedText, candidate: AttackedText) -> bool:
    """Return whether at most a share of the words, rounded up, differ from the original's."""
    words = min(len(original.words), len(candidate.words))
    return candidate.differing(original) <= math.ceil(words * share)


def share_rules(share: float | None) -> list[Rule]:
    """Return the rule on the share of changed words; an empty list for no bound."""
    return [] if share is None else [partial(few_enough, share)]


@dataclass(frozen=True, slots=True)
class Similarity:
    """A lower bound on the similarity of texts by a sentence encoder.

    Attributes:
        threshold: Minimum similarity.
        metric: "cosine", or "angular" (1 - angle / pi).
        window: Number of compared words around the replaced one; None for all words.
        short_texts: Treatment of texts with fewer words than the window: "pass" allows all of them without a
            comparison, as TextAttack does; "compare" compares the whole text with the original.
    """

    threshold: float
    metric: str
    window: int | None
    short_texts: str = "pass"

    @property
    def least_cosine(self) -> float:
        """The threshold as a cosine; both metrics give the same order."""
        # An angular similarity is never below 0, so a lower threshold is equivalent to 0.
        return math.cos(math.pi * (1 - max(self.threshold, 0))) if self.metric == "angular" else self.threshold

    def keep(self, case: Case, reference: AttackedText, texts: Sequence[AttackedText]) -> Ask[list[Candidate]]:
        """Return the texts that are similar enough, with their similarities.

        Args:
            case: The example.
            reference: The text to compare with; short texts are compared with the original.
            texts: The candidates.
        """
        compared = [self.short_texts == "compare" or not self._is_short(text) for text in texts]
        pairs = [
            self._pair(case, reference, text) for text, is_compared in zip(texts, compared, strict=True) if is_compared
        ]
        scored = (yield from case.similarities(pairs)) if pairs else []
        results = iter(zip((yield from above(scored, self.least_cosine)), scored, strict=True))
        candidates = []
        for text, is_compared in zip(texts, compared, strict=True):
            is_similar, similarity = next(results) if is_compared else (True, _SAME)
            if is_similar:
                candidates.append(Candidate(text, similarity))
        return candidates

    def _is_short(self, text: AttackedText) -> bool:
        return self.window is not None and len(text.words) < self.window

    def _pair(self, case: Case, reference: AttackedText, text: AttackedText) -> tuple[str, str]:
        if self.window is None or self._is_short(text):
            whole = reference if self.window is None else case.original
            # A window of all words leaves out the characters before the first and after the last word.
            return whole.window(0, len(whole.words)), text.window(0, len(text.words))
        index = min(text.latest)
        return reference.window(index, self.window), text.window(index, self.window)


_SAME = ScoredItem(ENCODER, None, None, Answer(np.ones(1, dtype=np.float32), 0.0, 0))
"""Similarity 1, which TextAttack assigns to texts that are too short to be compared."""


def allowed(original: AttackedText, texts: Sequence[AttackedText], rules: Sequence[Rule]) -> list[AttackedText]:
    """Return the texts that satisfy all rules; each text is checked in the order of the rules."""
    return [text for text in texts if all(rule(original, text) for rule in rules)]


def _cosine(lexicon: Lexicon, word: str, other: str) -> float:
    """Return the lexicon's cosine of the other word as a neighbour; -1 if it is not a neighbour."""
    lower = other.lower()
    return next((cosine for near, cosine in lexicon.neighbours(word.lower()) if near.lower() == lower), -1.0)
