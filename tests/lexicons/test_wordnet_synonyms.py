"""The packaged synonyms of WordNet; nothing is rebuilt here."""

import gzip

import pytest

from benchmark.attacks.attacked_text import words_of
from benchmark.lexicons import Lexicon, lexicon_path
from benchmark.resources import locate
from benchmark.resources.manifest import find_resource

NAME = "wordnet-synonyms"


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon.read(lexicon_path(NAME))


@pytest.fixture(scope="module")
def entries():
    data = gzip.decompress(lexicon_path(NAME).read_bytes()).decode()
    lines = (line.split("\t") for line in data.replace(":1 ", " ").replace(":1\n", "\n").splitlines())
    return {word: rest.split(" ") for word, rest in lines}


def test_it_is_the_pinned_file_with_a_header_that_never_changes():
    data = (locate(NAME) / f"{NAME}.tsv.gz").read_bytes()
    assert len(data) == find_resource(NAME).size < 3_000_000
    assert data[:8] == b"\x1f\x8b\x08\x00\0\0\0\0"  # gzip, deflate, no name, no comment and no time


@pytest.mark.slow
def test_words_and_synonyms_are_sorted_single_words(entries):
    assert list(entries) == sorted(entries)
    assert len(entries) == 239_030
    assert [word for word in entries if word != word.lower() or "_" in word or ":" in word] == []
    assert [word for word, names in entries.items() if names != sorted(names) or len(names) != len(set(names))] == []
    names = set().union(*entries.values())
    assert [name for name in names if len(words_of(name)) != 1 or "_" in name or ":" in name] == []


@pytest.mark.parametrize(
    ("word", "some"),
    [
        ("film", {"movie", "picture", "flick", "cinema"}),
        ("films", {"film", "movie"}),  # an ending
        ("went", {"go", "travel", "move"}),  # an exception
        ("better", {"good", "well", "improve", "better"}),  # an exception of two parts of speech, and a base form
        ("was", {"be", "exist", "WA", "Washington"}),  # an exception of the verb, and a noun as it stands
        ("comics", {"comic", "strip", "funnies"}),  # an exception whose base form is a phrase
        ("excellent", {"splendid", "first-class"}),
        ("quickly", {"rapidly", "cursorily"}),
        ("men", {"man", "workforce"}),
    ],
)
def test_known_words_have_the_synonyms_that_nltk_gives(lexicon, word, some):
    near = lexicon.neighbours(word)
    assert some <= {name for name, _ in near}
    assert {cosine for _, cosine in near} == {1.0}


@pytest.mark.parametrize("word", ["the", "i.e.", "ice_cream", "zzzz", "goodes"])
def test_other_words_have_none(lexicon, word):
    assert lexicon.neighbours(word) == ()


def test_an_exception_keeps_the_endings_from_being_tried(lexicon):
    """`is` is a form of `be` alone; the ending s would make it one of the noun I."""
    assert "iodine" not in {name for name, _ in lexicon.neighbours("is")}
    assert "exist" in {name for name, _ in lexicon.neighbours("is")}
