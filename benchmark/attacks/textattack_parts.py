"""TextFooler's parts for TextAttack, made of ours. Importing this module imports TextAttack, which takes seconds."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmark.attacks.encoder import Encoder, Vectors
from benchmark.attacks.parts import Parts
from benchmark.attacks.tagger import Tagger
from benchmark.attacks.textattack_import import load_textattack
from benchmark.attacks.textattack_victim import VictimWrapper
from benchmark.lexicons import Lexicon
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import TextFooler

load_textattack()

# TextAttack may be imported only after the call above.
from textattack import Attack  # noqa: E402
from textattack.constraints.grammaticality import PartOfSpeech  # noqa: E402
from textattack.constraints.pre_transformation import (  # noqa: E402
    InputColumnModification,
    RepeatModification,
    StopwordModification,
)
from textattack.constraints.semantics import WordEmbeddingDistance  # noqa: E402
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder  # noqa: E402
from textattack.goal_functions import UntargetedClassification  # noqa: E402
from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402
from textattack.shared import AbstractWordEmbedding, AttackedText  # noqa: E402
from textattack.transformations import WordSwapEmbedding  # noqa: E402

COLUMNS = ("premise", "hypothesis")
"""Names of the two texts of a pair; the first is never changed."""

_ALL_AT_ONCE = 1 << 30
"""The victim cuts its own batches."""


class LexiconEmbedding(AbstractWordEmbedding):  # type: ignore[misc]  # TextAttack has no types
    """A lexicon in the place of word vectors; a word is its own index."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def word2index(self, word: str) -> str:
        """Every word is known: an unknown one has no neighbours, and passes no threshold."""
        return word

    def index2word(self, index: str) -> str:
        """The word itself."""
        return index

    def nearest_neighbours(self, index: str, topn: int) -> list[str]:
        """The word's first `topn` neighbours."""
        return [word for word, _ in self._lexicon.neighbours(index)[:topn]]

    def get_cos_sim(self, a: str, b: str) -> float:
        """Cosine that the lexicon gives to `b` as a neighbour of `a`; -1 where it gives none."""
        return next((cosine for word, cosine in self._lexicon.neighbours(a) if word.lower() == b), -1.0)

    def get_mse_dist(self, a: str, b: str) -> float:
        """Lexicons have cosines only."""
        raise NotImplementedError

    def __getitem__(self, index: str) -> None:
        """Lexicons have no vectors."""


class LocalPartOfSpeech(PartOfSpeech):  # type: ignore[misc]
    """The recipe's constraint with our tagger.

    The tag is that of the word at its own place; TextAttack takes the word's first occurrence in the window.
    """

    def __init__(self, tagger: Tagger) -> None:
        super().__init__(allow_verb_noun_swap=True)
        self._tagger = tagger

    def _get_pos(self, before_ctx: list[str], word: str, after_ctx: list[str]) -> str:
        return self._tagger.tag([*before_ctx, word, *after_ctx])[len(before_ctx)]


class LocalSentenceEncoder(SentenceEncoder):  # type: ignore[misc]
    """The recipe's constraint with our encoder, which is asked about each text once and only if the answer counts."""

    def __init__(self, encoder: Encoder, *, threshold: float, metric: str, window: int) -> None:
        super().__init__(
            threshold=threshold,
            metric=metric,
            compare_against_original=False,
            window_size=window,
            skip_text_shorter_than_window=True,
        )
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}

    def clear_cache(self) -> None:
        """Forget all texts. What is remembered decides who shares a batch, so it must not outlive an example."""
        self._vectors.clear()

    def encode(self, sentences: Sequence[str]) -> torch.Tensor:
        """Vectors, shape (sentences, dimensions)."""
        missing = [text for text in dict.fromkeys(sentences) if text not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, self._encoder.encode(missing), strict=True))
        return torch.from_numpy(np.stack([self._vectors[text] for text in sentences]))

    def _check_constraint_many(self, transformed_texts: list[Any], reference_text: Any) -> list[Any]:
        scores = torch.ones(len(transformed_texts))
        rows = [row for row, text in enumerate(transformed_texts) if len(text.words) >= self.window_size]
        if rows:
            places = [next(iter(transformed_texts[row].attack_attrs["newly_modified_indices"])) for row in rows]
            before = {place: reference_text.text_window_around_index(place, self.window_size) for place in set(places)}
            after = [
                transformed_texts[row].text_window_around_index(place, self.window_size)
                for row, place in zip(rows, places, strict=True)
            ]
            vectors = self.encode([*(before[place] for place in places), *after])
            scores[rows] = self.sim_metric(vectors[: len(rows)], vectors[len(rows) :])
        for text, score in zip(transformed_texts, scores.tolist(), strict=True):
            text.attack_attrs["similarity_score"] = score
        kept = (scores >= self.threshold).tolist()
        return [text for text, keep in zip(transformed_texts, kept, strict=True) if keep]


class OrderedGreedySearch(GreedyWordSwapWIR):  # type: ignore[misc]
    """The recipe's search, with ties in the words' importance broken by position.

    TextAttack leaves them to the order of a set and an unstable sort, which no two machines need share.
    """

    def __init__(self) -> None:
        super().__init__(wir_method="delete")

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        indices = sorted(self.get_indices_to_order(initial_text)[1])
        results, search_over = self.get_goal_results([initial_text.delete_word_at_index(index) for index in indices])
        # A query budget may have cut the results short; words without one are not tried.
        scored = zip(indices, results, strict=False)
        return [index for index, _ in sorted(scored, key=lambda pair: -pair[1].score)], search_over


def build(parameters: TextFooler, parts: Parts, victim: VictimWrapper, *, pair: bool) -> Attack:
    """Put TextFooler together in the order of Jin et al.'s recipe.

    Args:
        parameters: Its numbers.
        parts: Its lexicon, tagger, encoder and stop words.
        victim: The model.
        pair: Whether an example has two texts, of which the second is attacked.
    """
    if parts.lexicon is None or parts.tagger is None:
        raise TemperError("TextFooler needs a lexicon and a tagger; load_parts gives both.")
    embedding = LexiconEmbedding(parts.lexicon)
    # TextAttack takes a threshold of 0 for none; nothing lies between 0 and this.
    least = parameters.min_cosine or -5e-324
    constraints = [
        RepeatModification(),
        StopwordModification(stopwords=parts.stopwords),
        *([InputColumnModification(list(COLUMNS), {COLUMNS[0]})] if pair else []),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=least),
        LocalPartOfSpeech(parts.tagger),
        LocalSentenceEncoder(
            parts.encoder,
            threshold=parameters.similarity_threshold,
            metric=parameters.similarity_metric,
            window=parameters.window,
        ),
    ]
    budget = parameters.query_budget
    with warnings.catch_warnings():
        # It knows no victims but its own, and says so with a deprecated function.
        warnings.simplefilter("ignore")
        goal = UntargetedClassification(
            victim, query_budget=float("inf") if budget is None else budget, model_batch_size=_ALL_AT_ONCE
        )
    transformation = WordSwapEmbedding(max_candidates=parameters.candidates, embedding=embedding)
    return Attack(goal, constraints, transformation, OrderedGreedySearch())


def attacked_text(texts: tuple[str, ...]) -> AttackedText:
    """One text, or the two of a pair, as TextAttack sees them."""
    from collections import OrderedDict

    return AttackedText(texts[0] if len(texts) == 1 else OrderedDict(zip(COLUMNS, texts, strict=True)))
