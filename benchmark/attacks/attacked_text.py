"""A text under attack: its words with their positions, some of them replaced.

Words are split, replaced and windowed as in TextAttack, so that both give a word the same index.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache

_EDGES = "'-_*@"
"""Characters that are part of a word inside it but not at its edges."""

HOMOGLYPH_LETTERS = "˗৭Ȣ𝟕бƼᏎƷᒿlO`ɑЬϲԁе𝚏ɡհіϳ𝒌ⅼｍոорԛⲅѕ𝚝սѵԝ×уᴢ"
"""TextAttack's homoglyphs; some are not word characters for `re` and would split a word."""

_WORD = re.compile(f"[\\w{HOMOGLYPH_LETTERS}'\\-_*@]+")

Span = tuple[int, int]


@lru_cache(maxsize=1 << 12)
def word_spans(text: str) -> tuple[Span, ...]:
    """Return the start and end of each word of a text."""
    spans = []
    for match in _WORD.finditer(text):
        # \w includes the underscore, so strip it here together with the other edge characters.
        inner = match.group().strip(_EDGES)
        if inner:
            start = match.start() + match.group().index(inner)
            spans.append((start, start + len(inner)))
    return tuple(spans)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text, without the punctuation around them."""
    return tuple(text[start:end] for start, end in word_spans(text))


def words_changed(original: Sequence[str], final: Sequence[str]) -> int:
    """Count the words of an original text that an attack has replaced, split, joined or dropped.

    Texts with the same number of words are compared index by index. Others are aligned first, because one split word
    shifts all words after it. Inserted words count as one changed word per position.
    """
    if len(original) == len(final):
        return sum(one != other for one, other in zip(original, final, strict=True))
    aligned = SequenceMatcher(None, original, final, autojunk=False).get_opcodes()
    return min(sum(max(end - start, 1) for tag, start, end, *_ in aligned if tag != "equal"), len(original))


@dataclass(frozen=True)
class AttackedText:
    """One text, or the two of a pair, with the indices of replaced words.

    Attributes:
        columns: The texts as the model gets them; the last one is attacked.
        modified: Indices, in this text, of the words that differ from the original.
        latest: Those of them that the last replacement changed.
    """

    columns: tuple[str, ...]
    modified: frozenset[int] = frozenset()
    latest: frozenset[int] = frozenset()

    @cached_property
    def joined(self) -> str:
        """All columns, one per line; words and windows are taken from this text."""
        return "\n".join(self.columns)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Start and end of each word of all columns in `joined`."""
        spans: list[Span] = []
        offset = 0
        for column in self.columns:
            spans += [(start + offset, end + offset) for start, end in word_spans(column)]
            offset += len(column) + 1
        return tuple(spans)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words of all columns, in order."""
        return tuple(self.joined[start:end] for start, end in self.spans)

    @property
    def attacked_words(self) -> range:
        """Indices of the words of the attacked column."""
        frozen = sum(len(word_spans(column)) for column in self.columns[:-1])
        return range(frozen, len(self.spans))

    def replace(self, index: int, word: str) -> "AttackedText":
        """Return this text with a word replaced by one word, several, or none (which removes a neighbouring space too).

        Args:
            index: Index of a word of the attacked column.
            word: The replacement.
        """
        start, end = self.spans[index]
        before, after = self.joined[:start], self.joined[end:]
        count = len(word_spans(word))
        if count == 0 and after:
            before, after = _without_a_space(before, after, first=index == 0)
        text = before + word + after
        cut = sum(len(column) + 1 for column in self.columns[:-1])
        fresh = frozenset(range(index, index + count)) if word != self.words[index] else frozenset()
        kept = self.modified if count == 1 else _shifted(self.modified, index, count - 1)
        return AttackedText((*self.columns[:-1], text[cut:]), kept | fresh, fresh)

    def window(self, index: int, size: int) -> str:
        """Return the text of `size` words around a word, or of the first or last `size` words near the text's edge."""
        length, half = len(self.spans), (size - 1) / 2
        if index - half < 0:
            first, last = 0, min(size - 1, length - 1)
        elif index + half >= length:
            first, last = max(0, length - size), length - 1
        else:
            first, last = index - math.ceil(half), index + math.floor(half)
        return self.joined[self.spans[first][0] : self.spans[last][1]]

    def differing(self, other: "AttackedText") -> int:
        """Count the words that differ from the other text's at the same index, as TextAttack bounds changes."""
        return sum(mine != theirs for mine, theirs in zip(self.words, other.words, strict=False))


def _without_a_space(before: str, after: str, *, first: bool) -> tuple[str, str]:
    """Remove one of the two spaces around a removed word."""
    if first:
        return before, after.removeprefix(" ")
    return before.removesuffix(" "), after


def _shifted(modified: Iterable[int], index: int, by: int) -> frozenset[int]:
    """Return the indices of modified words after the word at `index` became several words, or none."""
    return frozenset(number + by * (number > index) for number in modified if number != index)
