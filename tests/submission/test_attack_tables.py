"""Hostile submissions: attack tables. Each is refused with its reason."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from benchmark.attacks.attacked_text import words_changed, words_of
from benchmark.schema.attack_outcome import AttackRow
from tests.submission.forging import Forgery, assert_refused, edited
from tests.support.needs import ATTACK

pytestmark = [
    pytest.mark.resources(),
    pytest.mark.needs(*ATTACK),
]

NOTHING = {"perturbed": None, "logits_final": None, "changed": 0, "similarity": None}


def survivor(row: AttackRow) -> AttackRow:
    """A row of another model, which no search ever attacked."""
    sure = tuple(9.0 if c == row.label else 0.0 for c in range(2))
    same = {"perturbed": row.original, "changed": 0, "similarity": None, "queries": 1}
    return edited(row, outcome="survived", logits_original=sure, logits_final=sure, **same)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda r: edited(r, outcome="skipped", logits_original=(), queries=1, **NOTHING),
            "has logits of 0 classes; the task has 2.",
        ),
        (
            lambda r: edited(r, outcome="skipped", logits_original=lambda x: x[::-1], queries=1, **NOTHING),
            "from the prediction of the same text.",
        ),
        (
            lambda r: edited(r, outcome="skipped", queries=1, **NOTHING),
            "is 'skipped', and its first logits say otherwise.",
        ),
        (lambda r: edited(r, logits_final=()), "has logits of 0 classes"),
        (lambda r: edited(r, outcome="survived", similarity=None), "is 'survived', and its last logits say otherwise."),
        (lambda r: edited(r, logits_original=lambda x: x[::-1]), "is 'flipped', and its first logits say otherwise."),
        (survivor, "from the prediction of the same text."),
        (lambda r: edited(r, original="easy text"), "has another text than the suite's data."),
        (lambda r: edited(r, words=r.words + 40), "words are changed;"),
        (lambda r: edited(r, changed=0), "says that 0 of"),
        (lambda r: edited(r, label=1 - r.label), "textfooler.parquet: row "),
        (lambda r: edited(r, id="easier"), "is example 'easier' with the label"),
    ],
)
def test_an_attack_that_contradicts_itself(forgery: Forgery, change: Callable[..., Any], reason: str) -> None:
    forgery.edit_attack(change, only="flipped")
    forgery.reforge()
    assert_refused(forgery, reason)


def test_a_similarity_that_is_not_finite(forgery: Forgery) -> None:
    forgery.edit_attack(lambda r: edited(r, similarity=float("nan")), only="flipped")
    forgery.reseal()
    assert_refused(forgery, "has a similarity that is not finite.")


def test_outcomes_that_do_not_fit_their_rows(forgery: Forgery) -> None:
    def skipped(table: pa.Table) -> pa.Table:
        place = table.column_names.index("outcome")
        return table.set_column(place, "outcome", pa.array(["skipped"] * table.num_rows))

    forgery.rewrite(skipped, "textfooler")
    forgery.reseal()
    assert_refused(forgery, "for which a perturbed text and its logits do not fit")


def test_predictions_in_place_of_an_attack(forgery: Forgery) -> None:
    forgery.table("textfooler").write_bytes(forgery.table("home").read_bytes())
    forgery.reseal()
    assert_refused(forgery, "rows; the suite's data has 8.")


def test_logits_that_three_decimals_make_equal_contradict_no_outcome(forgery: Forgery) -> None:
    forgery.edit_attack(lambda row: edited(row, logits_final=(0.25, 0.25)), only="flipped")
    forgery.reforge()
    assert forgery.problems() == []


def test_punctuation_that_a_masked_model_proposes_is_allowed(forgery: Forgery) -> None:
    def punctuated(row: AttackRow) -> AttackRow:
        text = row.original.replace(row.original.split()[0], "<", 1).replace(row.original.split()[-1], "`")
        return edited(row, perturbed=text, changed=words_changed(words_of(row.original), words_of(text)))

    forgery.edit_attack(punctuated, only="flipped")
    forgery.reforge()
    assert forgery.problems() == []
