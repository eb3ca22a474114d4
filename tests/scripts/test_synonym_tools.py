"""Collecting the synonyms of WordNet, on a WordNet of a few lines."""

import pytest

from scripts.build_synonyms import synonyms
from scripts.lexicon.neighbours import gzipped
from scripts.lexicon.wordnet import Morphy, read_exceptions, read_wordnet

NOUNS = """\
  1 the licence
00000010 04 n 03 comic_strip 0 strip 0 funnies 0 000 | drawings
00000020 04 n 02 Film 0 U.S. 0 000 | a film
00000030 04 n 02 fly 0 wing 0 000 | an insect
"""
VERBS = "00000040 29 v 03 go 0 move 0 run_off 0 000 01 + 01 00 | to move\n"
SENSES = """\
comic_strip%1:04:00:: 00000010 1 0
strip%1:04:00:: 00000010 1 0
funnies%1:04:00:: 00000010 1 0
film%1:04:00:: 00000020 1 0
u.s.%1:04:00:: 00000020 1 0
fly%1:04:00:: 00000030 1 0
wing%1:04:00:: 00000030 1 0
go%2:29:00:: 00000040 1 0
move%2:29:00:: 00000040 1 0
run_off%2:29:00:: 00000040 1 0
"""
EXCEPTIONS = {"n": {"comics": ("comic_strip",)}, "v": {"went": ("go",), "goes": ()}, "a": {}, "r": {}}


@pytest.fixture
def entries(tmp_path):
    for name, text in (("data.noun", NOUNS), ("data.verb", VERBS), ("index.sense", SENSES)):
        (tmp_path / name).write_text(text)
    return synonyms(read_wordnet(tmp_path), EXCEPTIONS)


def test_words_of_all_base_forms_are_collected(entries):
    assert entries["go"] == entries["going"] == entries["went"] == entries["moved"] == ["go", "move"]
    assert entries["flies"] == entries["wings"] == ["fly", "wing"]


def test_names_keep_case_without_two_word_abbreviations(entries):
    assert entries["film"] == entries["films"] == ["Film"]


def test_a_phrase_is_a_base_form_and_no_synonym(entries):
    assert entries["comics"] == ["funnies", "strip"]
    assert not [word for word in entries if "_" in word]


def test_an_exception_goes_before_the_endings(entries):
    assert "goes" not in entries


def test_base_forms_come_once_and_the_word_first():
    morphy = Morphy({"v": {"axe", "ax", "axes"}, "n": set()}, {"v": {}, "n": {}})
    assert morphy.bases("axes", "v") == ["axes", "axe", "ax"]
    assert morphy.bases("axed", "v") == ["axe", "ax"]
    assert morphy.bases("axes", "n") == []


def test_other_exception_lists_are_refused(tmp_path):
    (tmp_path / "adj.exc").write_text("better good\n")
    with pytest.raises(ValueError, match=r"adj\.exc is not the file of WordNet 3\.0"):
        read_exceptions(tmp_path)


def test_the_same_lines_make_the_same_bytes():
    assert gzipped(["a\n", "b\n"]) == gzipped(iter(["a\n", "b\n"]))
