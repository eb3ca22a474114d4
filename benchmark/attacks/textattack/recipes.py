"""Our attacks as TextAttack composes them, from the same parts: the other side of the proof that both agree.

Importing this module imports TextAttack, which takes seconds.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.attacks.parts import Parts
from benchmark.attacks.textattack.importing import load_textattack
from benchmark.attacks.textattack.masked_lm import masked_lm_swaps
from benchmark.attacks.textattack.parts import (
    COLUMNS,
    LexiconEmbedding,
    LocalPartOfSpeech,
    LocalSentenceEncoder,
    OrderedGreedySearch,
)
from benchmark.attacks.textattack.swaps import LexiconSwap, OrderedSaliencySearch, bugs
from benchmark.attacks.textattack.victim import VictimWrapper
from benchmark.schema.errors import TemperError, UsageError, nearest
from benchmark.suites.recipes import PWWS, BertAttack, Genetic, Numbers, TextBugger, TextFooler

load_textattack()

# TextAttack may be imported only after the call above.
from textattack import Attack  # noqa: E402
from textattack.constraints import PreTransformationConstraint  # noqa: E402
from textattack.constraints.overlap import MaxWordsPerturbed  # noqa: E402
from textattack.constraints.pre_transformation import (  # noqa: E402
    InputColumnModification,
    RepeatModification,
    StopwordModification,
)
from textattack.constraints.semantics import WordEmbeddingDistance  # noqa: E402
from textattack.goal_functions import UntargetedClassification  # noqa: E402
from textattack.search_methods import AlzantotGeneticAlgorithm  # noqa: E402
from textattack.transformations import WordSwapEmbedding  # noqa: E402

_ALL_AT_ONCE = 1 << 30
"""The victim cuts its own batches."""

_NOTHING = -5e-324
"""In the place of a threshold of 0, which TextAttack takes for none; nothing lies between the two."""


def textfooler(numbers: TextFooler, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """TextFooler in the order of Jin et al.'s recipe."""
    if parts.lexicon is None or parts.tagger is None:
        raise TemperError("TextFooler needs a lexicon and a tagger; load_parts gives both.")
    embedding = LexiconEmbedding(parts.lexicon)
    constraints = [
        *unchanged(parts, pair=pair),
        *([] if numbers.max_share is None else [MaxWordsPerturbed(max_percent=numbers.max_share)]),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=numbers.min_cosine or _NOTHING),
        LocalPartOfSpeech(parts.tagger),
        LocalSentenceEncoder(
            parts.encoder,
            threshold=numbers.similarity_threshold,
            metric=numbers.similarity_metric,
            window=numbers.window,
        ),
    ]
    transformation = WordSwapEmbedding(max_candidates=numbers.candidates, embedding=embedding)
    return Attack(goal(victim, numbers.query_budget), constraints, transformation, OrderedGreedySearch("delete"))


def bert_attack(numbers: BertAttack, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """BERT-Attack in the order of Li et al.'s recipe."""
    if parts.masked_lm is None:
        raise TemperError("BERT-Attack needs a masked LM; load_parts gives it.")
    constraints = [
        *unchanged(parts, pair=pair),
        *([] if numbers.max_share is None else [MaxWordsPerturbed(max_percent=numbers.max_share)]),
        LocalSentenceEncoder(
            parts.encoder,
            threshold=numbers.similarity_threshold,
            metric=numbers.similarity_metric,
            window=None,
            against_original=True,
        ),
    ]
    transformation = masked_lm_swaps(parts.masked_lm, numbers.candidates)
    return Attack(goal(victim, numbers.query_budget), constraints, transformation, OrderedGreedySearch("unk"))


def pwws(numbers: PWWS, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """PWWS in the order of Ren et al.'s recipe."""
    if parts.lexicon is None:
        raise TemperError("PWWS needs a lexicon; load_parts gives it.")
    goal_function, constraints = goal(victim, numbers.query_budget), unchanged(parts, pair=pair)
    return Attack(goal_function, constraints, LexiconSwap(parts.lexicon), OrderedSaliencySearch())


def genetic(numbers: Genetic, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """The genetic attack in the order of Jia et al.'s recipe, without its language model."""
    if parts.lexicon is None:
        raise TemperError("The genetic attack needs a lexicon; load_parts gives it.")
    embedding = LexiconEmbedding(parts.lexicon)
    constraints = [
        *unchanged(parts, pair=pair),
        MaxWordsPerturbed(max_percent=numbers.max_share),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=numbers.min_cosine or _NOTHING),
    ]
    search = AlzantotGeneticAlgorithm(
        pop_size=numbers.population,
        max_iters=numbers.generations,
        temp=numbers.temperature,
        post_crossover_check=False,
    )
    transformation = WordSwapEmbedding(max_candidates=numbers.candidates, embedding=embedding)
    return Attack(goal(victim, numbers.query_budget), constraints, transformation, search)


def textbugger(numbers: TextBugger, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """TextBugger in the order of Li et al.'s recipe."""
    if parts.lexicon is None:
        raise TemperError("TextBugger needs a lexicon; load_parts gives it.")
    similar = LocalSentenceEncoder(
        parts.encoder,
        threshold=numbers.similarity_threshold,
        metric=numbers.similarity_metric,
        window=numbers.window,
        against_original=numbers.similar_to == "original",
    )
    neighbours = WordSwapEmbedding(max_candidates=numbers.candidates, embedding=LexiconEmbedding(parts.lexicon))
    transformation = bugs(neighbours, edits=numbers.edits)
    constraints = [*unchanged(parts, pair=pair), similar]
    return Attack(goal(victim, numbers.query_budget), constraints, transformation, OrderedGreedySearch("delete"))


BUILDERS: Mapping[str, Callable[..., Attack]] = {
    "textfooler": textfooler,
    "bert_attack": bert_attack,
    "pwws": pwws,
    "genetic": genetic,
    "textbugger": textbugger,
}
"""By the recipe's name: puts an attack together from its numbers, parts, victim, and whether examples are pairs."""


def build(recipe: str, numbers: Numbers, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Put a recipe together out of TextAttack's classes.

    Args:
        recipe: Its name.
        numbers: Its numbers.
        parts: What it works with.
        victim: The model.
        pair: Whether an example has two texts, of which the second is attacked.

    Raises:
        UsageError: only Temper's engine has this recipe, or bounds short texts.
    """
    if recipe not in BUILDERS:
        raise UsageError(f'Recipe {recipe!r} runs with backend = "engine" only. {nearest(recipe, BUILDERS)}')
    if getattr(numbers, "short_texts", "pass") != "pass":
        raise UsageError('TextAttack lets short texts pass. Use backend = "engine" with short_texts = "compare".')
    return BUILDERS[recipe](numbers, parts, victim, pair=pair)


def unchanged(parts: Parts, *, pair: bool) -> list[PreTransformationConstraint]:
    """What no attack changes: a word twice, a stop word, the first text of a pair."""
    frozen: list[Any] = [InputColumnModification(list(COLUMNS), {COLUMNS[0]})] if pair else []
    return [RepeatModification(), StopwordModification(stopwords=parts.stopwords), *frozen]


def goal(victim: VictimWrapper, budget: int | None) -> UntargetedClassification:
    """Another class than the label, within a number of queries; None for no bound."""
    with warnings.catch_warnings():
        # It knows no victims but its own, and says so with a deprecated function.
        warnings.simplefilter("ignore")
        return UntargetedClassification(
            victim, query_budget=float("inf") if budget is None else budget, model_batch_size=_ALL_AT_ONCE
        )
