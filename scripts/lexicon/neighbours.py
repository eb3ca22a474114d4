"""Build the lexicon from vectors: each word's nearest possible replacements, and the packaged file."""

import gzip
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from scripts.lexicon.counterfitting import Vectors, cosine_blocks
from scripts.lexicon.relations import Forms, RowPairs

Entry = tuple[str, list[tuple[str, int]]]
"""A word and its neighbours with their cosines in thousandths."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Conditions for a neighbour.

    Attributes:
        least: smallest cosine in thousandths.
        most: largest number of neighbours.
        least_before: smallest cosine in thousandths that a neighbour had before counter-fitting; one that had less was
            brought near by WordNet alone, often through a sense that the word hardly ever has.
        apart: pairs of rows, smaller first, that are never neighbours.
    """

    least: int
    most: int
    least_before: int
    apart: RowPairs


def nearest_words(
    before: Vectors, after: Vectors, vocabulary: Sequence[str], forms: Forms, *, heads: Iterable[int], rules: Rules
) -> Iterator[Entry]:
    """Find the neighbours of some words.

    A neighbour is in WordNet (or is a form of a word that is), can be the same part of speech in the same form, and is
    no form of the word itself. Cosines are rounded to thousandths before they are compared, and equal ones are
    ordered by word, so that the last bits of a sum decide nothing that can be seen.

    Args:
        before: (words, dimensions) of length 1, before counter-fitting.
        after: the same after it; the lexicon's cosines are of these.
        vocabulary: the words.
        forms: what each word can be.
        heads: rows to find neighbours for.
        rules: what a neighbour must be.
    """
    known = np.array(sorted(row for row in forms.tags if len(vocabulary[row]) > 1))
    wanted = np.array(sorted(set(heads) & set(known.tolist())))
    for start, block in cosine_blocks(after[wanted], after[known]):
        for offset, cosines in enumerate(block):
            row = int(wanted[start + offset])
            # Single precision only chooses candidates; a margin keeps all that may round up to the least cosine.
            candidates = known[cosines > rules.least / 1000 - 0.001].tolist()
            fitting = [other for other in candidates if _replaceable(forms, row, other)]
            cosine = dict(zip(fitting, _thousandths(after, row, fitting), strict=True))
            nearest = sorted(fitting, key=lambda other: (-cosine[other], vocabulary[other]))[: rules.most]
            sound = [other for other in nearest if cosine[other] >= rules.least and _sound(before, row, other, rules)]
            yield vocabulary[row], [(vocabulary[other], cosine[other]) for other in sound]


def _thousandths(vectors: Vectors, row: int, others: list[int]) -> list[int]:
    return [round(cosine) for cosine in (1000 * (vectors[others] @ vectors[row])).tolist()]


def _sound(before: Vectors, row: int, other: int, rules: Rules) -> bool:
    pair = (min(row, other), max(row, other))
    return pair not in rules.apart and _thousandths(before, row, [other])[0] >= rules.least_before


def _replaceable(forms: Forms, row: int, other: int) -> bool:
    return not forms.tags[row].isdisjoint(forms.tags[other]) and forms.lemmas[row].isdisjoint(forms.lemmas[other])


def lexicon_bytes(entries: Iterable[Entry]) -> bytes:
    """Build the packaged file: gzip without time or name, of lines ``word<TAB>neighbour:0.873 ...`` sorted by word."""
    return gzipped(
        word + "\t" + " ".join(f"{neighbour}:{cosine / 1000:.3f}" for neighbour, cosine in neighbours) + "\n"
        for word, neighbours in sorted(entries)
        if neighbours
    )


def gzipped(lines: Iterable[str]) -> bytes:
    """Compress lines to a gzip file deterministically."""
    target = BytesIO()
    with gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=9, mtime=0) as stream:
        stream.write("".join(lines).encode())
    return target.getvalue()


def counts(entries: Mapping[str, list[tuple[str, int]]]) -> dict[str, int]:
    """Format the numbers of words and neighbours."""
    return {"words": sum(map(bool, entries.values())), "neighbours": sum(map(len, entries.values()))}
