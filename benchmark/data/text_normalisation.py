"""Normalise texts, and compute the key that identifies duplicates and the hash that orders examples."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s\x00-\xff]")
# Normalised text holds no control character that counts as white space, so this never occurs in it.
_BETWEEN = "\x1f"


def normalise(text: str) -> str:
    """Strip the text and replace every run of white space by one space; keep case, punctuation and spelling."""
    return " ".join(text.split())


def first_words(text: str, number: int | None) -> str:
    """Return the first words of a normalised text, or all of it if `number` is None; words end at spaces."""
    return text if number is None else " ".join(text.split(maxsplit=number)[:number])


def is_blank(text: str) -> bool:
    """Return whether a text has only white space, control characters and invisible marks, such as a byte-order mark."""
    return all(char.isspace() or unicodedata.category(char) in ("Cc", "Cf") for char in text)


def words(text: str) -> list[str]:
    """Return the words of a text for comparison: compatibility forms unified, case folded, punctuation dropped."""
    return _WORD.findall(_folded(text))


def text_key(texts: Sequence[str]) -> str:
    """Return a key that is equal for examples that differ only in case, punctuation and spaces.

    The texts of a pair keep their order. Emoji and other pictures are kept, since they may carry the label. A text
    without a word or a picture (such as ``:-)``) is its own key.
    """
    return _BETWEEN.join(" ".join(_words_and_pictures(text)) or normalise(text) for text in texts)


def split_key(texts: Sequence[str]) -> str:
    """Return the key that keeps examples in one part of a split: as `text_key`, without pictures next to words.

    Texts with the same `text_key` have the same `split_key`. Never change it: examples of every split would move.
    """
    return _BETWEEN.join(" ".join(words(text)) or normalise(text) for text in texts)


def order_key(texts: Sequence[str]) -> bytes:
    """Return 32 bytes that order texts by their content only: sha256 of the normalised texts."""
    return _digest("order", texts)


def share_of(texts: Sequence[str]) -> float:
    """Return a uniformly distributed number in [0, 1) that depends only on the texts; independent of `order_key`."""
    return int.from_bytes(_digest("split", texts)[:6], "big") / 2**48


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words_and_pictures(text: str) -> list[str]:
    folded = _folded(text)
    if folded.isascii():  # pictures are not, and most texts are
        return _WORD.findall(folded)
    parts = _WORD_OR_SIGN.findall(folded)
    return [part for part in parts if _WORD.match(part) or unicodedata.category(part) == "So"]


def _digest(purpose: str, texts: Sequence[str]) -> bytes:
    return hashlib.sha256(_BETWEEN.join((purpose, *texts)).encode()).digest()
