"""Parts of PWWS and TextBugger for TextAttack. Importing this module imports TextAttack, which takes seconds."""

from typing import Any

import numpy as np
import torch

from benchmark.attacks.textattack.importing import load_textattack
from benchmark.attacks.transformations import HOMOGLYPHS
from benchmark.lexicons import Lexicon

load_textattack()

# TextAttack may be imported only after the call above.
from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402
from textattack.transformations import (  # noqa: E402
    CompositeTransformation,
    Transformation,
    WordSwap,
    WordSwapNeighboringCharacterSwap,
    WordSwapRandomCharacterDeletion,
    WordSwapRandomCharacterInsertion,
)


class LexiconSwap(WordSwap):  # type: ignore[misc]  # TextAttack has no types
    """WordSwapWordNet with a lexicon in the place of NLTK's WordNet."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self._lexicon = lexicon

    def _get_replacement_words(self, word: str) -> list[str]:
        return [near for near, _ in self._lexicon.neighbours(word.lower()) if near != word]


class HomoglyphSwap(WordSwap):  # type: ignore[misc]
    """WordSwapHomoglyphSwap, which fails in 0.3.11: a file that it reads and does not need here was left out."""

    def _get_replacement_words(self, word: str) -> list[str]:
        return [word[:i] + HOMOGLYPHS[c] + word[i + 1 :] for i, c in enumerate(word) if c in HOMOGLYPHS]


class OrderedSaliencySearch(GreedyWordSwapWIR):  # type: ignore[misc]
    """PWWS's search with the words in the order of the text and ties broken by it.

    TextAttack leaves both to the order of a set and an unstable sort.
    """

    def __init__(self) -> None:
        super().__init__(wir_method="weighted-saliency")

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        indices = sorted(self.get_indices_to_order(initial_text)[1])
        hidden = [initial_text.replace_word_at_index(index, self.unk_token) for index in indices]
        results, search_over = self.get_goal_results(hidden)
        weights = torch.nn.functional.softmax(torch.Tensor([result.score for result in results]), dim=0).numpy()
        largest = np.zeros(len(results))
        for place, index in enumerate(indices[: len(results)]):
            if search_over:
                break
            swapped = self.get_transformations(initial_text, original_text=initial_text, indices_to_modify=[index])
            if swapped:
                answers, search_over = self.get_goal_results(swapped)
                largest[place] = max((answer.score for answer in answers), default=0.0)
        order = np.argsort(-(weights * largest), kind="stable")
        return [indices[place] for place in order], search_over


def bugs(neighbours: Transformation, *, edits: bool) -> CompositeTransformation:
    """TextBugger's five ways to change a word, or only the last of them."""
    inside = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    misspellings = [
        WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inside),
        WordSwapRandomCharacterDeletion(**inside),
        WordSwapNeighboringCharacterSwap(**inside),
        HomoglyphSwap(),
    ]
    return CompositeTransformation([*(misspellings if edits else ()), neighbours])
