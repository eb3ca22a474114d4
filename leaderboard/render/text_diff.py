"""Attacked texts with the changed words marked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from operator import itemgetter
from typing import Any

from benchmark.schema import visible

# Maximum product of the texts' word counts for which words are compared.
_COMPARABLE = 250_000

Pieces = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class AttackedText:
    """One flipped text: its facts, and the pieces of both texts with a flag for changes."""

    facts: str
    original: Pieces
    perturbed: Pieces


def attacked_text(example: Mapping[str, Any]) -> AttackedText:
    """Describe an attacked text of the results and mark its changed words."""
    original, perturbed = marked(visible(example["original"]), visible(example["perturbed"]))
    similarity = "" if example["similarity"] is None else f", similarity {example['similarity']:.2f}"
    mistake = f"class {example['label']} taken for {example['predicted']}"
    facts = f"seed {example['seed']}, {mistake}, {example['queries']} queries{similarity}"
    return AttackedText(facts, original, perturbed)


def marked(original: str, perturbed: str) -> tuple[Pieces, Pieces]:
    """Compare two texts word by word and mark the words that differ."""
    first, second = (re.findall(r"\s+|\S+", text) for text in (original, perturbed))
    left, right = _changed(first, second)
    return _pieces(first, left), _pieces(second, right)


def _changed(first: list[str], second: list[str]) -> tuple[list[bool], list[bool]]:
    """Return for each word whether it changed; attacks that swap words keep the positions of the others."""
    if len(first) == len(second):
        differ = [a != b for a, b in zip(first, second, strict=True)]
        return differ, differ
    left, right = [True] * len(first), [True] * len(second)
    # Mark very long texts as a whole, because comparing them is slow.
    if len(first) * len(second) <= _COMPARABLE:
        for a, b, size in SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
            left[a : a + size] = right[b : b + size] = [False] * size
    return left, right


def _pieces(words: list[str], changed: list[bool]) -> Pieces:
    """Join adjacent pieces of one kind; white space is never marked."""
    pairs = [(word, mark and not word.isspace()) for word, mark in zip(words, changed, strict=True)]
    return tuple(("".join(word for word, _ in run), mark) for mark, run in groupby(pairs, key=itemgetter(1)))
