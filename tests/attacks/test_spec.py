"""An attack's numbers, their validation, and the fingerprint over everything that decides an outcome."""

import importlib.util
import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest

from benchmark.attacks import TextFooler, attack_fingerprint, spec, tagger, textattack_import, textfooler
from benchmark.schema.errors import UnavailableError, UsageError
from tests.attacks.fakes import attack, write_lexicon

needs_extra = pytest.mark.skipif(
    importlib.util.find_spec("textattack") is None or importlib.util.find_spec("textblob") is None,
    reason="the extra [textattack] is not installed",
)


@pytest.fixture
def lexicon(tmp_path):
    return write_lexicon(tmp_path / "tiny.tsv.gz")


def test_what_is_left_out_keeps_the_recipes_numbers(lexicon):
    assert textfooler(attack(lexicon)) == replace(TextFooler(), lexicon=str(lexicon))
    published = TextFooler()
    assert (published.candidates, published.min_cosine, published.window) == (50, 0.5, 15)
    assert (published.similarity_threshold, published.similarity_metric) == (0.840845057, "angular")
    assert textfooler(attack(lexicon, min_cosine=1, query_budget=9)).min_cosine == 1.0


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"candidate": 8}, "'candidate' does not exist. Did you mean 'candidates'"),
        ({"candidates": 8.0}, "candidates = 8.0 must be of type int"),
        ({"candidates": True}, "candidates = True must be of type int"),
        ({"candidates": 0}, "at least 1"),
        ({"window": 0}, "at least 1"),
        ({"query_budget": 0}, "at least 1"),
        ({"query_budget": None}, "must be of type int"),
        ({"min_cosine": 1.5}, "between -1 and 1"),
        ({"similarity_threshold": float("nan")}, "between -1 and 1"),
        ({"similarity_metric": "euclid"}, "similarity_metric 'euclid' does not exist"),
        ({"tagger": "textblob-patern"}, "Did you mean 'textblob-pattern'"),
        ({"encoder": 3}, "must be of type str"),
    ],
)
def test_parameters_that_cannot_be_are_refused(lexicon, parameters, message):
    with pytest.raises(UsageError, match=message):
        textfooler(attack(lexicon, **parameters))


def test_other_recipes_are_refused(lexicon):
    for key in ("backend", "recipe"):
        other = attack(lexicon)
        setattr(other, key, "textfooled")
        with pytest.raises(UsageError, match=f"{key} 'textfooled' does not exist"):
            textfooler(other)


@needs_extra
def test_the_fingerprint_covers_every_number_and_part(lexicon, tmp_path, monkeypatch):
    seen = {attack_fingerprint(attack(lexicon))}

    def differs(made):
        before = len(seen)
        seen.add(attack_fingerprint(made))
        return len(seen) == before + 1

    for parameters in (
        {"candidates": 8}, {"min_cosine": 0.6}, {"similarity_threshold": 0.8}, {"similarity_metric": "cosine"},
        {"window": 9}, {"query_budget": 100}, {"encoder": "vader"},
    ):  # fmt: skip
        assert differs(attack(lexicon, **parameters)), parameters
    for key, value in {"id": "other", "version": 2, "on": "amazon", "subset": 11}.items():
        other = attack(lexicon)
        setattr(other, key, value)
        assert differs(other), key
    assert differs(attack(write_lexicon(tmp_path / "other.tsv.gz", {"film": [("movie", 0.9)]})))
    monkeypatch.setattr(spec, "stop_words", lambda _: frozenset({"the"}))
    assert differs(attack(lexicon))
    monkeypatch.setattr(spec, "tagger_identity", lambda _: "textblob-pattern/0.99")
    assert differs(attack(lexicon))
    monkeypatch.setattr(spec, "ADAPTER_VERSION", 2)
    assert differs(attack(lexicon))


@needs_extra
def test_the_fingerprint_ignores_words_and_places(lexicon, tmp_path):
    moved = write_lexicon(tmp_path / "moved.tsv.gz")
    titled = attack(lexicon)
    titled.title = titled.description = "another"
    explicit = attack(lexicon, candidates=50)
    assert {attack_fingerprint(a) for a in (attack(lexicon), attack(moved), titled, explicit)} == {
        attack_fingerprint(attack(lexicon))
    }


def test_a_missing_library_is_named_with_its_command(lexicon, monkeypatch):
    command = r"pip install -c constraints\.txt -e '\.\[textattack\]'"

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(tagger, "version", absent)
    with pytest.raises(UnavailableError, match=f"textblob is not installed; run `{command}`"):
        attack_fingerprint(attack(lexicon))
    monkeypatch.setitem(sys.modules, "textblob.en", None)
    with pytest.raises(UnavailableError, match=f"textblob, which is not installed; run `{command}`"):
        tagger.PatternTagger()
    monkeypatch.delitem(sys.modules, "textattack", raising=False)
    monkeypatch.setattr(textattack_import.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=f"TextAttack is not installed; run `{command}`"):
        textattack_import.load_textattack()
