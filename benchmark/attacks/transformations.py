"""What attacks put in a word's place: small functions, each usable alone."""

from collections.abc import Iterable

from benchmark.attacks.text import AttackedText
from benchmark.lexicons import Lexicon


def recover_case(word: str, like: str) -> str:
    """Write a word as another one is written: lower case, UPPER CASE or Capitalised; else it stays as it is."""
    if like.islower():
        return word.lower()
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like[0].isupper() and like[1:].islower():
        return word.capitalize()
    return word


def neighbours(lexicon: Lexicon, word: str, most: int) -> list[str]:
    """The nearest `most` neighbours of a word, written as it is."""
    return [recover_case(near, word) for near, _ in lexicon.neighbours(word.lower())[:most]]


def swaps(text: AttackedText, index: int, words: Iterable[str]) -> list[AttackedText]:
    """The text with each of the words in one word's place; those that change nothing are left out."""
    changed = (text.replace(index, word) for word in words if word != text.words[index])
    return [candidate for candidate in changed if candidate.joined != text.joined]
