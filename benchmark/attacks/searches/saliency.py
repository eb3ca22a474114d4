"""PWWS's order of words: how salient a word is, weighted by how much the best swap for it does."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.case import Case
from benchmark.attacks.engine.questions import Ask
from benchmark.attacks.engine.scored import Scored, refine
from benchmark.attacks.searches.greedy import Next, Propose

UNKNOWN = "[UNK]"
"""What stands in a word's place while its saliency is measured."""

_ROUNDING = 2e-6
"""Bound on the relative difference between a product of TextAttack's, whose softmax is in float32, and the true one."""

_EPSILON = float(np.finfo(np.float64).eps)


def by_weighted_saliency(case: Case, indices: Sequence[int], propose: Propose) -> Ask[Next]:
    """Order words by the softmax of their saliencies times the victim's largest doubt after a swap.

    Doubt is 1 - p(label), saliency the doubt where the word is unknown. The order is TextAttack's, float32 included;
    equal words come in the order of the text. Words without a swap are left out.

    Args:
        case: The example.
        indices: Numbers of the words.
        propose: Gives the swaps of a word; every one is a query.
    """
    scored = yield from case.classify([case.original.replace(index, UNKNOWN) for index in indices])
    texts = []
    for index in indices:
        swaps = yield from propose(case, case.original, index)
        texts.append(sorted((swap.text for swap in swaps), key=lambda text: text.joined))
    answers = iter((yield from case.classify([text for swaps in texts for text in swaps])))
    # A budget may have cut the answers short; words without one are not tried.
    swapped = [[s for _, s in zip(swaps, answers, strict=False)] for swaps in texts]
    ranked = [_Word(*word) for word in zip(indices, scored, swapped, strict=False)]
    softmax = _Softmax(scored)
    remaining = [word for word in ranked if word.swaps]

    def following() -> Ask[int | None]:
        if not remaining:
            return None
        first = remaining.pop((yield from _first(remaining, softmax, [word.index for word in ranked])))
        return first.index

    return following


@dataclass(frozen=True, slots=True)
class _Word:
    """A word with what is known about it.

    Attributes:
        index: Its number.
        saliency: The text with the word unknown.
        swaps: The texts with the word swapped, at least one.
    """

    index: int
    saliency: Scored
    swaps: Sequence[Scored]

    def logarithm(self, side: int) -> float:
        """Logarithm of the product, less the softmax's common part: its least (-1), likely (0) or largest (1) value."""
        saliency = _sigmoid(self.saliency.score + side * self.saliency.margin)
        doubt = _log_sigmoid(max(swap.score + side * swap.margin for swap in self.swaps))
        rounding = _ROUNDING + _EPSILON * math.exp(min(-doubt, 700))
        return saliency + doubt + side * rounding

    def open(self) -> list[Scored]:
        """What is not known exactly and counts: the saliency, and the swaps that may be the best one."""
        least = max(swap.score - swap.margin for swap in self.swaps)
        return [s for s in (self.saliency, *_reaching(self.swaps, least)) if s.margin]


def _reaching(swaps: Sequence[Scored], least: float) -> list[Scored]:
    return [swap for swap in swaps if swap.score + swap.margin >= least]


@dataclass(slots=True)
class _Softmax:
    """Softmax of all words' saliencies as TextAttack has it: in float32, by torch.

    Attributes:
        saliencies: Of all words, those without a swap included.
    """

    saliencies: Sequence[Scored]
    _weights: NDArray[np.float32] | None = None

    def weights(self) -> Ask[NDArray[np.float32]]:
        """The weights, which all saliencies must be known exactly for."""
        if self._weights is None:
            while doubtful := [s for s in self.saliencies if s.margin]:
                yield from refine(doubtful)
            self._weights = _softmax([_doubt(s) for s in self.saliencies])
        return self._weights


def _first(words: Sequence[_Word], softmax: _Softmax, places: Sequence[int]) -> Ask[int]:
    """Position of the word with the largest product; of equal ones, the first."""
    while True:
        top = max(range(len(words)), key=lambda row: words[row].logarithm(0))
        least = words[top].logarithm(-1)
        rivals = [row for row, word in enumerate(words) if row == top or word.logarithm(1) >= least]
        if len(rivals) == 1:
            return top
        doubtful = {id(s): s for row in rivals for s in words[row].open()}
        if not doubtful:
            break
        yield from refine(list(doubtful.values()))
    weights = yield from softmax.weights()
    return max(rivals, key=lambda row: _product(words[row], weights[places.index(words[row].index)]))


def _product(word: _Word, weight: np.float32) -> float:
    return float(weight) * max(_doubt(swap) for swap in word.swaps if not swap.margin)


def _doubt(scored: Scored) -> float:
    """1 - p(label), in float64 and with the roundings of a softmax that subtracts the largest logit."""
    logits = scored.answer.values.astype(np.float64)
    weights = np.exp(logits - logits.max())
    return float(1 - (weights / weights.sum())[scored.label])


def _softmax(values: Sequence[float]) -> NDArray[np.float32]:
    import torch

    weights: NDArray[np.float32] = torch.softmax(torch.tensor(values, dtype=torch.float32), dim=0).numpy()
    return weights


def _sigmoid(score: float) -> float:
    return math.exp(_log_sigmoid(score))


def _log_sigmoid(score: float) -> float:
    return -math.log1p(math.exp(-score)) if score > 0 else score - math.log1p(math.exp(score))
