"""Windows of word pieces, random masks for training, and masked content words for evaluation."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scripts.masked_lm.corpus import sentences

IntArray = NDArray[np.int64]
LENGTH = 64
SHARE, MASKED, RANDOM = 0.25, 0.8, 0.1
SHORTEST_WORD = 3


def windows(tokenizer: Any, texts: Iterable[str], length: int = LENGTH) -> Iterator[list[int]]:
    """Pack whole sentences of a text into windows of token ids with special tokens; split long sentences."""
    room = length - 2

    def closed(pieces: list[int]) -> list[int]:
        return [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]

    for text in texts:
        open_window: list[int] = []
        for pieces in tokenizer(sentences(text), add_special_tokens=False)["input_ids"]:
            for start in range(0, len(pieces), room):
                part = pieces[start : start + room]
                if len(open_window) + len(part) > room:
                    yield closed(open_window)
                    open_window = []
                open_window = open_window + part
        if open_window:
            yield closed(open_window)


def hide(ids: Sequence[int], vocabulary: int, mask: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Choose `SHARE` of the pieces to predict, at least one: 80 % of them masked, 10 % random and 10 % unchanged.

    Returns:
        The ids to read, and the chosen positions in ascending order.
    """
    shown = np.array(ids, dtype=np.int64)
    count = max(1, round(SHARE * (len(ids) - 2)))
    chosen = np.sort(1 + rng.permutation(len(ids) - 2)[:count])
    fate, others = rng.random(count), rng.integers(0, vocabulary, count)
    shown[chosen] = np.where(fate < MASKED, mask, np.where(fate < MASKED + RANDOM, others, shown[chosen]))
    return shown, chosen


@dataclass(frozen=True)
class Question:
    """A sentence with one content word masked.

    Attributes:
        shown: Token ids with the mask.
        place: Position of the mask.
        word: Token id before masking.
    """

    shown: list[int]
    place: int
    word: int


def questions(
    tokenizer: Any, texts: Iterable[str], stop_words: frozenset[str], rng: np.random.Generator
) -> Iterator[Question]:
    """Yield one question per text with a content word: a lower-case word of at least three letters in one piece."""
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=128)["input_ids"]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        # Of a word in pieces, the first looks like a word too; the last position is that of a special token.
        content = [
            place
            for place in range(1, len(ids) - 1)
            if is_content(pieces[place], stop_words) and not pieces[place + 1].startswith("##")
        ]
        if content:
            place = content[int(rng.integers(len(content)))]
            yield Question([*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]], place, ids[place])


def is_content(piece: str, stop_words: frozenset[str]) -> bool:
    """Return whether a word piece is a content word: at least three letters, letters only, and not a stop word."""
    return piece.isascii() and piece.isalpha() and len(piece) >= SHORTEST_WORD and piece not in stop_words
