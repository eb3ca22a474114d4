"""A text as an attack sees it: words with their places, of which some have been replaced.

Words are cut, replaced and windowed as TextAttack does it, so that both speak of the same word by the same number.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property, lru_cache

_EDGES = "'-_*@"
"""Characters that may stand inside a word and not at its edges."""

LOOKALIKES = "˗৭Ȣ𝟕бƼᏎƷᒿlO`ɑЬϲԁе𝚏ɡհіϳ𝒌ⅼｍոорԛⲅѕ𝚝սѵԝ×уᴢ"
"""What TextAttack swaps letters for; some are no word characters, and would otherwise cut a word in two."""

_WORD = re.compile(f"[\\w{LOOKALIKES}'\\-_*@]+")

Span = tuple[int, int]


@lru_cache(maxsize=1 << 12)
def word_spans(text: str) -> tuple[Span, ...]:
    """Where the words of a text begin and end."""
    spans = []
    for match in _WORD.finditer(text):
        # An underscore at the edge goes with what else stands there.
        inner = match.group().strip(_EDGES)
        if inner:
            start = match.start() + match.group().index(inner)
            spans.append((start, start + len(inner)))
    return tuple(spans)


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text, without the punctuation around them."""
    return tuple(text[start:end] for start, end in word_spans(text))


def words_changed(original: Sequence[str], final: Sequence[str]) -> int:
    """Count the words of an original text that an attack has replaced, split, joined or dropped.

    Texts of equally many words are compared place by place. Others are aligned first, since one split word moves every
    word after it. Words that were only inserted count as one changed word per place.
    """
    if len(original) == len(final):
        return sum(one != other for one, other in zip(original, final, strict=True))
    aligned = SequenceMatcher(None, original, final, autojunk=False).get_opcodes()
    return min(sum(max(end - start, 1) for tag, start, end, *_ in aligned if tag != "equal"), len(original))


@dataclass(frozen=True)
class AttackedText:
    """One text, or the two of a pair, with what has been replaced in it.

    Attributes:
        columns: The texts as the model gets them; the last one is attacked.
        modified: Numbers of the words that are not the original's, in this text's numbering.
        latest: Those of them that the last replacement brought.
    """

    columns: tuple[str, ...]
    modified: frozenset[int] = frozenset()
    latest: frozenset[int] = frozenset()

    @cached_property
    def joined(self) -> str:
        """All columns, a line each: what windows and words are taken from."""
        return "\n".join(self.columns)

    @cached_property
    def spans(self) -> tuple[Span, ...]:
        """Where the words of all columns stand in `joined`."""
        found: list[Span] = []
        offset = 0
        for column in self.columns:
            found += [(start + offset, end + offset) for start, end in word_spans(column)]
            offset += len(column) + 1
        return tuple(found)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Words of all columns, in order."""
        return tuple(self.joined[start:end] for start, end in self.spans)

    @property
    def attacked_words(self) -> range:
        """Numbers of the words of the column that is attacked."""
        frozen = sum(len(word_spans(column)) for column in self.columns[:-1])
        return range(frozen, len(self.spans))

    def replace(self, index: int, word: str) -> "AttackedText":
        """This text with another word, several, or none (which takes a neighbouring space along) in a word's place.

        Args:
            index: Number of a word of the attacked column.
            word: What to put there.
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
        """The text of `size` words around a word, or as many from the text's edge."""
        length, half = len(self.spans), (size - 1) / 2
        if index - half < 0:
            first, last = 0, min(size - 1, length - 1)
        elif index + half >= length:
            first, last = max(0, length - size), length - 1
        else:
            first, last = index - math.ceil(half), index + math.floor(half)
        return self.joined[self.spans[first][0] : self.spans[last][1]]

    def differing(self, other: "AttackedText") -> int:
        """Count the words that are not the other text's at the same place, as TextAttack's bound on changes does."""
        return sum(mine != theirs for mine, theirs in zip(self.words, other.words, strict=False))


def _without_a_space(before: str, after: str, *, first: bool) -> tuple[str, str]:
    """Where a word goes, one of the two spaces around it goes too."""
    if first:
        return before, after.removeprefix(" ")
    return before.removesuffix(" "), after


def _shifted(modified: Iterable[int], index: int, by: int) -> frozenset[int]:
    """Numbers of modified words after the word at `index` became more words, or none."""
    return frozenset(number + by * (number > index) for number in modified if number != index)
