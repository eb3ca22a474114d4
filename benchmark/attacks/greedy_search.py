"""Greedy search over words by importance, with TextAttack's decisions (GreedyWordSwapWIR)."""

from collections.abc import Callable, Sequence

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import Candidate
from benchmark.attacks.engine.case import Case, ScoredItem, SearchResult, best, exceeds, wrong
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
