"""Parts of TextAttack's recipes, made of ours. Importing this module imports TextAttack, which takes seconds."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchmark.attacks.encoder import Encoder, Vectors
from benchmark.attacks.tagger import Tagger
from benchmark.attacks.textattack.importing import load_textattack
from benchmark.lexicons import Lexicon

load_textattack()

# TextAttack may be imported only after the call above.
from textattack.constraints.grammaticality import PartOfSpeech  # noqa: E402
from textattack.constraints.semantics.sentence_encoders import SentenceEncoder  # noqa: E402
from textattack.search_methods import GreedyWordSwapWIR  # noqa: E402
from textattack.shared import AbstractWordEmbedding, AttackedText  # noqa: E402

COLUMNS = ("premise", "hypothesis")
"""Names of the two texts of a pair; the first is never changed."""


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
    """The recipes' constraint with our encoder, which is asked about each text once and only if the answer counts."""

    def __init__(
        self, encoder: Encoder, *, threshold: float, metric: str, window: int | None, against_original: bool = False
    ) -> None:
        """Take an encoder.

        Args:
            encoder: Whose vectors are compared.
            threshold: Least similarity.
            metric: "cosine" or "angular".
            window: Words around the replaced one that are compared, and texts that are shorter are not; None for all.
            against_original: Whether a candidate is compared with the original; else with what it was made from.
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
        """What of two texts is compared; a window of all words leaves out what stands before and after them."""
        place = min(candidate.attack_attrs["newly_modified_indices"])
        first, second = (text.text_window_around_index(place, self.window_size) for text in (reference, candidate))
        return str(first), str(second)


class OrderedGreedySearch(GreedyWordSwapWIR):  # type: ignore[misc]
    """The recipes' search, with ties in the words' importance broken by position.

    TextAttack leaves them to the order of a set and an unstable sort, which no two machines need share.
    """

    def _get_index_order(self, initial_text: Any, max_len: int = -1) -> tuple[list[int], bool]:
        without = {"delete": "", "unk": self.unk_token}[self.wir_method]
        indices = sorted(self.get_indices_to_order(initial_text)[1])
        texts = [initial_text.replace_word_at_index(index, without) for index in indices]
        results, search_over = self.get_goal_results(texts)
        # A query budget may have cut the results short; words without one are not tried.
        scored = zip(indices, results, strict=False)
        return [index for index, _ in sorted(scored, key=lambda pair: -pair[1].score)], search_over


def attacked_text(texts: tuple[str, ...]) -> AttackedText:
    """One text, or the two of a pair, as TextAttack sees them."""
    return AttackedText(texts[0] if len(texts) == 1 else OrderedDict(zip(COLUMNS, texts, strict=True)))
