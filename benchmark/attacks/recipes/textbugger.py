"""TextBugger (Li et al., NDSS 2019), with the decisions of TextAttack's recipe of that name.

MVP's restricted setting is `edits = false` with TextFooler's similarity: a threshold of 0.840845057 against the text
before the swap, in windows of 15 words.
"""

from collections.abc import Callable

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import Candidate, Similarity, may_replace, modifiable
from benchmark.attacks.engine import Ask, Case, ScoredItem, SearchResult
from benchmark.attacks.greedy_search import by_importance, greedy
from benchmark.attacks.parts import Parts
from benchmark.attacks.transformations import misspellings, neighbours, swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import TextBugger


def textbugger(parameters: TextBugger, parts: Parts) -> Callable[[Case, ScoredItem], Ask[SearchResult]]:
    """Replace words by misspellings and neighbours, in the order of the drop in p(label) without each word."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("TextBugger needs a lexicon. Load it with load_parts.")
    similarity = Similarity(
        parameters.similarity_threshold, parameters.similarity_metric, parameters.window, parameters.short_texts
    )

    def propose(case: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
        # A space inserted into an earlier word has shifted the indices; TextAttack uses the old index all the same.
        if not may_replace(text, index, parts.stopwords):
            return []
        word = text.words[index]
        edits = misspellings(word, case.rng) if parameters.edits else []
        words = [*edits, *neighbours(lexicon, word, parameters.candidates)]
        texts = {swapped.joined: swapped for swapped in reversed(swaps(text, index, words))}
        reference = case.original if parameters.similar_to == "original" else text
        return (yield from similarity.keep(case, reference, list(texts.values())))

    def search(case: Case, start: ScoredItem) -> Ask[SearchResult]:
        next_word = yield from by_importance(case, modifiable(case.original, parts.stopwords), without="")
        return (yield from greedy(case, start, next_word, propose))

    return search
