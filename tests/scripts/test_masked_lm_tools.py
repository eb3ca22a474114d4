"""Training and evaluating the masked-LM head, on a tiny random BERT."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load
from transformers import AutoModelForMaskedLM, AutoTokenizer

from benchmark.attacks.parts import stop_words
from benchmark.data.text_normalisation import text_key
from benchmark.models.masked_lm import load_masked_lm
from scripts.judge_masked_lm_head import content_by_frequency, frequency_ranks, head_ranks, summary
from scripts.masked_lm_texts import Question, evaluated_keys, hide, questions, read_texts, sentences, windows
from scripts.train_masked_lm_head import LowRank, Settings, build
from tests.support.tiny import sentences as labelled

SMALL = Settings(rank=2, tokens=256, negatives=16, learning_rate=1e-2, head_learning_rate=2e-2, passes=8)


@pytest.fixture(scope="module")
def texts():
    return {"one": [text for text, _ in labelled(60)], "two": ["the film was good. We liked it! i hated the end"]}


@pytest.fixture(scope="module")
def data(tiny_backbone, texts):
    return build(tiny_backbone, texts, SMALL)


def test_two_builds_give_the_same_bytes(tiny_backbone, texts, data):
    assert build(tiny_backbone, texts, SMALL) == data


def test_another_seed_gives_other_bytes(tiny_backbone, texts, data):
    assert build(tiny_backbone, texts, replace(SMALL, seed=1)) != data


def test_file_holds_head_norms_and_corrections(data):
    tensors = load(data)
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert {name for name in tensors if name.startswith("cls.")} == {
        "cls.predictions.bias", "cls.predictions.transform.dense.weight", "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight", "cls.predictions.transform.LayerNorm.bias",
    }  # fmt: skip
    pairs = [name for name in tensors if name.endswith(".weight.up")]
    assert len(pairs) == 2 * 6
    assert all(tensors[name].shape[1] == tensors[name.replace(".up", ".down")].shape[0] == 2 for name in pairs)
    assert len([name for name in tensors if "LayerNorm" in name and name.startswith("bert.")]) == 2 * 4
    assert len(tensors) == 5 + 2 * len(pairs) + 8


def test_what_is_loaded_is_what_was_trained(tiny_backbone, texts, data, tmp_path, monkeypatch):
    """The corrected weights, put together when the file is loaded, give what the correction in training gave."""
    trained = []
    monkeypatch.setattr("scripts.train_masked_lm_head.trained_tensors", lambda network: trained.append(network) or {})
    build(tiny_backbone, texts, SMALL)
    (tmp_path / "head.safetensors").write_bytes(data)
    loaded = load_masked_lm(tiny_backbone, tmp_path / "head.safetensors")
    tokens = {"input_ids": torch.tensor([[2, 5, 6, 4, 9, 3], [2, 11, 4, 4, 30, 3]])}
    with torch.no_grad():
        expected, found = trained[0](**tokens).logits, loaded(**tokens).logits
        before = AutoModelForMaskedLM.from_pretrained(tiny_backbone)(**tokens).logits
    torch.testing.assert_close(found, expected, atol=2e-2, rtol=0)
    assert (before - expected).abs().max() > 1


def test_training_learns_which_word_stands_where(tiny_backbone, tmp_path):
    texts = ["the film was very good", "i hated that dull script", "we liked this funny story", "a slow scene but fine"]
    data = build(tiny_backbone, {"all": texts * 12}, replace(SMALL, passes=30, head_learning_rate=0.2))
    (tmp_path / "head.safetensors").write_bytes(data)
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    asked = list(questions(tokenizer, texts * 3, stop_words("textfooler"), np.random.default_rng(0)))
    ranks = head_ranks(load_masked_lm(tiny_backbone, tmp_path / "head.safetensors"), asked)
    by_frequency = frequency_ranks(content_by_frequency(tokenizer, texts), asked)
    assert np.mean(1 / ranks) > 1.5 * np.mean(1 / by_frequency)


def test_a_correction_begins_at_nothing():
    frozen = torch.nn.Linear(5, 7)
    inputs = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    corrected = LowRank(frozen, 2)
    torch.testing.assert_close(corrected(inputs), frozen(inputs), atol=0, rtol=0)
    with torch.no_grad():
        corrected.up.fill_(0.5)
    expected = inputs @ (frozen.weight + corrected.up @ corrected.down).T + frozen.bias
    torch.testing.assert_close(corrected(inputs), expected)


def test_masks_a_quarter_without_special_tokens():
    rng, ids = np.random.default_rng(0), [2, *range(100, 140), 3]
    fates = []
    for _ in range(500):
        shown, chosen = hide(ids, 1000, 4, rng)
        assert len(set(chosen.tolist())) == 10
        assert chosen.min() >= 1
        assert chosen.max() <= 40
        changed = np.flatnonzero(shown != np.array(ids))
        assert set(changed) <= set(chosen.tolist())
        fates += ["mask" if shown[p] == 4 else "same" if shown[p] == ids[p] else "random" for p in chosen]
    shares = [fates.count(fate) / len(fates) for fate in ("mask", "random", "same")]
    np.testing.assert_allclose(shares, [0.8, 0.1, 0.1], atol=0.02)


def test_of_a_short_window_one_piece_is_hidden():
    shown, chosen = hide([2, 50, 3], 1000, 4, np.random.default_rng(1))
    assert chosen.tolist() == [1]
    assert (shown[0], shown[2]) == (2, 3)


def test_sentences_are_cut_where_one_seems_to_end():
    assert sentences('He left. "No!" She stayed at 3.5 p.m. and so on.') == [
        "He left.",
        '"No!" She stayed at 3.5 p.m. and so on.',
    ]


def test_windows_take_whole_sentences_and_cut_long_ones(tiny_backbone):
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    text = "the film was good. We liked it! " + "The " * 7 + "end"
    cut = list(windows(tokenizer, [text, "a plot"], length=8))
    words = [" ".join(tokenizer.convert_ids_to_tokens(window)[1:-1]) for window in cut]
    assert words == [
        "the film was good [UNK]", "we liked it [UNK]", "the the the the the the", "the end", "a plot",
    ]  # fmt: skip
    assert all(window[0] == 2 and window[-1] == 3 and len(window) <= 8 for window in cut)


def test_a_question_masks_one_content_word(tiny_backbone):
    tokenizer = AutoTokenizer.from_pretrained(tiny_backbone)
    asked = list(
        questions(tokenizer, ["the plot is", "is a", "the plot"], frozenset({"the"}), np.random.default_rng(0))
    )
    plot, the, is_ = (tokenizer.convert_tokens_to_ids(word) for word in ("plot", "the", "is"))
    assert asked == [Question([2, the, 4, is_, 3], 2, plot), Question([2, the, 4, 3], 2, plot)]


def test_the_summary_counts_ranks():
    assert summary(np.array([1, 10, 11, 51])) == "0.250 / 0.500 / 0.750 / 0.303 of 4"


@pytest.mark.slow
@pytest.mark.resources
def test_training_texts_exclude_evaluation_texts():
    train, judged = read_texts()
    keys = {text_key((text,)) for texts in train.values() for text in texts}
    assert {name: len(texts) for name, texts in judged.items()} == {"rt": 2608, "nyt": 935, "plots": 229}
    assert not keys & {text_key((text,)) for texts in judged.values() for text in texts}
    assert not keys & evaluated_keys()
    assert sum(len(text.split()) for texts in train.values() for text in texts) == 1_497_214
