"""An attack's numbers, their validation, and the fingerprint over everything that decides an outcome."""

import sys
from dataclasses import replace
from importlib.metadata import PackageNotFoundError

import pytest

from benchmark.attacks import attack_fingerprint, identity, parameters_of, parts, tagger
from benchmark.attacks.recipes import ATTACKS
from benchmark.attacks.recipes.textfooler import TextFooler
from benchmark.attacks.textattack import offline_import
from benchmark.schema.errors import UnavailableError, UsageError
from tests.attacks.fakes import attack, write_lexicon


@pytest.fixture
def lexicon(tmp_path):
    return write_lexicon(tmp_path / "tiny.tsv.gz")


def test_what_is_left_out_keeps_the_recipes_numbers(lexicon):
    assert parameters_of(attack(lexicon)) == replace(TextFooler(), lexicon=str(lexicon))
    published = TextFooler()
    assert (published.candidates, published.min_cosine, published.window) == (50, 0.5, 15)
    assert (published.similarity_threshold, published.similarity_metric) == (0.840845057, "angular")
    assert parameters_of(attack(lexicon, min_cosine=1, query_budget=9)).min_cosine == 1.0


@pytest.mark.parametrize("recipe", ["textfooler", "textbugger", "random_swap"])
def test_a_parameter_that_came_later_identifies_an_attack_only_where_it_is_set(recipe):
    more = {"queries": 40} if recipe == "random_swap" else {}
    before, stated, other = (
        ATTACKS[recipe](**more, **later).identifying_parameters()
        for later in ({}, {"short_texts": "pass"}, {"short_texts": "compare"})
    )
    assert before == stated
    assert "short_texts" not in before
    assert other == {**before, "short_texts": "compare"}
    others = (ATTACKS[name]() for name in ("pwws", "genetic", "bert_attack"))
    assert all("short_texts" not in other.identifying_parameters() for other in others)


def test_the_default_treatment_of_short_texts_is_the_attack_of_before(lexicon):
    before = attack_fingerprint(attack(lexicon))
    assert attack_fingerprint(attack(lexicon, short_texts="pass")) == before
    assert attack_fingerprint(attack(lexicon, short_texts="compare")) != before


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"short_texts": "drop"}, "is the text 'drop'. Known: compare, pass"),
        ({"candidate": 8}, "candidate: is an unknown key; remove it. Did you mean 'candidates'"),
        ({"candidates": 8.0}, "candidates: is the number 8.0; write a whole number"),
        ({"candidates": True}, "candidates: is true; write a whole number"),
        ({"candidates": 0}, "candidates: is the number 0; write a whole number of at least 1"),
        ({"window": 0}, "at least 1"),
        ({"query_budget": 0}, "at least 1"),
        ({"query_budget": 3.5}, "query_budget: is the number 3.5; write a whole number"),
        ({"max_share": 0}, "write a number above 0 and at most 1"),
        ({"min_cosine": 1.5}, "write a number from -1 to 1"),
        ({"similarity_threshold": float("nan")}, "is nan, which is not a value"),
        ({"similarity_metric": "euclid"}, "is the text 'euclid'. Known: angular, cosine"),
        ({"encoder": 3}, "encoder: is the number 3; write a text"),
    ],
)
def test_parameters_that_cannot_be_are_refused(lexicon, parameters, message):
    with pytest.raises(UsageError, match=f"Attack 'textfooler': parameter .*{message}"):
        parameters_of(attack(lexicon, **parameters))


@pytest.mark.needs("textattack")
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"tagger": "textblob-patern"}, "no tagger 'textblob-patern'. Did you mean 'textblob-pattern'"),
        ({"stopwords": "textfoole"}, "no stop-word list 'textfoole'. Did you mean 'textfooler'"),
        ({"encoder": "minilmm"}, "Did you mean 'minilm'"),
        ({"lexicon": "counterfitted-glove"}, "no lexicon 'counterfitted-glove'"),
    ],
)
def test_parts_that_do_not_exist_are_refused_before_anything_is_loaded(lexicon, parameters, message):
    with pytest.raises(UsageError, match=message):
        attack_fingerprint(attack(**{"lexicon": lexicon, **parameters}))


def test_other_recipes_are_refused(lexicon):
    other = replace(attack(lexicon), recipe="textfooled")
    with pytest.raises(UsageError, match=r"recipe 'textfooled' does not exist\. Did you mean 'textfooler'"):
        parameters_of(other)


@pytest.mark.needs("textattack")
def test_the_fingerprint_covers_every_number_and_part(lexicon, tmp_path, monkeypatch):
    seen = {attack_fingerprint(attack(lexicon))}

    def differs(made):
        before = len(seen)
        seen.add(attack_fingerprint(made))
        return len(seen) == before + 1

    for parameters in (
        {"candidates": 8}, {"min_cosine": 0.6}, {"similarity_threshold": 0.8}, {"similarity_metric": "cosine"},
        {"window": 9}, {"query_budget": 100}, {"max_share": 0.4}, {"encoder": "vader"},
    ):  # fmt: skip
        assert differs(attack(lexicon, **parameters)), parameters
    for change in ({"id": "other"}, {"version": 2}, {"on": "amazon"}, {"subset": 11}, {"backend": "textattack"}):
        assert differs(replace(attack(lexicon), **change)), change
    assert differs(attack(write_lexicon(tmp_path / "other.tsv.gz", {"film": [("movie", 0.9)]})))
    monkeypatch.setattr(parts, "stop_words", lambda _: frozenset({"the"}))
    assert differs(attack(lexicon))
    monkeypatch.setattr(tagger, "version", lambda _: "0.99")
    assert differs(attack(lexicon))
    assert differs(attack(lexicon, "textattack"))
    monkeypatch.setattr(identity, "ADAPTER_VERSION", identity.ADAPTER_VERSION + 1)
    assert differs(attack(lexicon, "textattack"))
    monkeypatch.setattr(identity, "ENGINE_VERSION", identity.ENGINE_VERSION + 1)
    assert differs(attack(lexicon))


@pytest.mark.needs("textattack")
def test_the_fingerprint_ignores_words_and_places(lexicon, tmp_path):
    moved = write_lexicon(tmp_path / "moved.tsv.gz")
    titled = replace(attack(lexicon), title="another", description="another")
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
    monkeypatch.setattr(offline_import.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UnavailableError, match=f"TextAttack is not installed; run `{command}`"):
        offline_import.load_textattack()
