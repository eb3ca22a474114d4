"""Odd inputs on the engine: what TextAttack does otherwise or not at all, and what a real tokenizer makes of them."""

import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, Example
from tests.attacks.fakes import TINY, attack, dataset, parts, victim, write_lexicon

LONG = " ".join(["the", "good", "film"] * 200)
ODD = {
    "one word": "good",
    "600 words": LONG,
    "stop words": "the a is this",
    "emoji": "🙂 👍🏽 🇫🇷",
    "html": "<p>good &amp; <b>great</b></p>",
    "empty": "",
    "blank": " \t\n",
    "chinese": "这部电影很好看",
    "turkish": "İSTANBUL good",
    "ligature": "ﬁlm good",
    "control": "\x00good\x07\u200b film",
}


@pytest.fixture
def spec(tmp_path):
    return attack(write_lexicon(tmp_path / "tiny.tsv.gz", TINY), similarity_threshold=0.5)


@pytest.mark.parametrize(
    ("text", "label", "outcome", "queries", "perturbed"),
    [
        ("", 0, "survived", 1, ""),
        (" \t\n", 0, "survived", 1, " \t\n"),
        ("", 1, "skipped", 1, None),
        ("好电影 good film", 1, "flipped", 1 + 3 + 3, "好电影 decent film"),
        ("好电影", 0, "survived", 1 + 1, "好电影"),
        ("İstanbul good", 1, "flipped", 1 + 2 + 3, "İstanbul decent"),
        ("ﬁlm good", 1, "flipped", 1 + 2 + 3, "ﬁlm decent"),
        ("a good <SPLIT> film", 1, "flipped", 1 + 3 + 3, "a decent <SPLIT> film"),
    ],
)  # fmt: skip
def test_what_textattack_does_otherwise(tmp_path, text, label, outcome, queries, perturbed):
    spec = attack(write_lexicon(tmp_path / "tiny.tsv.gz"))
    (row,) = run_attack(spec, dataset(text, labels=[label]), victim, tmp_path / "j", parts=parts())
    assert (row.outcome, row.queries, row.perturbed) == (outcome, queries, perturbed), row.reason


@pytest.mark.slow
def test_every_odd_text_ends_without_an_error_on_a_real_tokenizer(spec, tiny_model, tmp_path):
    model, made = ModelVictim(tiny_model), parts(TINY)
    labels = model([(text,) for text in ODD.values()]).argmax(axis=1).tolist()
    right = [Example(name, (text,), label) for (name, text), label in zip(ODD.items(), labels, strict=True)]
    rows = run_attack(spec, Dataset("odd", tuple(right), ("n", "p")), model, tmp_path / "right", parts=made)
    for row in rows:
        assert row.outcome in {"flipped", "survived"}, (row.id, row.reason)
        assert row.original == ODD[row.id]
        assert row.logits_original == pytest.approx(model([(row.original,)])[0], abs=2e-3)
        assert model([(row.perturbed,)])[0].argmax() == (row.label if row.outcome == "survived" else 1 - row.label)
        if row.outcome == "survived":
            assert row.similarity is None
        if not row.changed:
            assert row.perturbed == row.original
    untouched = {row.id: row.queries for row in rows if row.id in {"stop words", "emoji", "empty", "blank"}}
    assert untouched == {"stop words": 1, "emoji": 1, "empty": 1, "blank": 1}
    wrong = [Example(e.id, e.texts, 1 - e.label) for e in right]
    rows = run_attack(spec, Dataset("odd", tuple(wrong), ("n", "p")), model, tmp_path / "wrong", parts=made)
    assert {(row.outcome, row.queries) for row in rows} == {("skipped", 1)}
