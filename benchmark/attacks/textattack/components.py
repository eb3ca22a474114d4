"""Components of TextAttack's recipes, built from our parts. Importing this module imports TextAttack, which is slow."""

import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.attacks.encoder import Encoder, Vectors
from benchmark.attacks.tagger import Tagger
from benchmark.attacks.textattack.offline_import import load_textattack
from benchmark.attacks.token_predictions import MaskedLM
from benchmark.attacks.transformations import HOMOGLYPHS
from benchmark.attacks.victim import Victim
from benchmark.lexicons import Lexicon

if TYPE_CHECKING:
    from benchmark.attacks.attack_recipe import AttackRecipe
    from benchmark.attacks.parts import Parts

load_textattack()

# TextAttack may be imported only after the call above.
from textattack import Attack  # noqa: E402
from textattack.constraints.grammaticality import PartOfSpeech  # noqa: E402
from textattack.constraints.overlap import MaxWordsPerturbed  # noqa: E402
from textattack.constraints.pre_transformation import (  # noqa: E402
    InputColumnModification,
    RepeatModification,
    StopwordModification,
)
from textattack.constraints.semantics import WordEmbeddingDistance  # noqa: E402
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder  # noqa: E402
from textattack.goal_functions import UntargetedClassification  # noqa: E402
from textattack.models.wrappers import ModelWrapper  # noqa: E402
from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402
from textattack.shared import AbstractWordEmbedding, AttackedText  # noqa: E402
from textattack.transformations import (  # noqa: E402
    CompositeTransformation,
    Transformation,
    WordSwap,
    WordSwapEmbedding,
    WordSwapMaskedLM,
    WordSwapNeighboringCharacterSwap,
    WordSwapRandomCharacterDeletion,
    WordSwapRandomCharacterInsertion,
)

COLUMNS = ("premise", "hypothesis")
"""Names of the two texts of a pair; the first is never changed."""

_ALL_AT_ONCE = 1 << 30
"""A batch size without effect, because the victim splits its own batches."""

_NOTHING = -5e-324
"""Replacement of a threshold of 0, which TextAttack treats as no threshold; no float lies between the two."""


class LexiconEmbedding(AbstractWordEmbedding):  # type: ignore[misc]  # TextAttack has no types
    """A lexicon as TextAttack's word embedding; a word is its own index."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon

    def word2index(self, word: str) -> str:
        """Return the word; an unknown word is allowed, because it has no neighbours and passes no threshold."""
        return word

    def index2word(self, index: str) -> str:
        """Return the index, which is the word."""
        return index

    def nearest_neighbours(self, index: str, topn: int) -> list[str]:
        """Return the word's first `topn` neighbours."""
        return [word for word, _ in self._lexicon.neighbours(index)[:topn]]

    def get_cos_sim(self, a: str, b: str) -> float:
        """Return the lexicon's cosine of `b` as a neighbour of `a`; -1 if it is not a neighbour."""
        return next((cosine for word, cosine in self._lexicon.neighbours(a) if word.lower() == b), -1.0)

    def get_mse_dist(self, a: str, b: str) -> float:
        """Raise, because lexicons have cosines only."""
        raise NotImplementedError

    def __getitem__(self, index: str) -> None:
        """Return nothing, because lexicons have no vectors."""

    def swaps(self, candidates: int) -> WordSwapEmbedding:
        """Create the transformation of a word into its nearest neighbours."""
        return WordSwapEmbedding(max_candidates=candidates, embedding=self)


class LocalPartOfSpeech(PartOfSpeech):  # type: ignore[misc]
    """The recipe's constraint with our tagger.

    The tag is that of the word at its own position; TextAttack uses the word's first occurrence in the window.
    """

    def __init__(self, tagger: Tagger) -> None:
        super().__init__(allow_verb_noun_swap=True)
        self._tagger = tagger

    def _get_pos(self, before_ctx: list[str], word: str, after_ctx: list[str]) -> str:
        return self._tagger.tag([*before_ctx, word, *after_ctx])[len(before_ctx)]


class LocalSentenceEncoder(SentenceEncoder):  # type: ignore[misc]
    """The recipes' constraint with our encoder, which encodes each text once and only if the similarity is needed."""

    def __init__(
        self, encoder: Encoder, *, threshold: float, metric: str, window: int | None, against_original: bool = False
    ) -> None:
        """Configure the constraint.

        Args:
            encoder: The encoder of the compared vectors.
            threshold: Minimum similarity.
            metric: "cosine" or "angular".
            window: Number of compared words around the replaced one; shorter texts are allowed without a comparison.
                None for all words.
            against_original: Whether candidates are compared with the original instead of the text before the swap.
        """
        super().__init__(
            threshold=threshold,
            metric=metric,
            compare_against_original=against_original,
            window_size=window,
            skip_text_shorter_than_window=window is not None,
        )
        self._encoder = encoder
        self._vectors: dict[str, Vectors] = {}

    def clear_cache(self) -> None:
        """Clear the cache. Its content affects how texts are batched, so it must not outlive an example."""
        self._vectors.clear()

    def encode(self, sentences: Sequence[str]) -> torch.Tensor:
        """Return vectors, shape (sentences, dimensions)."""
        missing = [text for text in dict.fromkeys(sentences) if text not in self._vectors]
        if missing:
            self._vectors.update(zip(missing, self._encoder.encode(missing), strict=True))
        return torch.from_numpy(np.stack([self._vectors[text] for text in sentences]))

    def _check_constraint_many(self, transformed_texts: list[Any], reference_text: Any) -> list[Any]:
        scores = torch.ones(len(transformed_texts))
        skipped = self.window_size if self.skip_text_shorter_than_window else 0
        rows = [row for row, text in enumerate(transformed_texts) if len(text.words) >= skipped]
        if rows:
            pairs = [self._pair(reference_text, transformed_texts[row]) for row in rows]
            vectors = self.encode([text for side in zip(*pairs, strict=True) for text in side])
            scores[rows] = self.sim_metric(vectors[: len(rows)], vectors[len(rows) :])
        for text, score in zip(transformed_texts, scores.tolist(), strict=True):
            text.attack_attrs["similarity_score"] = score
        kept = (scores >= self.threshold).tolist()
        return [text for text, keep in zip(transformed_texts, kept, strict=True) if keep]

    def _pair(self, reference: Any, candidate: Any) -> tuple[str, str]:
        """Return the compared windows; a window of all words omits what precedes the first and follows the last."""
        index = min(candidate.attack_attrs["newly_modified_indices"])
        first, second = (text.text_window_around_index(index, self.window_size) for text in (reference, candidate))
        return str(first), str(second)


class OrderedGreedySearch(GreedyWordSwapWIR):  # type: ignore[misc]
    """The recipes' search, with ties in the importance of words broken by position.

    TextAttack leaves ties to the order of a set and an unstable sort, which can differ between machines.
    """

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        without = {"delete": "", "unk": self.unk_token}[self.wir_method]
        indices = sorted(self.get_indices_to_order(initial_text)[1])
        texts = [initial_text.replace_word_at_index(index, without) for index in indices]
        results, search_over = self.get_goal_results(texts)
        # A query budget may have cut the results short; words without a result are not tried.
        scored = zip(indices, results, strict=False)
        return [index for index, _ in sorted(scored, key=lambda pair: -pair[1].score)], search_over


def attacked_text(texts: tuple[str, ...]) -> AttackedText:
    """Return one text, or the two of a pair, as TextAttack's type."""
    return AttackedText(texts[0] if len(texts) == 1 else OrderedDict(zip(COLUMNS, texts, strict=True)))


class LexiconSwap(WordSwap):  # type: ignore[misc]  # TextAttack has no types
    """WordSwapWordNet with a lexicon instead of NLTK's WordNet."""

    def __init__(self, lexicon: Lexicon) -> None:
        super().__init__()
        self._lexicon = lexicon

    def _get_replacement_words(self, word: str) -> list[str]:
        return [near for near, _ in self._lexicon.neighbours(word.lower()) if near != word]


class HomoglyphSwap(WordSwap):  # type: ignore[misc]
    """WordSwapHomoglyphSwap, which fails in TextAttack 0.3.11 because a file that it reads is missing there."""

    def _get_replacement_words(self, word: str) -> list[str]:
        return [word[:i] + HOMOGLYPHS[c] + word[i + 1 :] for i, c in enumerate(word) if c in HOMOGLYPHS]


class OrderedSaliencySearch(GreedyWordSwapWIR):  # type: ignore[misc]
    """PWWS's search, with the words in text order and ties broken by position.

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
    """Return TextBugger's five transformations of a word, or only the last one, its neighbours, without edits."""
    inside = {"random_one": True, "skip_first_char": True, "skip_last_char": True}
    misspellings = [
        WordSwapRandomCharacterInsertion(letters_to_insert=" ", **inside),
        WordSwapRandomCharacterDeletion(**inside),
        WordSwapNeighboringCharacterSwap(**inside),
        HomoglyphSwap(),
    ]
    return CompositeTransformation([*(misspellings if edits else ()), neighbours])


class CachedMaskedLM:
    """A masked LM that caches its last answer, because TextAttack repeats a text for each of its words."""

    def __init__(self, network: Any) -> None:
        self.config = network.config
        self._network = network
        self._ids: torch.Tensor | None = None
        self._logits: tuple[torch.Tensor] | None = None

    def to(self, _device: object) -> "CachedMaskedLM":
        """Return the model on its present device; TextAttack would move it to another."""
        return self

    def eval(self) -> "CachedMaskedLM":
        """Return the model, which is in eval mode."""
        return self

    def __call__(self, **tokens: torch.Tensor) -> tuple[torch.Tensor]:
        """Return a tuple of the logits, shape (batch, length, vocabulary)."""
        ids = tokens["input_ids"]
        if self._logits is None or self._ids is None or not torch.equal(ids, self._ids):
            device = self._network.device
            self._ids = ids
            self._logits = (self._network(**{name: t.to(device) for name, t in tokens.items()})[0],)
        return self._logits


def masked_lm_swaps(model: MaskedLM, candidates: int) -> WordSwapMaskedLM:
    """Create TextAttack's own transformation with our masked LM.

    It tries every combination of a word's pieces, so more than a few candidates take minutes per word.

    Args:
        model: The masked LM.
        candidates: Number of most likely tokens tried for a word, and for each of its pieces.
    """
    return WordSwapMaskedLM(
        method="bert-attack",
        masked_language_model=CachedMaskedLM(model.network),
        tokenizer=model.tokenizer,
        max_length=model.longest,
        max_candidates=candidates,
    )


class VictimWrapper(ModelWrapper):  # type: ignore[misc]  # TextAttack has no types
    """A victim for TextAttack: probabilities in float64, and a cache of the logits of an example's texts.

    Attributes:
        logits: Logits of each text since the last `clear`.
    """

    def __init__(self, victim: Victim) -> None:
        self.model = victim
        self.logits: dict[tuple[str, ...], NDArray[np.float32]] = {}

    def clear(self) -> None:
        """Clear the cache."""
        self.logits.clear()

    def __call__(self, text_input_list: Sequence[str | tuple[str, ...]]) -> NDArray[np.float64]:
        """Compute the probabilities of the classes, shape (texts, classes).

        Raises:
            ValueError: the victim's logits have another shape or are not finite.
        """
        texts = [(text,) if isinstance(text, str) else tuple(text) for text in text_input_list]
        missing = [text for text in dict.fromkeys(texts) if text not in self.logits]
        if missing:
            answers = np.asarray(self.model(missing), dtype=np.float32)
            if answers.ndim != 2 or len(answers) != len(missing):
                raise ValueError(f"the victim returned logits of shape {answers.shape} for {len(missing)} texts")
            if not np.isfinite(answers).all():
                raise ValueError("the victim returned logits that are not finite")
            self.logits.update(zip(missing, answers, strict=True))
        logits = np.stack([self.logits[text] for text in texts]).astype(np.float64)
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float64)


def max_words(share: float | None) -> list[MaxWordsPerturbed]:
    """Return the constraint on the share of changed words; an empty list for no bound."""
    return [] if share is None else [MaxWordsPerturbed(max_percent=share)]


def least_cosine(embedding: LexiconEmbedding, cosine: float) -> WordEmbeddingDistance:
    """Create the constraint on the cosine between a word and its substitute."""
    return WordEmbeddingDistance(embedding=embedding, min_cos_sim=cosine or _NOTHING)


def compose(
    recipe: "AttackRecipe",
    parts: "Parts",
    victim: VictimWrapper,
    *,
    pair: bool,
    constraints: Sequence[Any],
    transformation: Transformation,
    search: Any,
) -> Attack:
    """Create an attack that keeps modified words, stop words and the first text of a pair.

    Args:
        recipe: Our attack, for its query budget.
        parts: Its loaded resources, for the stop words.
        victim: The model.
        pair: Whether an example has two texts, of which the second is attacked.
        constraints: Its constraints, in their order.
        transformation: Its transformation.
        search: Its search method.
    """
    frozen = [InputColumnModification(list(COLUMNS), {COLUMNS[0]})] if pair else []
    unchanged = [RepeatModification(), StopwordModification(stopwords=parts.stopwords), *frozen]
    budget = float("inf") if recipe.query_budget is None else recipe.query_budget
    with warnings.catch_warnings():
        # It warns about any victim that is not its own, and calls a deprecated function to do so.
        warnings.simplefilter("ignore")
        goal = UntargetedClassification(victim, query_budget=budget, model_batch_size=_ALL_AT_ONCE)
    return Attack(goal, [*unchanged, *constraints], transformation, search)
