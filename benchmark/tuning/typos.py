"""Keyboard typos: an operator that no attack of a packaged suite uses, so that selection does not train for an attack.

Every fifth longer word, and at least one per text, gets one inner letter replaced by its neighbour on a QWERTY
keyboard. A hash of the text decides which words and letters, so a text always gets the same typos.
"""

import re
from dataclasses import replace
from hashlib import sha256

from benchmark.data import Dataset
from benchmark.keyboard import NEIGHBOURS

_WORD = re.compile("[A-Za-z]{4,}")
SHARE = 5
"""One in so many words of four or more letters gets a typo, rounded up."""


def with_typos(text: str) -> str:
    """Return a text with keyboard typos; a text without a word of four Latin letters stays as it is."""
    words = list(_WORD.finditer(text))
    ranked = sorted(words, key=lambda word: _digest(text, word.start()))
    letters = list(text)
    for word in ranked[: -(-len(words) // SHARE)]:
        digest = _digest(text, word.start())
        place = word.start() + 1 + digest[0] % (len(word[0]) - 2)
        near = NEIGHBOURS[text[place].lower()]
        typed = near[digest[1] % len(near)]
        letters[place] = typed.upper() if text[place].isupper() else typed
    return "".join(letters)


def typo_dataset(data: Dataset) -> Dataset:
    """Return the examples with keyboard typos in every text."""
    examples = (replace(example, texts=tuple(map(with_typos, example.texts))) for example in data.examples)
    return replace(data, name=f"{data.name} with typos", examples=tuple(examples))


def _digest(text: str, start: int) -> bytes:
    return sha256(f"{start}\n{text}".encode()).digest()
