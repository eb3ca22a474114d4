"""BERT-Attack: its substitutes against a plain derivation, its rules, and that nobody's company matters to it."""

import itertools
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.attacked_text import AttackedText, words_of
from benchmark.attacks.recipes.bert_attack import BertAttack
from benchmark.attacks.token_predictions import MaskedLM, MaskedLMSubstitutes, Slots
from benchmark.attacks.transformations import joined_pieces
from benchmark.attacks.victim import masked_lm_oracle
from benchmark.data import Dataset
from tests.attacks import tiny_masked_lm as masked
from tests.attacks.tiny_masked_lm import ODD, PAIRS, SENTENCES, STOPWORDS, victim


@pytest.fixture
def model(masked_lm_folder):
    return masked.load(masked_lm_folder)


@pytest.fixture
def run(tmp_path, masked_lm_folder, model):
    def attacked(examples, made=None, in_flight=64, asked=victim, **parameters):
        journal = tmp_path / "journal.jsonl"
        journal.unlink(missing_ok=True)
        attack = masked.attack(masked_lm_folder, **parameters)
        return run_attack(attack, examples, asked, journal, parts=masked.parts(made or model), in_flight=in_flight)

    return attacked


def answered(search, oracle):
    """Return the result of a part of a search, with an oracle that answers it."""
    answers = None
    while True:
        try:
            question = search.send(answers)
        except StopIteration as end:
            return end.value
        answers = oracle.answer(question.items, question.tier)


def plainly(model, text, index, most):
    """Substitutes of a word from a pass over the text alone, with the longest padding and no short cut."""
    import torch

    tokenizer, longest = model.tokenizer, model.longest
    inputs = tokenizer(text.joined, max_length=longest, truncation=True, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        logits = model.network(**inputs).logits[0]
    hidden = tokenizer(text.replace(index, "[MASK]").joined, max_length=longest, truncation=True)["input_ids"]
    if tokenizer.mask_token_id not in hidden:
        return []
    first = hidden.index(tokenizer.mask_token_id)
    pieces = len(tokenizer.tokenize(text.words[index]))
    rows = logits[first : min(first + pieces, longest)].argsort(dim=-1, descending=True)[:, :most].tolist()
    tokens = [tokenizer.convert_ids_to_tokens(row) for row in rows]
    if pieces == 0:
        return []
    if len(tokens) == 1:
        return sorted(t for t in tokens[0] if "##" not in t and len(words_of(t)) == 1)
    joined = ["".join(chosen).replace("##", "") for chosen in itertools.product(*tokens)]
    return [word for word in joined if len(words_of(word)) == 1][:most]


@pytest.mark.parametrize(
    "columns", [*((s,) for s in SENTENCES), *PAIRS, *((s,) for s in ODD)], ids=lambda columns: ascii(columns)[:30]
)
def test_substitutes_are_those_of_a_plain_pass(model, columns):
    text, oracle = AttackedText(columns), masked_lm_oracle(model)
    for most in (3, 8):
        substitutes = MaskedLMSubstitutes(model, most, limit=10**6)
        for index in [*text.attacked_words][:6] + [*text.attacked_words][-2:]:
            found = answered(substitutes.words(text, index), oracle)
            pieces = len(model.tokenizer.tokenize(text.words[index]))
            # A single piece's substitutes are a set: the search sorts its candidates by their text.
            assert (found if pieces > 1 else sorted(found)) == plainly(model, text, index, most)


def test_words_of_several_pieces_come_in_the_order_of_their_product():
    pieces = [["un", "re"], ["##real", ".", "##do"], ["##s", "!"]]
    # "un.s" is two words and "un.!" is one.
    assert joined_pieces(pieces, 4, 100) == ["unreals", "unreal!", "un.!", "undos"]
    assert joined_pieces(pieces, 1, 100) == ["unreals"]
    assert joined_pieces(pieces, 4, 3) == ["unreals", "unreal!"]
    assert joined_pieces([["a", "b"], ["'", "-"], ["c"]], 9, 9) == ["a'c", "a-c", "b'c", "b-c"]


def test_every_accepted_text_keeps_the_rules(run, model):
    longer = [f"{one} {other}" for one, other in itertools.permutations(SENTENCES, 2)]
    rows = run(masked.dataset(*SENTENCES, *longer, *PAIRS))
    assert "flipped" in {row.outcome for row in rows} <= {"flipped", "survived"}
    for row in rows:
        old, new = words_of(row.original), words_of(row.perturbed)
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) == row.changed
        assert not {a for a, _ in changed} & STOPWORDS
        words = len(old) + (len(words_of(PAIRS[0][0])) if row.original in dict(PAIRS).values() else 0)
        assert row.changed <= int(np.ceil(0.4 * words))
        if row.outcome == "flipped":
            assert row.changed
            assert victim([(row.perturbed,)])[0].argmax() != row.label


def test_numbers_of_the_attack_count(run):
    only = masked.dataset(" ".join(SENTENCES))
    full = run(only, max_share=1.0)[0]
    assert full.queries > run(only, max_share=1.0, candidates=2)[0].queries
    assert run(only, similarity_threshold=1.0)[0].changed == 0
    assert run(only, max_share=0.05)[0].changed <= 2
    assert run(only, max_share=1.0, max_combinations=1)[0].queries < full.queries


@pytest.mark.parametrize("budget", [1, 3, 6, 7, 9, 12])
def test_a_query_budget_is_kept(run, budget):
    only = masked.dataset(SENTENCES[2])
    full = run(only)[0]
    row = run(only, query_budget=budget)[0]
    assert row.queries == min(budget, full.queries)
    assert row.outcome in {"budget", full.outcome}


@pytest.mark.parametrize("text", ODD, ids=lambda text: ascii(text)[:30])
def test_odd_texts_have_an_outcome(run, text):
    row = run(masked.dataset(text))[0]
    assert row.outcome in {"flipped", "survived"}, row.reason
    assert row.original == text


def test_order_and_company_do_not_matter(run):
    texts = masked.dataset(*SENTENCES, *PAIRS, *ODD[:8])
    rows = {row.id: row for row in run(texts)}
    assert {row.id: row for row in run(texts, in_flight=1)} == rows
    assert {row.id: row for row in run(replace(texts, examples=texts.examples[::-1]), in_flight=5)} == rows
    for example in texts.examples[:4]:
        assert run(Dataset("one", (example,), texts.label_names)) == [rows[example.id]]


class Careless(MaskedLM):
    """Its full batches are wrong by up to 0.05, depending on who is in them."""

    def tiers(self):
        return [self.noisy, super().tiers()[-1]]

    def noisy(self, items):
        rows, rng = self.predict(items), np.random.default_rng(len(items))
        for row in rows:
            noise = rng.uniform(-0.05, 0.05, row.values.shape).astype(np.float32)
            noise[0, 0] = 0.05
            order = np.argsort(-(row.values + noise), axis=1)
            yield replace(
                row,
                values=np.take_along_axis(row.values + noise, order, 1),
                ids=np.take_along_axis(row.ids, order, 1),
            )


def test_what_full_batches_leave_open_is_asked_again(run, masked_lm_folder):
    texts = masked.dataset(*SENTENCES, *PAIRS)
    model = masked.load(masked_lm_folder)
    careless = Careless(model.network, model.tokenizer)
    assert run(texts, careless) == run(texts, model)
    wrong = 0
    for text in (AttackedText((sentence,)) for sentence in SENTENCES):
        for index in text.attacked_words:
            places = tuple(model.positions(text, index))
            near, exact = (next(iter(answer([Slots(text.joined, places, 8)]))) for answer in careless.tiers())
            wrong += not (near.ids == exact.ids).all()
            words = answered(MaskedLMSubstitutes(careless, 8, 10**6).words(text, index), masked_lm_oracle(careless))
            assert (words if len(places) > 1 else sorted(words)) == plainly(model, text, index, 8)
    assert wrong


def test_a_text_is_asked_about_twice_at_most(run, model):
    items = []

    class Watched(MaskedLM):
        def tiers(self):
            return [self.watched]

        def watched(self, asked):
            items.extend(asked)
            return self.predict(asked)

    # No swap is similar enough, so that every word of the original is tried.
    run(masked.dataset(*SENTENCES), Watched(model.network, model.tokenizer), similarity_threshold=1.0)
    assert len(items) > len(SENTENCES)
    assert max(Counter(item.text for item in items).values()) <= 2


def test_the_recipes_numbers_are_textattacks():
    numbers = BertAttack()
    assert (numbers.candidates, numbers.max_share, numbers.stopwords) == (8, 0.4, "nltk-english")
    assert (numbers.similarity_threshold, numbers.similarity_metric) == (0.2, "cosine")
    # Every combination of up to five pieces.
    assert numbers.max_combinations == 8**5
