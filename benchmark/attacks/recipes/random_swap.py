"""Random substitution with TextFooler's substitutes: a baseline that shows what an attack's search adds."""

from typing import TYPE_CHECKING, Annotated

from benchmark.attacks.attack_recipe import Count, attack
from benchmark.attacks.recipes.textfooler import Substitution
from benchmark.schema.base import doc

if TYPE_CHECKING:
    from benchmark.attacks.attacked_text import AttackedText
    from benchmark.attacks.engine import Ask, Case, ScoredItem, Search
    from benchmark.attacks.parts import Parts


@attack("random_swap", masking_check=True)
class RandomSwap(Substitution):
    """TextFooler's substitutes at random: a check that an attack's success is due to its search."""

    queries: Annotated[Count, doc("Texts that the model is asked about for one example, the original included.")]

    def search(self, parts: "Parts") -> "Search":
        """Swap the words in random order, again and again from the original, until the victim is wrong.

        Substitutes are drawn from those that TextFooler allows. The victim classifies every text of a walk, but only
        after the walk. `queries` counts all classified texts, the original included; the last walk is cut short.
        """
        from benchmark.attacks.constraints import allowed, modifiable
        from benchmark.attacks.engine import SearchResult
        from benchmark.attacks.engine.case import wrong
        from benchmark.attacks.parts import required
        from benchmark.attacks.transformations import neighbours, swaps

        lexicon, rules, similarity = required(parts.lexicon, "lexicon"), self.rules(parts), self.similarity()

        def swap(case: "Case", text: "AttackedText", index: int) -> "Ask[AttackedText | None]":
            """Draw an allowed substitute for a word; None if it has none."""
            words = neighbours(lexicon, text.words[index], self.candidates)
            texts = allowed(case.original, swaps(text, index, words), rules)
            # The first one in random order that is similar enough is a uniform draw from all that are.
            for swapped in case.rng.sample(texts, len(texts)):
                if (yield from similarity.keep(case, text, [swapped])):
                    return swapped
            return None

        def walk(case: "Case", words: list[int], limit: int) -> "Ask[list[AttackedText]]":
            """Swap the words in random order and return all texts on the way, at most `limit`."""
            texts: list[AttackedText] = []
            current = case.original
            for index in case.rng.sample(words, len(words)):
                if len(texts) == limit:
                    break
                swapped = yield from swap(case, current, index)
                if swapped is not None:
                    texts.append(swapped)
                    current = swapped
            return texts

        def search(case: "Case", start: "ScoredItem") -> "Ask[SearchResult]":
            words = modifiable(case.original, parts.stopwords)
            result = SearchResult(case.original, start)
            while case.queries < self.queries:
                texts = yield from walk(case, words, self.queries - case.queries)
                if not texts:
                    break
                scored = yield from case.classify(texts)
                misclassified = yield from wrong(scored)
                last = misclassified.index(True) if any(misclassified) else len(texts) - 1
                result = SearchResult(texts[last], scored[last])
                if misclassified[last]:
                    break
            return result

        return search
