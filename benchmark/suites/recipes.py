"""The attacks that a suite can name, each a class with all of its parameters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, with_config

from benchmark.schema.base import CLOSED, Flag, Integer, Real, Words, doc

Part: TypeAlias = Words
Many: TypeAlias = Annotated[Integer, Field(ge=1)]
Metric: TypeAlias = Literal["angular", "cosine"]

RecipeName: TypeAlias = Literal["textfooler", "bert_attack", "pwws", "genetic", "textbugger", "random_swap", "transfer"]

Budget: TypeAlias = Annotated[Integer | None, Field(ge=1), doc("Most model queries for one example; absent: no bound.")]
Encoder: TypeAlias = Annotated[Part, doc("Resource whose sentence vectors measure similarity.")]
ReportedEncoder: TypeAlias = Annotated[
    Part,
    doc("Resource whose sentence vectors measure the similarity that is reported; the search does without."),
]
Stopwords: TypeAlias = Annotated[Part, doc("Which list of words is never replaced.")]
Lexicon: TypeAlias = Annotated[Part, doc("Which list of neighbours the substitutes come from, or a file.")]
Cosine: TypeAlias = Annotated[Real, Field(ge=-1, le=1), doc("Least cosine between a word and its substitute.")]
SimilarityMetric: TypeAlias = Annotated[Metric, doc("How two sentence vectors are compared.")]
ShortTexts: TypeAlias = Annotated[
    Literal["pass", "compare"],
    doc(
        "Texts of fewer words than `window`: `pass` lets all of them through whatever their similarity, as TextAttack "
        "does; `compare` holds the whole text to the threshold, against the original."
    ),
]
Share: TypeAlias = Annotated[
    Real | None, Field(gt=0, le=1), doc("Most words changed, as a share rounded up; absent: no bound.")
]


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Substitution:
    """Which substitutes TextFooler allows."""

    candidates: Annotated[Many, doc("Substitutes tried for a word, nearest first.")] = 50
    min_cosine: Cosine = 0.5
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "angular"
    similarity_threshold: Annotated[
        Real,
        Field(ge=-1, le=1),
        doc(
            "Least similarity between the text with and without a swap, inside the window: a text may drift further "
            "swap by swap, and one that is shorter than the window has no bound unless `short_texts` gives it one."
        ),
    ] = 0.840845057
    window: Annotated[Many, doc("Words around the substitute that the similarity looks at; see `short_texts`.")] = 15
    short_texts: ShortTexts = "pass"
    tagger: Annotated[Part, doc("Part-of-speech tagger; a substitute keeps the word's part of speech.")] = (
        "textblob-pattern"
    )
    stopwords: Stopwords = "textfooler"
    max_share: Share = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class TextFooler(Substitution):
    """TextFooler (Jin et al., 2020) as TextAttack has it; lexicon, encoder and tagger are not the published ones."""

    query_budget: Budget = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class BertAttack:
    """BERT-Attack (Li et al., 2020) as TextAttack has it; the paper's masked LM is bert-base-uncased."""

    candidates: Annotated[
        Many,
        doc("Likeliest tokens tried for a word, or for each of its pieces. TextAttack has 8, the paper 48."),
    ] = 8
    max_combinations: Annotated[
        Many, doc("Combinations of pieces that are looked at, until there are `candidates` words.")
    ] = 32_768
    masked_lm: Annotated[
        Part,
        doc("Masked LM that proposes substitutes: `minilm` with the head packaged for it, a folder or a Hub id."),
    ] = "minilm"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "cosine"
    similarity_threshold: Annotated[Real, Field(ge=-1, le=1), doc("Least similarity of a text to the original.")] = 0.2
    stopwords: Stopwords = "nltk-english"
    max_share: Share = 0.4
    query_budget: Budget = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class PWWS:
    """PWWS (Ren et al., 2019) as TextAttack has it: synonyms from WordNet, any text allowed, no named entities."""

    lexicon: Lexicon = "wordnet-synonyms"
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    query_budget: Budget = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Genetic:
    """The genetic attack of Alzantot et al. (2018) as Jia et al. (2019) and RIFT use it, without its language model."""

    candidates: Annotated[Many, doc("Substitutes tried for a word, nearest first.")] = 8
    min_cosine: Cosine = 0.75
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: ReportedEncoder = "minilm"
    stopwords: Stopwords = "nltk-english"
    max_share: Annotated[
        Real, Field(gt=0, le=1), doc("Most words changed before a further swap, as a share rounded up.")
    ] = 0.2
    population: Annotated[Many, doc("Texts of a generation.")] = 60
    generations: Annotated[Many, doc("Most generations after the first.")] = 40
    temperature: Annotated[Real, Field(gt=0), doc("How little a text's score counts when parents are drawn.")] = 0.3
    query_budget: Budget = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class TextBugger:
    """TextBugger (Li et al., 2019) as TextAttack has it; its lexicon and encoder are not the published ones."""

    edits: Annotated[Flag, doc("Whether words are misspelt too; if not, only neighbours are tried, as MVP does.")] = (
        True
    )
    candidates: Annotated[Many, doc("Neighbours tried for a word, nearest first.")] = 5
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: Encoder = "minilm"
    similarity_metric: SimilarityMetric = "angular"
    similarity_threshold: Annotated[
        Real,
        Field(ge=-1, le=1),
        doc(
            "Least similarity of a text to what it is compared to. With a `window`, texts that are shorter have no "
            "bound unless `short_texts` gives them one."
        ),
    ] = 0.8
    similar_to: Annotated[
        Literal["original", "current"],
        doc("What a text is compared to: the original, or the text before the swap."),
    ] = "original"
    window: Annotated[
        Integer | None,
        Field(ge=1),
        doc("Words around the change that are compared; see `short_texts`. Absent: all words."),
    ] = None
    short_texts: ShortTexts = "pass"
    stopwords: Stopwords = "nltk-english"
    query_budget: Budget = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class RandomSwap(Substitution):
    """TextFooler's substitutes at random: a check that an attack's success is due to its search."""

    queries: Annotated[Many, doc("Texts that the model is asked about for one example, the original included.")]
    query_budget: ClassVar[None] = None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Texts with which an attack flipped another model: a check that this one does not just mislead the search."""

    table: Annotated[Part, doc("File of the attack table, parquet, that the texts are taken from.")]
    encoder: ReportedEncoder = "minilm"
    query_budget: ClassVar[None] = None


Numbers: TypeAlias = TextFooler | BertAttack | PWWS | Genetic | TextBugger | RandomSwap | Transfer

RECIPES: Mapping[str, type[Numbers]] = {
    "textfooler": TextFooler,
    "bert_attack": BertAttack,
    "pwws": PWWS,
    "genetic": Genetic,
    "textbugger": TextBugger,
    "random_swap": RandomSwap,
    "transfer": Transfer,
}
"""Attack recipes by their name in a suite."""

_ADDED = ("short_texts",)
"""Parameters that were added after records were committed."""


def identifying_parameters(numbers: Numbers) -> dict[str, Any]:
    """Return the parameters that identify an attack: all, except later additions at their default.

    The default of an added parameter keeps the earlier behaviour, so the attack keeps its identity.
    """
    left_out = {
        item.name for item in fields(numbers) if item.name in _ADDED and getattr(numbers, item.name) == item.default
    }
    return {name: value for name, value in asdict(numbers).items() if name not in left_out}


MASKING_CHECKS = frozenset({"random_swap", "transfer"})
"""Recipes without a search: their results are gradient-masking checks next to the attacks, and enter no score."""
