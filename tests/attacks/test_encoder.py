"""Sentence vectors against a plain forward pass of the same model, one sentence at a time."""

import json
import shutil

import numpy as np
import pytest

from benchmark.attacks.encoder import SentenceEncoder
from benchmark.resources import locate
from benchmark.schema.errors import UsageError

SENTENCES = ["good film", "a good good film is a good film", "bad", "", "good film"]


def test_vectors_are_means_of_token_vectors(tiny_backbone):
    import torch
    from transformers import AutoModel, AutoTokenizer

    vectors = SentenceEncoder(tiny_backbone).encode(SENTENCES)
    model, tokenizer = AutoModel.from_pretrained(tiny_backbone).eval(), AutoTokenizer.from_pretrained(tiny_backbone)
    with torch.no_grad():
        for sentence, vector in zip(SENTENCES, vectors, strict=True):
            mean = model(**tokenizer(sentence, return_tensors="pt")).last_hidden_state[0].mean(dim=0)
            np.testing.assert_allclose(vector, (mean / mean.norm()).numpy(), atol=1e-5)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert (vectors[0] == vectors[4]).all()


def test_equal_requests_have_equal_bits_and_batches_do_not_matter(tiny_backbone, monkeypatch):
    encoder = SentenceEncoder(tiny_backbone)
    together = encoder.encode(SENTENCES)
    assert (together == encoder.encode(SENTENCES)).all()
    monkeypatch.setattr("benchmark.attacks.encoder.TOKENS_PER_BATCH", 1)
    np.testing.assert_allclose(encoder.encode(SENTENCES), together, atol=1e-5)


def test_long_texts_are_cut_where_the_folder_says(tiny_backbone, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_backbone, folder)
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 4}))
    first, second, third = SentenceEncoder(folder).encode(["good film bad bad", "good film", "bad film"])
    np.testing.assert_allclose(first, second, atol=1e-5)
    assert np.abs(first - third).max() > 1e-3


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no config\.json, so this resource is not a sentence encoder"):
        SentenceEncoder(tmp_path)


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.needs("minilm")
def test_minilm_knows_what_is_alike():
    folder = locate("minilm")
    eats, meal, market = SentenceEncoder(folder).encode(
        ["A man is eating food.", "A man eats a meal.", "The stock market fell sharply on Monday."]
    )
    assert eats @ meal > 0.7
    assert eats @ market < 0.2
