"""Outcomes of attacks on single examples, by Temper's engine and by TextAttack itself."""

import random

import numpy as np
import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.attacked_text import words_of
from benchmark.data import Dataset, Example
from benchmark.evaluation.parquet import read_attack, write_attack
from benchmark.schema.errors import TemperError
from tests.attacks.fakes import LEXICON, dataset, parts, victim

LONG = "this charming film is a film that the film club of a big town would watch as a good film on a slow day"


def probability_of(text, label):
    logits = victim([(text,)])[0].astype(float)
    return (np.exp(logits) / np.exp(logits).sum())[label]


def test_outcomes(run, tmp_path):
    texts = dataset("a good film to watch", "nice film to watch", "fine thing", "a good film", labels=[1, 1, 1, 0])
    flipped, survived, untouched, skipped = run(texts)
    assert (flipped.outcome, flipped.perturbed) == ("flipped", "a decent film to watch")
    assert (flipped.words, flipped.changed) == (5, 1)
    # 1 for the text, 3 for leaving out good, film, watch; decent, nice, fine for good.
    assert flipped.queries == 1 + 3 + 3
    assert 0 < flipped.similarity < 1
    assert survived.outcome == "survived"
    assert (survived.perturbed, survived.changed, survived.similarity) == ("nice film to view", 1, None)
    assert probability_of(survived.perturbed, 1) < probability_of(survived.original, 1)
    assert (untouched.outcome, untouched.changed, untouched.perturbed) == ("survived", 0, "fine thing")
    assert (skipped.outcome, skipped.queries, skipped.perturbed) == ("skipped", 1, None)
    assert skipped.logits_original == (-1.0, 1.0)
    for row in (flipped, survived):
        assert row.logits_final == pytest.approx(victim([(row.perturbed,)])[0], abs=5e-4)
    write_attack(tmp_path / "attack.parquet", [flipped, survived, untouched, skipped])
    read = read_attack(tmp_path / "attack.parquet")
    assert [row.perturbed for row in read] == [flipped.perturbed, survived.perturbed, "fine thing", None]


def test_every_accepted_text_keeps_the_rules(run):
    made = parts()
    rows = run(dataset("a good film to watch", "This CHARMING film .", "Charming film", LONG))
    assert {row.outcome for row in rows} == {"flipped"}
    for row in rows:
        pairs = list(zip(row.original.split(), row.perturbed.split(), strict=True))
        changed = [(a, b) for a, b in pairs if a != b]
        assert len(changed) == row.changed
        for old, new in changed:
            assert old.lower() not in made.stopwords
            assert dict(LEXICON[old.lower()])[new.lower()] >= 0.5
            assert old.isupper() == new.isupper()
            assert made.tagger.tag([old])[0] in {made.tagger.tag([new])[0], "NOUN", "VERB"}
        assert victim([(row.perturbed,)])[0].argmax() != row.label


def test_numbers_of_the_attack_count(run):
    only = dataset("a good good film")
    assert run(only)[0].outcome == "flipped"
    assert run(only, candidates=2)[0].outcome == "survived"
    assert "bad" not in run(only, min_cosine=0.45)[0].perturbed
    assert run(only, min_cosine=0.75)[0].outcome == "survived"
    assert "bad" in run(only, min_cosine=0)[0].perturbed
    assert run(only, max_share=0.25)[0].changed == 1
    assert run(only, max_share=0.26)[0].changed == 2
    assert run(dataset(LONG), similarity_threshold=1.0)[0].changed == 0
    assert run(dataset(LONG), similarity_threshold=1.0, window=40)[0].changed > 0
    assert run(dataset(LONG), similarity_threshold=0.999, similarity_metric="cosine")[0].outcome == "survived"


@pytest.mark.parametrize("budget", range(1, 9))
def test_a_query_budget_is_kept(run, budget):
    row = run(dataset("a good film to watch"), query_budget=budget)[0]
    # 1 for the text and 3 for leaving out a word; then decent, the first candidate, flips.
    assert row.queries == min(budget, 7)
    assert row.outcome == ("flipped" if budget >= 5 else "budget")
    assert (row.perturbed is None) == (row.outcome == "budget")


def test_a_budget_that_ends_with_the_search_is_a_budget(run):
    full = run(dataset("nice film to watch"))[0]
    assert full.outcome == "survived"
    assert run(dataset("nice film to watch"), query_budget=full.queries)[0].outcome == "budget"
    assert run(dataset("nice film to watch"), query_budget=full.queries + 1) == [full]


def test_only_the_second_of_two_texts_is_attacked(run):
    asked = []

    def watched(texts):
        asked.extend(texts)
        return victim(texts)

    premise = "a good charming film ."
    row = run(dataset((premise, "a good film to watch")), watched)[0]
    assert (row.outcome, row.original, row.perturbed) == ("flipped", "a good film to watch", "a decent film to watch")
    assert (row.words, row.changed) == (5, 1)
    assert {text[0] for text in asked} == {premise}
    assert len(asked) == len(set(asked))


def test_one_failing_example_stops_nothing(run):
    def broken(texts):
        if any("great" in text[0] for text in texts):
            raise RuntimeError(f"no answer from {object()!r}\nand more")
        if any("dull" in text[0] for text in texts):
            return np.zeros((1, 3), np.float32)[:, 0]
        answers = victim(texts)
        answers[[i for i, text in enumerate(texts) if "charming" in text[0]]] = np.nan
        return answers

    texts = dataset("a good film", "a great film", "a charming film", "a dull film", "a good movie")
    good, raised, infinite, shapeless, last = run(texts, broken)
    assert (good.outcome, last.outcome) == ("flipped", "flipped")
    assert raised.outcome == infinite.outcome == shapeless.outcome == "error"
    assert raised.reason == "RuntimeError: no answer from <object object at 0x…>"
    assert infinite.reason.startswith("ValueError: the ")
    assert infinite.reason.endswith(" that are not finite")
    assert "of shape (1,) for 1 texts" in shapeless.reason
    assert (raised.logits_original, raised.logits_final) == ((), None)
    assert not raised.initially_right


def test_an_error_in_the_middle_keeps_what_is_known(run):
    def broken(texts):
        if any("decent" in text[0] for text in texts):
            raise ValueError("no decent texts")
        return victim(texts)

    row = run(dataset("a good film to watch"), broken)[0]
    assert (row.outcome, row.reason) == ("error", "ValueError: no decent texts")
    assert row.logits_original == pytest.approx(victim([("a good film to watch",)])[0], abs=5e-4)
    assert row.initially_right
    assert row.queries > 1


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(28, "No space left on device"), RuntimeError("CUDA out of memory.")]
)
def test_a_machine_that_cannot_go_on_is_not_an_outcome(run, tmp_path, error):
    def failing(texts):
        if "great" in texts[0][0]:
            raise error
        return victim(texts)

    with pytest.raises(TemperError, match=r"stopped.* and run again"):
        run(dataset("a good film", "a great film"), failing, in_flight=1)
    assert '"id":"10"' in (tmp_path / "journal.jsonl").read_text()
    assert '"id":"11"' not in (tmp_path / "journal.jsonl").read_text()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_ends_byte_for_byte_like_an_undisturbed_one(run, spec, tmp_path, stop):
    texts = dataset("a good film to watch", "nice film to watch", LONG, "a bad dull film", "the film")
    expected = run(texts, journal="undisturbed.jsonl")
    path = tmp_path / "interrupted.jsonl"

    def interrupted_at(number):
        def progress(_, done, total):
            assert total == 5
            if done == number:
                raise stop

        return progress

    for number in (2, 3):
        with pytest.raises(stop):
            run_attack(spec(), texts, victim, path, interrupted_at(number), parts=parts(), in_flight=number)
        path.write_bytes(path.read_bytes() + b'{"id":"1')
    assert run_attack(spec(), texts, victim, path, parts=parts()) == expected
    assert sorted(path.read_bytes().splitlines()) == sorted((tmp_path / "undisturbed.jsonl").read_bytes().splitlines())

    def unasked(texts):
        raise AssertionError("a finished attack asks nothing")

    assert run_attack(spec(), texts, unasked, path, parts=parts()) == expected


def test_an_interrupt_inside_an_example_passes(run):
    def interrupted(texts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset("a good film"), interrupted)


def test_order_and_company_do_not_matter(run):
    texts = dataset("a good film to watch", "nice film to watch", LONG, "a bad dull film")
    rows = {row.id: row for row in run(texts)}
    turned = Dataset("turned", texts.examples[::-1], texts.label_names)
    assert {row.id: row for row in run(turned)} == rows
    for example in texts.examples:
        assert run(Dataset("one", (example,), texts.label_names)) == [rows[example.id]]


def test_random_numbers_of_the_process_stay_as_they_were(run):
    random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    run(dataset("a good film", LONG))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_the_encoder_is_asked_once_about_each_text_and_never_about_short_ones(run):
    made = parts()
    short = run(dataset("a good film to watch"), made=made)[0]
    assert made.encoder.asked == [short.original, short.perturbed]
    made = parts()
    long = run(dataset(LONG), made=made)[0]
    search = made.encoder.asked[:-2]
    assert made.encoder.asked[-2:] == [long.original, long.perturbed]
    assert len(search) > 3


def test_an_unlabelled_example_is_refused(run):
    with pytest.raises(TemperError, match="'10' has no label"):
        run(Dataset("tiny", (Example("10", ("a film",), None),), ()))


MANY = " ".join(["good"] * 16)
"""Two for each word and 2.25 less for each that becomes decent, so that the 15th replacement flips it."""


@pytest.mark.parametrize(
    ("text", "outcome", "queries", "perturbed"),
    [
        ("good", "flipped", 1 + 1 + 3, "decent"),
        ("x" * 3000, "survived", 1 + 1, "x" * 3000),
        ("the a is", "survived", 1, "the a is"),
        ("!!!", "survived", 1, "!!!"),
        ("🙂 🙂", "survived", 1, "🙂 🙂"),
        ("a good 🙂 film", "flipped", 1 + 2 + 3, "a decent 🙂 film"),
        ("<br /> good <b>film</b> &amp;", "flipped", 1 + 6 + 3, "<br /> decent <b>film</b> &amp;"),
        ("  good  film ", "flipped", 1 + 2 + 3, "  decent  film "),
        ("GOOD Film", "flipped", 1 + 2 + 3, "DECENT Film"),
        ("good\u00a0film\u2028watch", "flipped", 1 + 3 + 3, "decent\u00a0film\u2028watch"),
        ("it's a 'good' film--really_good", "survived", 1 + 3 + 3, "it's a 'good' film--really_good"),
        ("\x00 good", "flipped", 1 + 1 + 3, "\x00 decent"),
        ("naïve café good", "flipped", 1 + 3 + 3, "naïve café decent"),
        (MANY, "flipped", 1 + 16 + 3 * 15, MANY.replace("good", "decent", 15)),
    ],
)  # fmt: skip
def test_odd_texts_have_a_known_outcome(run, text, outcome, queries, perturbed):
    row = run(dataset(text))[0]
    assert (row.outcome, row.queries, row.perturbed) == (outcome, queries, perturbed), row.reason
    assert row.original == text
    assert row.words == len(words_of(text))
    assert row.changed == sum(a != b for a, b in zip(words_of(text), words_of(perturbed), strict=True))


def test_a_label_that_is_wrong_from_the_start_costs_one_query(run):
    row = run(dataset("a good film", labels=[0]))[0]
    assert (row.outcome, row.queries, row.perturbed, row.changed) == ("skipped", 1, None, 0)
    assert not row.initially_right


def test_a_victim_without_a_number_for_any_text_is_an_error_of_every_example(run):
    rows = run(dataset("a good film", "the film"), lambda texts: np.full((len(texts), 2), np.nan, np.float32))
    assert {row.outcome for row in rows} == {"error"}
    assert all("not finite" in row.reason and not row.logits_original for row in rows)
