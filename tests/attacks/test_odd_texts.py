"""Every attack of the engine on texts that no one thought of, and next to other examples."""

import numpy as np
import pytest

from benchmark.attacks.parts import TransferTable
from benchmark.data import Dataset
from tests.attacks import random_cases
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import NoisyVictim, outcomes, spec
from tests.attacks.test_textbugger import MVP

RECIPES = {
    "pwws": {},
    "deepwordbug": {},
    "keyboard_typos": {},
    "imperceptible": {"population": 4, "generations": 2},
    "genetic": {"population": 4, "generations": 3, "min_cosine": 0.5},
    "textbugger": {"similarity_threshold": -1},
    "random_swap": {"queries": 30},
}
TEXTS = [
    "", "good", "the", "the a is", "!!!", "🙂 🙂", "a good 🙂 film", "<br /> good <b>film</b> &amp;", "  good  film ",
    "好电影 good film", "好电影", "good\u00a0film\u2028watch",  "GOOD Film", "x" * 3000,
    "it's a 'good' film--really_good",
    "\x00 good", "naïve café good", "İstanbul good", "ﬁlm good",
]  # fmt: skip


@pytest.mark.parametrize("recipe", RECIPES)
def test_odd_texts_have_an_outcome(tmp_path, recipe):
    rows = outcomes(tmp_path, spec(recipe, **RECIPES[recipe]), dataset(*TEXTS), victim, parts())
    assert [row[4] for row in rows] == [None] * len(TEXTS)
    assert {row[1] for row in rows} <= {"flipped", "survived"}
    assert [row[1] for row in rows if row[0] == "11"] == ["flipped"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_text_of_600_words_has_an_outcome(tmp_path, recipe):
    long = " ".join(["good", "dull", "film", "the", "watch", "decent"] * 100)
    numbers = {**RECIPES[recipe], **({} if recipe == "random_swap" else {"query_budget": 600})}
    ((_, outcome, *_, reason),) = outcomes(tmp_path, spec(recipe, **numbers), dataset(long), victim, parts())
    assert (outcome in {"flipped", "survived", "budget"}, reason) == (True, None)


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_wrong_label_is_skipped_and_a_victim_without_numbers_is_an_error(tmp_path, recipe):
    attack = spec(recipe, **RECIPES[recipe])
    ((_, outcome, _, queries, _),) = outcomes(tmp_path, attack, dataset("good film", labels=[0]), victim, parts())
    assert (outcome, queries) == ("skipped", 1)

    def broken(texts):
        return victim(texts) * np.array([[np.nan if text[-1] != "good film" else 1.0] for text in texts])

    ((_, outcome, _, _, reason),) = outcomes(tmp_path, attack, dataset("good film"), broken, parts())
    assert (outcome, "not finite" in reason) == ("error", True)


def test_transfer_of_odd_texts(tmp_path):
    made = parts()
    replay = TransferTable("a table", {str(10 + i): (text, text + "!") for i, text in enumerate(TEXTS)})
    (tmp_path / "table").touch()
    attack = spec("transfer", table=str(tmp_path / "table"))
    made = type(made)(encoder=made.encoder, table=replay)
    rows = outcomes(tmp_path, attack, dataset(*TEXTS), victim, made)
    assert [row[1:3] for row in rows] == [("survived", text + "!") for text in TEXTS]


GENETIC = {"population": 8, "generations": 5, "min_cosine": 0.5}
TINY = {"perturbations": 1, "population": 5, "generations": 2}


@pytest.mark.parametrize(
    ("recipe", "number", "words", "pair", "parameters"),
    [
        ("pwws", 5, (1, 12), False, {}),
        ("pwws", 5, (1, 12), True, {}),
        ("genetic", 3, (4, 10), False, GENETIC),
        ("genetic", 3, (4, 10), True, {**GENETIC, "query_budget": 80}),
        ("deepwordbug", 4, (5, 18), False, {"operators": "all"}),
        ("deepwordbug", 4, (5, 18), False, {"operators": "substitution"}),
        ("textbugger", 4, (5, 18), False, {}),
        ("textbugger", 4, (5, 18), False, MVP),
        ("keyboard_typos", 4, (4, 9), False, {"max_words": 2}),
        ("imperceptible", 12, (5, 18), False, {"characters": "homoglyphs", **TINY}),
        ("imperceptible", 12, (5, 18), False, {"characters": "deletions", **TINY}),
        ("random_swap", 6, (4, 14), False, {"queries": 20}),
    ],
)
def test_margins_company_and_order_change_nothing(tmp_path, recipe, number, words, pair, parameters):
    asked, made, attack = random_cases.victim(3), random_cases.parts(), spec(recipe, **parameters)
    examples = random_cases.examples(number, words, asked, pair=pair)
    expected = outcomes(tmp_path, attack, examples, asked, made)
    turned = Dataset("turned", examples.examples[::-1], examples.label_names)
    for in_flight in (1, 64):
        assert outcomes(tmp_path, attack, turned, NoisyVictim(asked, 0.5), made, in_flight) == expected[::-1]
    assert "flipped" in {row[1] for row in expected}
    if pair and recipe == "pwws":
        assert all(row[2] != example.texts[0] for row, example in zip(expected, examples.examples, strict=True))
