"""Greedy search over words by importance or weighted saliency, with TextAttack's decisions (GreedyWordSwapWIR)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import Candidate
from benchmark.attacks.engine.case import Case, ScoredItem, SearchResult, best, exceeds, refine, wrong
from benchmark.attacks.engine.questions import Ask

UNKNOWN = "[UNK]"
"""Replacement of a word while its importance is measured, whatever the victim's own unknown token is."""

Propose = Callable[[Case, AttackedText, int], Ask[list[Candidate]]]
"""Returns all allowed candidates for the word at an index of a text."""

NextWord = Callable[[], Ask[int | None]]
"""Returns the index of the word to try next; None when no word is left."""


def by_importance(case: Case, indices: Sequence[int], without: str) -> Ask[NextWord]:
    """Order words by the drop in the label's probability when each is replaced.

    Only the part of the order that the search uses is computed. Ties are broken by position, where TextAttack leaves
    them to an unstable sort.

    Args:
        case: The example.
        indices: Indices of the words.
        without: Replacement of a word: empty, or a token without information.
    """
    scored = yield from case.classify([case.original.replace(index, without) for index in indices])
    # A budget may have cut the answers short; words without an answer are not tried.
    remaining = dict(zip(indices, scored, strict=False))

    def next_word() -> Ask[int | None]:
        if not remaining:
            return None
        order = list(remaining)
        first = order[(yield from best(list(remaining.values())))]
        del remaining[first]
        return first

    return next_word


def greedy(case: Case, start: ScoredItem, next_word: NextWord, propose: Propose) -> Ask[SearchResult]:
    """Replace word after word by the candidate with the lowest label probability, until the victim is wrong.

    Args:
        case: The example.
        start: The original's score.
        next_word: Returns the words in the order in which they are tried.
        propose: Returns the candidates for a word.
    """
    current = SearchResult(case.original, start)
    while not case.spent:
        index = yield from next_word()
        if index is None:
            break
        candidates = sorted((yield from propose(case, current.text, index)), key=lambda c: c.text.joined)
        scored = yield from case.classify([candidate.text for candidate in candidates])
        if not scored:
            continue
        top = yield from best(scored)
        if not (yield from exceeds(scored[top], current.scored)):
            continue
        if (yield from wrong([scored[top]]))[0]:
            return (yield from _most_similar(candidates[: len(scored)], scored, top))
        current = SearchResult(candidates[top].text, scored[top])
    return current


def _most_similar(candidates: Sequence[Candidate], scored: Sequence[ScoredItem], top: int) -> Ask[SearchResult]:
    """Return the most similar misclassified candidate; among equally similar ones, the one with the highest score.

    Only candidates that score higher than every correctly classified one are considered.
    """
    if candidates[top].similarity is None:
        return SearchResult(candidates[top].text, scored[top])
    misclassified = yield from wrong(scored)
    right = [s for s, is_wrong in zip(scored, misclassified, strict=True) if not is_wrong]
    rows = [row for row, is_wrong in enumerate(misclassified) if is_wrong]
    if right:
        bar = right[(yield from best(right))]
        beyond = []
        for row in rows:
            if (yield from exceeds(scored[row], bar)) or (scored[row].score == bar.score and row < scored.index(bar)):
                beyond.append(row)
        rows = beyond
    similarities = [s for row in rows if (s := candidates[row].similarity) is not None]
    first = similarities[(yield from best(similarities))]
    tied = [row for row, s in zip(rows, similarities, strict=True) if s.score == first.score]
    chosen = tied[(yield from best([scored[row] for row in tied]))]
    return SearchResult(candidates[chosen].text, scored[chosen])


_ROUNDING = 2e-6
"""Bound on the relative error of a product in TextAttack, whose softmax is in float32."""

_EPSILON = float(np.finfo(np.float64).eps)


def by_weighted_saliency(case: Case, indices: Sequence[int], propose: Propose) -> Ask[NextWord]:
    """Order words by the softmax of their saliencies times the largest 1 - p(label) after a swap.

    This is the order of PWWS (Ren et al., ACL 2019), with TextAttack's float32 rounding. The saliency of a word is
    1 - p(label) with the word unknown. Ties are broken by position. Words without a swap are left out.

    Args:
        case: The example.
        indices: Indices of the words.
        propose: Returns the swaps of a word; each one is a query.
    """
    scored = yield from case.classify([case.original.replace(index, UNKNOWN) for index in indices])
    texts = []
    for index in indices:
        candidates = yield from propose(case, case.original, index)
        texts.append(sorted((candidate.text for candidate in candidates), key=lambda text: text.joined))
    answers = iter((yield from case.classify([text for candidates in texts for text in candidates])))
    # A budget may have cut the answers short; words without an answer are not tried.
    swapped = [[s for _, s in zip(candidates, answers, strict=False)] for candidates in texts]
    words = [_Word(*word) for word in zip(indices, scored, swapped, strict=False)]
    softmax = _Softmax(scored)
    remaining = [word for word in words if word.swaps]

    def next_word() -> Ask[int | None]:
        if not remaining:
            return None
        first = remaining.pop((yield from _first(remaining, softmax, [word.index for word in words])))
        return first.index

    return next_word


@dataclass(frozen=True, slots=True)
class _Word:
    """A word with the scores of its texts.

    Attributes:
        index: Its index in the text.
        saliency: Score of the text with the word unknown.
        swaps: Scores of the texts with the word swapped, at least one.
    """

    index: int
    saliency: ScoredItem
    swaps: Sequence[ScoredItem]

    def log_product(self, side: int) -> float:
        """Compute the log of saliency weight times swap score, up to the softmax's common denominator.

        Args:
            side: -1 for the lower bound, 0 for the estimate, 1 for the upper bound.
        """
        saliency = math.exp(_log_sigmoid(self.saliency.score + side * self.saliency.margin))
        swap = _log_sigmoid(max(swap.score + side * swap.margin for swap in self.swaps))
        rounding = _ROUNDING + _EPSILON * math.exp(min(-swap, 700))
        return saliency + swap + side * rounding

    def inexact(self) -> list[ScoredItem]:
        """Return the inexact scores that affect the product: the saliency, and the swaps that may be the best."""
        least = max(swap.score - swap.margin for swap in self.swaps)
        rivals = [swap for swap in self.swaps if swap.score + swap.margin >= least]
        return [s for s in (self.saliency, *rivals) if s.margin]


@dataclass(slots=True)
class _Softmax:
    """Softmax of all words' saliencies as TextAttack computes it: in float32, by torch.

    Attributes:
        saliencies: Scores of all words, those without a swap included.
    """

    saliencies: Sequence[ScoredItem]
    _weights: NDArray[np.float32] | None = None

    def weights(self) -> Ask[NDArray[np.float32]]:
        """Return the weights; they need the exact score of every word."""
        if self._weights is None:
            while inexact := [s for s in self.saliencies if s.margin]:
                yield from refine(inexact)
            self._weights = _softmax([_one_minus_p(s) for s in self.saliencies])
        return self._weights


def _first(words: Sequence[_Word], softmax: _Softmax, indices: Sequence[int]) -> Ask[int]:
    """Return the position of the word with the largest product, the first in a tie."""
    while True:
        top = max(range(len(words)), key=lambda row: words[row].log_product(0))
        least = words[top].log_product(-1)
        rivals = [row for row, word in enumerate(words) if row == top or word.log_product(1) >= least]
        if len(rivals) == 1:
            return top
        inexact = {id(s): s for row in rivals for s in words[row].inexact()}
        if not inexact:
            break
        yield from refine(list(inexact.values()))
    weights = yield from softmax.weights()
    return max(rivals, key=lambda row: _product(words[row], weights[indices.index(words[row].index)]))


def _product(word: _Word, weight: np.float32) -> float:
    return float(weight) * max(_one_minus_p(swap) for swap in word.swaps if not swap.margin)


def _one_minus_p(scored: ScoredItem) -> float:
    """Compute 1 - p(label) in float64, with the roundings of a softmax that subtracts the largest logit."""
    logits = scored.answer.values.astype(np.float64)
    weights = np.exp(logits - logits.max())
    return float(1 - (weights / weights.sum())[scored.label])


def _softmax(values: Sequence[float]) -> NDArray[np.float32]:
    import torch

    weights: NDArray[np.float32] = torch.softmax(torch.tensor(values, dtype=torch.float32), dim=0).numpy()
    return weights


def _log_sigmoid(score: float) -> float:
    return -math.log1p(math.exp(-score)) if score > 0 else score - math.log1p(math.exp(score))
