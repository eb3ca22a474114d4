"""Our attacks built from TextAttack's classes and the same parts, to prove that both backends agree.

Importing this module imports TextAttack, which is slow.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

from benchmark.attacks.parts import Parts
from benchmark.attacks.textattack.components import (
    COLUMNS,
    LexiconEmbedding,
    LexiconSwap,
    LocalPartOfSpeech,
    LocalSentenceEncoder,
    OrderedGreedySearch,
    OrderedSaliencySearch,
    VictimWrapper,
    bugs,
    masked_lm_swaps,
)
from benchmark.attacks.textattack.offline_import import load_textattack
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
"""A batch size without effect, because the victim splits its own batches."""

_NOTHING = -5e-324
"""Replacement of a threshold of 0, which TextAttack treats as no threshold; no float lies between the two."""


def textfooler(parameters: TextFooler, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build TextFooler in the order of Jin et al.'s recipe."""
    if parts.lexicon is None or parts.tagger is None:
        raise TemperError("TextFooler needs a lexicon and a tagger. Load both with load_parts.")
    embedding = LexiconEmbedding(parts.lexicon)
    constraints = [
        *unchanged(parts, pair=pair),
        *([] if parameters.max_share is None else [MaxWordsPerturbed(max_percent=parameters.max_share)]),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=parameters.min_cosine or _NOTHING),
        LocalPartOfSpeech(parts.tagger),
        LocalSentenceEncoder(
            parts.encoder,
            threshold=parameters.similarity_threshold,
            metric=parameters.similarity_metric,
            window=parameters.window,
        ),
    ]
    transformation = WordSwapEmbedding(max_candidates=parameters.candidates, embedding=embedding)
    return Attack(goal(victim, parameters.query_budget), constraints, transformation, OrderedGreedySearch("delete"))


def bert_attack(parameters: BertAttack, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build BERT-Attack in the order of Li et al.'s recipe."""
    if parts.masked_lm is None:
        raise TemperError("BERT-Attack needs a masked LM. Load it with load_parts.")
    constraints = [
        *unchanged(parts, pair=pair),
        *([] if parameters.max_share is None else [MaxWordsPerturbed(max_percent=parameters.max_share)]),
        LocalSentenceEncoder(
            parts.encoder,
            threshold=parameters.similarity_threshold,
            metric=parameters.similarity_metric,
            window=None,
            against_original=True,
        ),
    ]
    transformation = masked_lm_swaps(parts.masked_lm, parameters.candidates)
    return Attack(goal(victim, parameters.query_budget), constraints, transformation, OrderedGreedySearch("unk"))


def pwws(parameters: PWWS, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build PWWS in the order of Ren et al.'s recipe."""
    if parts.lexicon is None:
        raise TemperError("PWWS needs a lexicon. Load it with load_parts.")
    goal_function, constraints = goal(victim, parameters.query_budget), unchanged(parts, pair=pair)
    return Attack(goal_function, constraints, LexiconSwap(parts.lexicon), OrderedSaliencySearch())


def genetic(parameters: Genetic, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build the genetic attack in the order of Jia et al.'s recipe, without its language model."""
    if parts.lexicon is None:
        raise TemperError("The genetic attack needs a lexicon. Load it with load_parts.")
    embedding = LexiconEmbedding(parts.lexicon)
    constraints = [
        *unchanged(parts, pair=pair),
        MaxWordsPerturbed(max_percent=parameters.max_share),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=parameters.min_cosine or _NOTHING),
    ]
    search = AlzantotGeneticAlgorithm(
        pop_size=parameters.population,
        max_iters=parameters.generations,
        temp=parameters.temperature,
        post_crossover_check=False,
    )
    transformation = WordSwapEmbedding(max_candidates=parameters.candidates, embedding=embedding)
    return Attack(goal(victim, parameters.query_budget), constraints, transformation, search)


def textbugger(parameters: TextBugger, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build TextBugger in the order of Li et al.'s recipe."""
    if parts.lexicon is None:
        raise TemperError("TextBugger needs a lexicon. Load it with load_parts.")
    similarity = LocalSentenceEncoder(
        parts.encoder,
        threshold=parameters.similarity_threshold,
        metric=parameters.similarity_metric,
        window=parameters.window,
        against_original=parameters.similar_to == "original",
    )
    neighbours = WordSwapEmbedding(max_candidates=parameters.candidates, embedding=LexiconEmbedding(parts.lexicon))
    transformation = bugs(neighbours, edits=parameters.edits)
    constraints = [*unchanged(parts, pair=pair), similarity]
    return Attack(goal(victim, parameters.query_budget), constraints, transformation, OrderedGreedySearch("delete"))


BUILDERS: Mapping[str, Callable[..., Attack]] = {
    "textfooler": textfooler,
    "bert_attack": bert_attack,
    "pwws": pwws,
    "genetic": genetic,
    "textbugger": textbugger,
}
"""Functions that build an attack from its parameters, parts, victim, and whether examples are pairs, by recipe."""


def build(recipe: str, parameters: Numbers, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Build a recipe from TextAttack's classes.

    Args:
        recipe: Its name.
        parameters: Its parameters.
        parts: Its loaded resources.
        victim: The model.
        pair: Whether an example has two texts, of which the second is attacked.

    Raises:
        UsageError: only Temper's engine supports this recipe, or its bound on short texts.
    """
    if recipe not in BUILDERS:
        raise UsageError(f'Recipe {recipe!r} runs with backend = "engine" only. {nearest(recipe, BUILDERS)}')
    if getattr(parameters, "short_texts", "pass") != "pass":
        raise UsageError('TextAttack does not bound short texts. Use backend = "engine" with short_texts = "compare".')
    return BUILDERS[recipe](parameters, parts, victim, pair=pair)


def unchanged(parts: Parts, *, pair: bool) -> list[PreTransformationConstraint]:
    """Return the constraints of every attack: keep modified words, stop words and the first text of a pair."""
    frozen: list[Any] = [InputColumnModification(list(COLUMNS), {COLUMNS[0]})] if pair else []
    return [RepeatModification(), StopwordModification(stopwords=parts.stopwords), *frozen]


def goal(victim: VictimWrapper, budget: int | None) -> UntargetedClassification:
    """Return the goal of misclassification within a number of queries; None for no bound."""
    with warnings.catch_warnings():
        # It warns about any victim that is not its own, and calls a deprecated function to do so.
        warnings.simplefilter("ignore")
        return UntargetedClassification(
            victim, query_budget=float("inf") if budget is None else budget, model_batch_size=_ALL_AT_ONCE
        )
