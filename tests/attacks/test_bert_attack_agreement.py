"""BERT-Attack by Temper's engine and by TextAttack's own search and transformation: the same to the query."""

import random
from dataclasses import replace

import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.token_predictions import MaskedLMSubstitutes
from benchmark.attacks.transformations import swaps
from benchmark.attacks.victim import masked_lm_oracle
from tests.attacks import tiny_masked_lm as masked
from tests.attacks.conftest import with_textattack
from tests.attacks.test_bert_attack import answered
from tests.attacks.tiny_masked_lm import ODD, PAIRS, SENTENCES, victim
from tests.support.needs import skipped_if_unavailable

pytestmark = with_textattack

REVIEWS = (
    "It's a charming , often affecting journey of a little film .",
    "The cast mumbles through it all .",
    "The acting, costumes, music and cinematography are all astounding given the low budget",
)


@pytest.fixture
def model(masked_lm_folder):
    return masked.load(masked_lm_folder)


def generated(count, seed):
    """Sentences of words, of which some have pieces, of marks, and of what the tokenizer does not know."""
    rng = random.Random(seed)
    words = [
        "good",
        "film",
        "watching",
        "unreal",
        "it's",
        "Nobody",
        "the",
        "🙂slow",
        "poorly",
        "a-star",
        "(big)",
        "x,y",
    ]
    return [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(count)]


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize("most", [3, 8])
def test_substitutes_are_those_of_textattacks_transformation(model, most):
    texts = [*SENTENCES, *ODD, *generated(12, seed=most)]
    compare([*((text,) for text in texts), *PAIRS], model, most)


@pytest.mark.usefixtures("_own_cache")
def test_substitutes_of_a_byte_level_model_are_textattacks(tmp_path):
    compare([*((text,) for text in SENTENCES), *PAIRS], masked.load(masked.write_byte_level(tmp_path)), 3)


def compare(examples, model, most):
    """Every substitute for the first and last words of examples."""
    # Importing the parts imports TextAttack as it must be imported.
    from benchmark.attacks.textattack.components import attacked_text  # isort: split

    from textattack.transformations import WordSwapMaskedLM

    theirs = WordSwapMaskedLM(
        method="bert-attack", masked_language_model=model.network, tokenizer=model.tokenizer,
        max_candidates=most, max_length=model.longest,
    )  # fmt: skip
    oracle = masked_lm_oracle(model)
    for columns in examples:
        text, substitutes = AttackedText(columns), MaskedLMSubstitutes(model, most, limit=10**6)
        for index in [*text.attacked_words][:4] + [*text.attacked_words][-1:]:
            ours = swaps(text, index, answered(substitutes.words(text, index), oracle))
            found = [t.text for t in theirs(attacked_text(columns), [], [index])]
            assert sorted(t.joined for t in ours) == sorted(t for t in found if t != text.joined), (columns, index)


@pytest.fixture
def both(tmp_path, masked_lm_folder, model):
    """Return the result of both backends on the same examples: outcome, last text, queries, changed words."""

    def attacked(examples, made=None, **parameters):
        found = []
        for backend in ("engine", "textattack"):
            spec = masked.attack(masked_lm_folder, backend, **parameters)
            journal = tmp_path / backend
            journal.unlink(missing_ok=True)
            rows = run_attack(spec, examples, victim, journal, parts=made or masked.parts(model))
            found.append([(r.outcome, r.perturbed, r.queries, r.changed, r.words) for r in rows])
        return found

    return attacked


@pytest.mark.usefixtures("_own_cache")
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"candidates": 3},
        {"max_share": 1.0},
        {"max_share": 0.15},
        {"query_budget": 11},
        {"similarity_threshold": 0.8},
        {"similarity_threshold": 0.7, "similarity_metric": "angular"},
    ],
    ids=str,
)
def test_searches_are_the_same(both, parameters):
    ours, theirs = both(masked.dataset(*SENTENCES, *PAIRS, *generated(20, seed=0)), **parameters)
    assert ours == theirs
    assert len({row[0] for row in ours}) > 1


@pytest.mark.usefixtures("_own_cache")
def test_searches_on_odd_texts_are_the_same(both):
    ours, theirs = both(masked.dataset(*ODD))
    assert ours == theirs


@pytest.mark.usefixtures("_own_cache")
def test_a_wrong_label_costs_one_query(both):
    examples = masked.dataset(*SENTENCES)
    wrong = tuple(replace(example, label=1 - example.label) for example in examples.examples)
    ours, theirs = both(replace(examples, examples=wrong))
    assert ours == theirs
    assert {row[:3] for row in ours} == {("skipped", None, 1)}


@pytest.mark.resources
def test_searches_with_minilm_are_the_same(both):
    from benchmark.attacks import load_parts, parameters_of

    spec = masked.attack("minilm")
    with skipped_if_unavailable():
        made = load_parts(parameters_of(spec))
    examples = masked.dataset(*REVIEWS[:2], *SENTENCES[:3], ("A charming journey .", REVIEWS[2]))
    ours, theirs = both(examples, made)
    assert ours == theirs
    assert sum(row[2] for row in ours) > 50
