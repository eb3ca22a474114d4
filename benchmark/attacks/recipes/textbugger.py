"""TextBugger (Li et al., NDSS 2019), with the decisions of TextAttack's recipe of that name.

MVP's restricted setting is `edits = false` with TextFooler's similarity: a threshold of 0.840845057 against the text
before the swap, in windows of 15 words.
"""

from collections.abc import Callable

from benchmark.attacks.constraints import Candidate, Similarity, may_replace, modifiable
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.searches.greedy import by_importance, greedy
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import misspelt, neighbours, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import TextBugger


def textbugger(numbers: TextBugger, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Words by how much their deletion hurts; misspellings and neighbours in their place."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("TextBugger needs a lexicon; load_parts gives it.")
    similarity = Similarity(
        numbers.similarity_threshold, numbers.similarity_metric, numbers.window, numbers.short_texts
    )

    def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
        # A space put into a word before this one has moved the words: TextAttack goes by the old number all the same.
        if not may_replace(text, index, parts.stopwords):
            return []
        word = text.words[index]
        words = [*(misspelt(word, case.rng) if numbers.edits else ()), *neighbours(lexicon, word, numbers.candidates)]
        texts = {swapped.joined: swapped for swapped in reversed(swaps(text, index, words))}
        reference = case.original if numbers.similar_to == "original" else text
        return (yield from similarity.keep(case, reference, list(texts.values())))

    def search(case: Case, start: Scored) -> Ask[Finding]:
        following = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
        return (yield from greedy(case, start, following, propose))

    return search
