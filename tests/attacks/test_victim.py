"""Victims as oracles: what they say is exact on the last tier, and up to the margin on the others."""

import numpy as np
import pytest
import torch

from benchmark.attacks.victim import ModelVictim, victim_oracle
from benchmark.resources import locate
from tests.attacks import fakes
from tests.support.tiny import sentences

TEXTS = [(text,) for text, _ in sentences(40, seed=2)]

pytestmark = pytest.mark.slow


def values(oracle, texts, tier):
    return np.stack([answer.values for answer in oracle.answer(texts, tier)])


def test_a_model_is_asked_in_batches_and_then_alone_on_one_thread(tiny_model, monkeypatch):
    from benchmark.models import inference

    asked = []
    predict = inference.predict_logits

    def watched(model, texts, *, tokens_per_batch):
        asked.append((next(model.parameters()).dtype, len(texts), tokens_per_batch, torch.get_num_threads()))
        return predict(model, texts, tokens_per_batch=tokens_per_batch)

    oracle = victim_oracle(ModelVictim(tiny_model, tokens_per_batch=64))
    monkeypatch.setattr(inference, "predict_logits", watched)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        oracle.tiers[-2](TEXTS)
        oracle.tiers[-1](TEXTS)
        assert asked == [(torch.float32, 40, 64, 2), (torch.float32, 40, 1, 1)]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_the_tiers_agree_within_their_margins(tiny_model):
    oracle = victim_oracle(ModelVictim(tiny_model, tokens_per_batch=64))
    exact = np.concatenate([ModelVictim(tiny_model)([text]) for text in TEXTS])
    for tier in range(oracle.last_tier + 1):
        said = values(oracle, TEXTS, tier)
        assert said.dtype == np.float32
        assert np.abs(said.astype(np.float64) - exact).max() <= max(oracle.margins[tier], 1e-7)
    assert (
        values(oracle, TEXTS[::-1], oracle.last_tier)[::-1].tolist() == values(oracle, TEXTS, oracle.last_tier).tolist()
    )


def test_a_function_is_taken_at_its_word():
    oracle = victim_oracle(fakes.victim)
    texts = [("a good film",), ("a premise", "a bad film")]
    assert oracle.last_tier == 0
    assert values(oracle, texts, 0).tolist() == [[-1.0, 1.0], [1.0, -1.0]]
    assert {answer.margin for answer in oracle.answer(texts, 0)} == {0.0}
    with pytest.raises(ValueError, match=r"logits of shape \(1, 2\) for 2 texts"):
        victim_oracle(lambda texts: np.zeros((1, 2))).answer(texts, 0)


@pytest.mark.resources
@pytest.mark.needs("minilm")
def test_the_last_tier_does_not_depend_on_the_number_of_threads():
    from benchmark.models.classifier import Classifier

    folder = locate("minilm")
    torch.manual_seed(0)
    model = Classifier.from_pretrained(folder, 2, 64).eval()
    model.output_layer.weight.data *= 1e3
    texts = [
        (f"{text} and {other} after all",)
        for (text, _), (other, _) in zip(sentences(60, 3), sentences(60, 4), strict=True)
    ]
    threads = torch.get_num_threads()
    try:
        said = []
        for count in (1, 2):
            torch.set_num_threads(count)
            oracle = victim_oracle(ModelVictim(model))
            said.append(values(oracle, texts, oracle.last_tier))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert (said[0] == said[1]).all()
