"""Normalisation of text, the key by which two texts count as the same, and the hash that orders them."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s\x00-\xff]")
# Normalised text holds no control character that counts as white space, so this never occurs inside one.
_BETWEEN = "\x1f"


def normalise(text: str) -> str:
    """Strip the text and make every run of white space one space. Case, punctuation and spelling stay as they are."""
    return " ".join(text.split())


def is_blank(text: str) -> bool:
    """Whether a text has nothing but white space, control characters and invisible marks, such as a byte-order mark."""
    return all(char.isspace() or unicodedata.category(char) in ("Cc", "Cf") for char in text)


def words(text: str) -> list[str]:
    """Return the words of a text for comparison: compatibility forms unified, case folded, punctuation dropped."""
    return _WORD.findall(_folded(text))


def text_key(texts: Sequence[str]) -> str:
    """Return what two examples share when they differ in case, punctuation and spaces only.

    The texts of a pair keep their places. Emoji and other pictures are kept, since they may carry the label. A text
    without a word or a picture (such as ``:-)``) is compared as it is.
    """
    return _BETWEEN.join(" ".join(_words_and_pictures(text)) or normalise(text) for text in texts)


def split_key(texts: Sequence[str]) -> str:
    """Return what keeps examples in one part of a split: as `text_key`, with pictures dropped next to words.

    Texts with one `text_key` have one `split_key`. It never changes: another one would move examples of every split.
    """
    return _BETWEEN.join(" ".join(words(text)) or normalise(text) for text in texts)


def order_key(texts: Sequence[str]) -> bytes:
    """Return 32 bytes that order texts by nothing but their content: sha256 of the normalised texts."""
    return _digest("order", texts)


def share_of(texts: Sequence[str]) -> float:
    """Return a number in [0, 1) that depends on the texts alone, evenly spread; independent of `order_key`."""
    return int.from_bytes(_digest("split", texts)[:6], "big") / 2**48


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _words_and_pictures(text: str) -> list[str]:
    found = _WORD_OR_SIGN.findall(_folded(text))
    return [part for part in found if _WORD.match(part) or unicodedata.category(part) == "So"]


def _digest(purpose: str, texts: Sequence[str]) -> bytes:
    return hashlib.sha256(_BETWEEN.join((purpose, *texts)).encode()).digest()
