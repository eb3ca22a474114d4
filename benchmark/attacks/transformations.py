"""Replacements of words: small functions, each usable alone."""

import random
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, product

from benchmark.attacks.attacked_text import HOMOGLYPH_LETTERS, AttackedText, words_of
from benchmark.lexicons import Lexicon


def recover_case(word: str, like: str) -> str:
    """Apply the case of another word: lower case, UPPER CASE or Capitalised; ignore any other case."""
    if like.islower():
        return word.lower()
    if like.isupper() and len(like) > 1:
        return word.upper()
    if like[0].isupper() and like[1:].islower():
        return word.capitalize()
    return word


def neighbours(lexicon: Lexicon, word: str, most: int) -> list[str]:
    """Return the nearest `most` neighbours of a word, in the word's case."""
    return [recover_case(near, word) for near, _ in lexicon.neighbours(word.lower())[:most]]


def one_word(token: str) -> bool:
    """Return whether a token contains exactly one word; punctuation around it does not count."""
    return len(words_of(token)) == 1


def joined_pieces(pieces: Sequence[Sequence[str]], most: int, limit: int) -> list[str]:
    """Return words that combine one choice per piece of a word; the last piece's choice varies fastest.

    BERT-Attack orders the words by perplexity. TextAttack computes the perplexities but ignores the order and uses the
    first words, and so does this function.

    Args:
        pieces: Per piece, the tokens to choose from, the most likely first.
        most: Maximum number of words.
        limit: Maximum number of combinations.
    """
    combined = ("".join(chosen).replace("##", "") for chosen in islice(product(*pieces), limit))
    return list(islice(filter(one_word, combined), most))


def swaps(text: AttackedText, index: int, words: Iterable[str]) -> list[AttackedText]:
    """Return the text with the word at an index replaced by each of the words; unchanged texts are left out."""
    changed = (text.replace(index, word) for word in words if word != text.words[index])
    return [candidate for candidate in changed if candidate.joined != text.joined]


HOMOGLYPHS: Mapping[str, str] = dict(zip("-9876543210'abcdefghijklmnopqrstuvwxyz", HOMOGLYPH_LETTERS, strict=True))
"""Characters and similar-looking ones, paired as in TextAttack 0.3.11; TextBugger's paper shows three pairs."""


def swapped_at(word: str, at: int) -> str:
    """Swap the characters at a place of a word and after it."""
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def misspellings(word: str, rng: random.Random) -> list[str]:
    """Return TextBugger's misspellings of a word, as TextAttack makes them.

    Insert a space, delete a character and swap two neighbouring characters, each at one random position inside the
    word. Then replace each character that has a homoglyph, one at a time.
    """
    last = len(word) - 1
    edits = []
    if last > 1:
        gap, hole = rng.randrange(1, last), rng.randrange(1, last)
        edits += [f"{word[:gap]} {word[gap:]}", word[:hole] + word[hole + 1 :]]
    if last > 2:
        edits.append(swapped_at(word, rng.randrange(1, last - 1)))
    swapped = (word[:at] + HOMOGLYPHS[char] + word[at + 1 :] for at, char in enumerate(word) if char in HOMOGLYPHS)
    return [*edits, *swapped]
