"""Lexicons and stop-word lists."""

import gzip
import json

import pytest

from benchmark.attacks.parts import stop_words
from benchmark.lexicons import Lexicon, lexicon_fingerprint, lexicon_path
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError
from tests.attacks.fakes import write_lexicon


def written(path, text):
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def test_neighbours_come_nearest_first(tmp_path):
    lexicon = Lexicon.read(write_lexicon(tmp_path / "tiny.tsv.gz"))
    assert lexicon.neighbours("good") == (("fine", 0.9), ("nice", 0.8), ("decent", 0.7), ("bad", 0.4))
    assert lexicon.neighbours("good") is lexicon.neighbours("good")
    assert lexicon.neighbours("absent") == ()
    assert len(lexicon) == 7


def test_words_may_hold_colons_and_odd_line_separators(tmp_path):
    lexicon = Lexicon.read(written(tmp_path / "odd.tsv.gz", "a\u2028b\tc:d:0.5\nempty\t\n"))
    assert lexicon.neighbours("a\u2028b") == (("c:d", 0.5),)
    assert lexicon.neighbours("empty") == ()
    assert len(Lexicon.read(written(tmp_path / "none.tsv.gz", ""))) == 0


def test_a_json_lexicon_has_no_cosines(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps({"film": ["movie", "films"], "br": []}))
    lexicon = Lexicon.read(path)
    assert lexicon.neighbours("film") == (("movie", 1.0), ("films", 1.0))
    assert lexicon.neighbours("br") == ()


def test_the_fingerprint_is_of_the_contents_not_of_the_compression(tmp_path):
    first = write_lexicon(tmp_path / "first.tsv.gz")
    second = tmp_path / "second.tsv.gz"
    second.write_bytes(gzip.compress(gzip.decompress(first.read_bytes()), compresslevel=1, mtime=7))
    assert first.read_bytes() != second.read_bytes()
    assert Lexicon.read(first).fingerprint == Lexicon.read(second).fingerprint == lexicon_fingerprint(first)
    other = write_lexicon(tmp_path / "other.tsv.gz", {"film": [("movie", 0.5)]})
    assert lexicon_fingerprint(other) != lexicon_fingerprint(first)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("b\tc:1\na\tc:1\n", r"\.gz:2: words must ascend"),
        ("b\tc:1\nb\tc:1\n", r"\.gz:2: words must ascend"),
        ("a\tc:1\nb c:1\n", r"\.gz:2: 'word<TAB>neighbours' is expected"),
        ("a\tc:1\n\n", r"\.gz:2: 'word<TAB>"),
    ],
)
def test_broken_lines_are_refused_with_their_number(tmp_path, text, message):
    with pytest.raises(IntegrityError, match=message):
        Lexicon.read(written(tmp_path / "broken.tsv.gz", text))


@pytest.mark.parametrize("entry", ["c", "c:x", "c:2", "c:nan", "c:0.5 d:0.6"])
def test_broken_entries_are_refused_when_they_are_asked_for(tmp_path, entry):
    lexicon = Lexicon.read(written(tmp_path / "broken.tsv.gz", f"a\t{entry}\n"))
    with pytest.raises(IntegrityError, match=r"broken\.tsv\.gz: the entry of 'a'"):
        lexicon.neighbours("a")


def test_other_files_are_refused(tmp_path):
    path = write_lexicon(tmp_path / "tiny.tsv.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(IntegrityError, match="not a gzip file"):
        Lexicon.read(path)
    path.write_bytes(gzip.compress("é\tb:1\n".encode("latin-1")))
    with pytest.raises(IntegrityError, match="not UTF-8"):
        Lexicon.read(path)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(IntegrityError, match="not a JSON object"):
        Lexicon.read(tmp_path / "list.json")
    with pytest.raises(UnavailableError, match="file not found"):
        Lexicon.read(tmp_path / "absent.tsv.gz")


def test_lexicons_are_found_by_name_or_path(tmp_path):
    path = write_lexicon(tmp_path / "tiny.tsv.gz")
    assert lexicon_path(str(path)) == path
    with pytest.raises(UsageError, match="There is no lexicon 'counterfited'"):
        lexicon_path("counterfited")


def test_stop_words():
    words = stop_words("textfooler")
    assert len(words) == 266
    assert {"the", "wouldn't", "yourselves"} <= words
    assert not {"movie", "good", ""} & words
    with pytest.raises(UsageError, match="Did you mean 'textfooler'"):
        stop_words("textfoler")
