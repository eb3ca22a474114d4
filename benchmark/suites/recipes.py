"""The attacks that a suite can name, each with all of its numbers; a table of parameters fills one of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from benchmark.data.constraints import NONEMPTY, Doc, Range

Scalar: TypeAlias = bool | int | float | str
Part: TypeAlias = Annotated[str, NONEMPTY]
Many: TypeAlias = Annotated[int, Range(1)]
Metric: TypeAlias = Literal["angular", "cosine"]

RecipeName: TypeAlias = Literal["textfooler"]

Budget: TypeAlias = Annotated[int | None, Range(1), Doc("Most model queries for one example; absent: no bound.")]
Encoder: TypeAlias = Annotated[Part, Doc("Resource whose sentence vectors measure similarity.")]
Stopwords: TypeAlias = Annotated[Part, Doc("Which list of words is never replaced.")]
Lexicon: TypeAlias = Annotated[Part, Doc("Which list of neighbours the substitutes come from, or a file.")]
Share: TypeAlias = Annotated[
    float | None, Range(0, 1, open_low=True), Doc("Most words changed, as a share rounded up; absent: no bound.")
]


@dataclass(frozen=True, slots=True)
class TextFooler:
    """TextFooler (Jin et al., 2020) as TextAttack has it; its lexicon, encoder and tagger are not the published ones."""

    candidates: Annotated[Many, Doc("Substitutes tried for a word, nearest first.")] = 50
    min_cosine: Annotated[float, Range(-1, 1), Doc("Least cosine between a word and its substitute.")] = 0.5
    lexicon: Lexicon = "counterfitted-glove-wordnet"
    encoder: Encoder = "minilm"
    similarity_metric: Annotated[Metric, Doc("How two sentence vectors are compared.")] = "angular"
    similarity_threshold: Annotated[
        float, Range(-1, 1), Doc("Least similarity between the text with and without a swap.")
    ] = 0.840845057
    window: Annotated[Many, Doc("Words around the substitute that the similarity looks at.")] = 15
    tagger: Annotated[Part, Doc("Part-of-speech tagger; a substitute keeps the word's part of speech.")] = (
        "textblob-pattern"
    )
    stopwords: Stopwords = "textfooler"
    max_share: Share = None
    query_budget: Budget = None


Numbers: TypeAlias = TextFooler

RECIPES: Mapping[str, type[Numbers]] = {"textfooler": TextFooler}
"""By the name that a suite gives."""
