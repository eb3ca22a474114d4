"""What attacks put in a word's place: small functions, each usable alone."""

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product

from benchmark.attacks.text import LOOKALIKES, AttackedText, words_of
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


def one_word(token: str) -> bool:
    """Whether a token is read as exactly one word; punctuation is none, and may stand around one."""
    return len(words_of(token)) == 1


def joined_pieces(pieces: Sequence[Sequence[str]], most: int, limit: int) -> list[str]:
    """Words made of one choice for each piece of a word, the last piece's choices changing first.

    BERT-Attack orders them by perplexity; TextAttack scores all and then throws the order away, so that the first ones
    are what it takes. They are here too, and nothing is scored.

    Args:
        pieces: For each piece, the tokens to choose from, the likeliest first.
        most: How many words are wanted.
        limit: Combinations that are looked at.
    """
    combined = ("".join(chosen).replace("##", "") for chosen in islice(product(*pieces), limit))
    return list(islice(filter(one_word, combined), most))


def swaps(text: AttackedText, index: int, words: Iterable[str]) -> list[AttackedText]:
    """The text with each of the words in one word's place; those that change nothing are left out."""
    changed = (text.replace(index, word) for word in words if word != text.words[index])
    return [candidate for candidate in changed if candidate.joined != text.joined]


HOMOGLYPHS: Mapping[str, str] = dict(zip("-9876543210'abcdefghijklmnopqrstuvwxyz", LOOKALIKES, strict=True))
"""Characters and others that look like them, as TextAttack 0.3.11 pairs them; TextBugger's paper shows three pairs."""


def misspelt(word: str, rng: random.Random) -> list[str]:
    """TextBugger's four bugs in a word's inside, as TextAttack makes them.

    A space put in, a character left out and two neighbours exchanged, each at one random place inside the word; then
    every character of the word that has a homoglyph replaced by it.
    """
    last = len(word) - 1
    made = []
    if last > 1:
        gap, hole = rng.randrange(1, last), rng.randrange(1, last)
        made += [f"{word[:gap]} {word[gap:]}", word[:hole] + word[hole + 1 :]]
    if last > 2:
        at = rng.randrange(1, last - 1)
        made.append(word[:at] + word[at + 1] + word[at] + word[at + 2 :])
    alike = (word[:at] + HOMOGLYPHS[letter] + word[at + 1 :] for at, letter in enumerate(word) if letter in HOMOGLYPHS)
    return [*made, *alike]
