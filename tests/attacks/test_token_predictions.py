"""The masked LM as attacks ask it: which tokens, with which logits, and which places a word has."""

from dataclasses import replace

import numpy as np
import pytest

from benchmark.attacks import attack_fingerprint, load_parts, parameters_of
from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine.questions import Answer
from benchmark.attacks.token_predictions import MaskedLM, Ranking, Slots, masked_lm_identity
from benchmark.schema.errors import UsageError
from tests.attacks import tiny_masked_lm as masked


@pytest.fixture
def model(masked_lm_folder):
    return masked.load(masked_lm_folder)


def logits_of(model, text):
    import torch

    with torch.no_grad():
        return model.network(**model.tokenizer(text, return_tensors="pt")).logits[0].numpy()


def test_the_likeliest_tokens_are_those_of_a_pass_over_the_text_alone(model):
    items = [
        Slots("a good film", (1, 3), 4),
        Slots("this movie is unreal and so slow", (0, 2, 4, 5), 2),
        Slots("a good film", (2,), 6),
        Slots("watching", tuple(range(3)), 9),
    ]
    for tier in model.tiers():
        for item, row in zip(items, tier(items), strict=True):
            plain = logits_of(model, item.text)[list(item.positions)]
            order = np.argsort(-plain, axis=1)[:, : item.most + 1]
            assert (row.ids == order).all()
            np.testing.assert_allclose(row.values, np.take_along_axis(plain, order, 1), atol=1e-4)


def test_the_last_tier_gives_the_same_bits_in_any_company(model):
    items = [Slots(text, (1, 2), 8) for text in masked.SENTENCES]
    together = list(model.tiers()[-1](items))
    for item, row in zip(items, together, strict=True):
        (alone,) = model.tiers()[-1]([item])
        assert (alone.values == row.values).all()
        assert (alone.ids == row.ids).all()


def test_equal_logits_come_by_number(model):
    import torch

    with torch.no_grad():
        model.network.cls.predictions.decoder.weight[:] = 0
        model.network.cls.predictions.bias[:] = 0
        model.network.cls.predictions.bias[[70, 9, 30]] = 1.0
    (row,) = model.predict([Slots("a good film", (1,), 2)])
    assert row.ids.tolist() == [[9, 30, 70]]


def test_no_more_tokens_are_given_than_there_are(model):
    (row,) = model.predict([Slots("a good film", (1,), 1000)])
    assert row.ids.shape == (1, len(masked.VOCABULARY))


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a good film", [(1, 2), (2, 3), (3, 4)]),
        ("unwatch it's", [(1, 3), (3, 6)]),
        # What the tokenizer does not know at a word's edge swallows the word; alone it has its pieces.
        ("☃unreal", [(2, 4)]),
        ("good " * 61 + "unwatchable watch watch", [*((i, i + 1) for i in range(1, 62)), (62, 64), None, None]),
        # A mask that is in the text already is taken for the word's.
        ("a [MASK] film", [(1, 2), (3, 7), (2, 3)]),
    ],
)
def test_a_word_is_found_where_a_mask_in_its_place_would_stand(model, text, places):
    attacked = AttackedText((text,))
    found = [model.positions(attacked, index) for index in range(len(attacked.words))]
    assert [None if not len(p) else (p.start, p.stop) for p in found] == places


def test_the_columns_of_a_pair_are_read_as_one_text(model):
    text = AttackedText(("a good", "film watching"))
    assert [model.positions(text, i) for i in text.attacked_words] == [range(3, 4), range(4, 6)]


def test_long_texts_are_read_as_far_as_the_model_can(model):
    assert model.longest == 64
    assert model.length("good " * 100) == 64
    model.tokenizer.model_max_length = 10**30
    assert MaskedLM(model.network, model.tokenizer).longest == 64


def test_byte_level_tokens_begin_with_a_mark_unless_the_text_begins_with_them(model):
    assert model.continues_word("##s", first=True)
    assert not model.continues_word("Ġs", first=False)
    model.network.config.model_type = "roberta"
    level = MaskedLM(model.network, model.tokenizer)
    assert level.continues_word("s", first=False)
    assert not level.continues_word("s", first=True)
    assert not level.continues_word("Ġs", first=False)
    # Positions count from behind the padding's.
    assert level.longest == 64 - 1


def test_a_family_that_marks_words_in_another_way_is_refused(model):
    model.network.config.model_type = "albert"
    with pytest.raises(
        UsageError, match=r"family 'albert' cannot attack.*Known: bert, distilbert, electra, modernbert, mpnet, roberta"
    ):
        MaskedLM(model.network, model.tokenizer)


class Oracle:
    """Ranks exactly on its second tier."""

    def __init__(self, exact):
        self.exact, self.asked = exact, 0

    def decide(self, values, rows=(0,), *, in_order=False, margin=0.1):
        ids = np.arange(np.size(values)).reshape(np.shape(values))
        ranking = Ranking("lm", "item", Answer(np.array(values, np.float32), margin, 0, ids))
        search = ranking.top(rows, in_order=in_order)
        try:
            question = next(search)
            while True:
                self.asked += 1
                assert (question.items, question.tier) == (("item",), 1)
                question = search.send([Answer(np.zeros((1, 4), np.float32), 0.0, 1, np.array([self.exact]))])
        except StopIteration as end:
            return end.value.tolist()


@pytest.mark.parametrize(
    ("values", "in_order", "asked"),
    [
        ([[3.0, 2.9, 2.8, 2.5]], False, 0),
        ([[3.0, 2.9, 2.8, 2.65]], False, 1),
        ([[3.0, 2.9, 2.8, 2.5]], True, 1),
        ([[3.0, 2.7, 2.4, 2.1]], True, 0),
    ],
)
def test_a_ranking_is_asked_again_where_its_margin_leaves_it_open(values, in_order, asked):
    oracle = Oracle([7, 8, 9, 6])
    assert oracle.decide(values, in_order=in_order) == [[7, 8, 9] if asked else [0, 1, 2]]
    assert oracle.asked == asked


def test_rows_that_nobody_wants_settle_nothing():
    oracle = Oracle([7, 8, 9, 6])
    assert oracle.decide([[1.0] * 4, [4.0, 3.0, 2.0, 1.0]], rows=[1]) == [[4, 5, 6]]
    assert oracle.asked == 0
    assert oracle.decide([[1.0] * 4], margin=0.0) == [[0, 1, 2]]
    assert oracle.asked == 0


def test_the_attack_is_told_apart_by_its_masked_lms_bytes(masked_lm_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.attacks.parts.resource_fingerprint", lambda _: "sha256:encoder")
    same, other = masked.write_masked_lm(tmp_path / "same"), masked.write_masked_lm(tmp_path / "other", seed=1)
    first, moved, different = (attack_fingerprint(masked.attack(f)) for f in (masked_lm_folder, same, other))
    assert first == moved != different
    with pytest.raises(UsageError, match="neither packaged, nor a folder, nor a Hub id"):
        masked_lm_identity("nonesuch")


def test_the_named_masked_lm_is_loaded(masked_lm_folder, model, monkeypatch):
    monkeypatch.setattr("benchmark.attacks.parts.locate", lambda _: masked_lm_folder)
    numbers = parameters_of(masked.attack(masked_lm_folder))
    loaded = load_parts(numbers).masked_lm
    item = Slots("a good film", (1, 2), 8)
    assert (loaded.predict([item])[0].ids == model.predict([item])[0].ids).all()
    with pytest.raises(UsageError, match="parameter masked_lm: is empty"):
        parameters_of(replace(masked.attack(masked_lm_folder), parameters={"masked_lm": ""}))
