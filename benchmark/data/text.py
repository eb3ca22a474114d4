"""Normalisation of text, the key by which two texts count as the same, and the hash that orders them."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
# Normalised text holds no control character that counts as white space, so this never occurs inside one.
_BETWEEN = "\x1f"


def normalise(text: str) -> str:
    """Strip the text and make every run of white space one space. Case, punctuation and spelling stay as they are."""
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """The words of a text for comparison: compatibility forms unified, case folded, punctuation dropped."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def text_key(texts: Sequence[str]) -> str:
    """What two examples share when they differ in case, punctuation and spaces only.

    The texts of a pair keep their places. A text without a single word (such as ``:-)``) is compared as it stands.
    """
    return _BETWEEN.join(" ".join(words(text)) or normalise(text) for text in texts)


def order_key(texts: Sequence[str]) -> bytes:
    """32 bytes that put texts in an order which has nothing to do with their source: sha256 of the normalised texts."""
    return _digest("order", texts)


def share_of(texts: Sequence[str]) -> float:
    """A number in [0, 1) that depends on the texts alone, evenly spread; independent of `order_key`."""
    return int.from_bytes(_digest("split", texts)[:6], "big") / 2**48


def _digest(purpose: str, texts: Sequence[str]) -> bytes:
    return hashlib.sha256(_BETWEEN.join((purpose, *texts)).encode()).digest()
