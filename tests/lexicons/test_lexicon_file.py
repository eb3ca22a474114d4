"""The packaged lexicon itself; nothing is rebuilt here."""

import gzip

import pytest

from benchmark.resources import locate
from benchmark.resources.manifest import find_resource

NAME = "counterfitted-glove-wordnet"
EXPECTED = {
    "good": "superb", "bad": "lousy", "terrible": "horrible", "awful": "dreadful", "film": "movie", "movie": "film",
    "boring": "tedious", "dull": "boring", "funny": "amusing", "love": "affection", "loved": "cherished",
    "hated": "despised", "script": "screenplay", "stupid": "dumb", "clever": "ingenious", "wonderful": "marvelous",
    "beautiful": "lovely", "story": "tale", "quickly": "rapidly", "laugh": "chuckle",
}  # fmt: skip
ANTONYMS = [
    ("good", "bad"), ("good", "terrible"), ("great", "awful"), ("love", "hate"), ("loved", "hated"), ("happy", "sad"),
    ("boring", "interesting"), ("dull", "exciting"), ("beautiful", "ugly"), ("best", "worst"), ("cheap", "expensive"),
    ("strong", "weak"), ("clever", "stupid"), ("east", "west"), ("win", "lose"),
]  # fmt: skip


@pytest.fixture(scope="module")
def path():
    return locate(NAME) / f"{NAME}.tsv.gz"


@pytest.fixture(scope="module")
def lexicon(path):
    rows = (line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines())
    return {word: [tuple(item.rsplit(":", 1)) for item in rest.split(" ")] for word, rest in rows}


def test_it_is_the_pinned_file_with_a_header_that_never_changes(path):
    data = path.read_bytes()
    assert len(data) == find_resource(NAME).size < 2_000_000
    assert data[:4] == b"\x1f\x8b\x08\x00"  # gzip, deflate, no name and no comment
    assert data[4:8] == b"\0\0\0\0"  # no time


def test_words_are_sorted_and_neighbours_descend(lexicon):
    assert list(lexicon) == sorted(lexicon)
    assert len(lexicon) == 24_806
    for word, near in lexicon.items():
        order = [(-float(cosine), neighbour) for neighbour, cosine in near]
        assert order == sorted(order), word
        assert 1 <= len({neighbour for neighbour, _ in near}) == len(near) <= 16, word
        assert all(0.5 <= float(cosine) <= 1 and len(cosine) == 5 for _, cosine in near), word
        assert word not in {neighbour for neighbour, _ in near}


def test_all_is_lower_case_letters(lexicon):
    words = {neighbour for near in lexicon.values() for neighbour, _ in near} | set(lexicon)
    odd = [word for word in words if not word.replace("-", "").replace("'", "").isalpha() or word != word.lower()]
    assert odd == []


@pytest.mark.parametrize(("word", "neighbour"), EXPECTED.items())
def test_known_words_have_a_neighbour_one_would_expect(lexicon, word, neighbour):
    assert neighbour in dict(lexicon[word])


@pytest.mark.parametrize(("one", "two"), ANTONYMS)
def test_antonyms_are_no_neighbours(lexicon, one, two):
    assert two not in dict(lexicon[one])
    assert one not in dict(lexicon[two])


def test_inflections_of_a_word_are_no_neighbours(lexicon):
    assert "films" not in dict(lexicon["film"])
    assert "loves" not in dict(lexicon["love"])
