"""Summary features: the input of the last linear layer, of every kind of model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits, summary_features
from benchmark.models.text_classifiers import ConstantClassifier
from tests.support.families import family_model
from tests.support.tiny import sentences

TEXTS = [(text,) for text, _ in sentences(9, 4)] + [("a much longer sentence about a very good film",)]


@pytest.mark.parametrize("family", ["albert", "bert", "gpt2", "roberta", "xlnet"])
def test_the_output_layer_maps_the_features_to_the_logits(tiny_backbone: Path, family: str) -> None:
    model = family_model(family, tiny_backbone, types=family != "gpt2").train()
    seen: list[tuple[int, int]] = []
    features = summary_features(model, TEXTS, report=lambda done, total: seen.append((done, total)))
    assert (features.dtype, features.shape) == (np.float16, (len(TEXTS), model.feature_width))
    layer = model.output_layer.float()
    logits = layer(torch.from_numpy(features.astype(np.float32))).detach().numpy()
    # Rounding to 16 bits changes a feature by at most 2^-11 of itself.
    bound = np.abs(features) @ np.abs(layer.weight.detach().numpy().T) / 2**11 + 1e-6
    assert (np.abs(logits - predict_logits(model, TEXTS)) <= 1.01 * bound + 1e-6).all()
    assert np.abs(np.diff(features.astype(float), axis=0)).max() > 1e-3
    assert seen[-1] == (len(TEXTS), len(TEXTS))
    assert model.training
    assert model.passes.counts()["forward"] == 0
    np.testing.assert_allclose(summary_features(model, TEXTS[::-1]), features[::-1], atol=1e-2)


def test_a_model_without_a_network_has_no_features() -> None:
    assert summary_features(ConstantClassifier(2), TEXTS).shape == (len(TEXTS), 0)


def test_a_feature_that_is_too_large_becomes_infinite(tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Classifier.from_pretrained(tiny_backbone, 2, 16)
    monkeypatch.setattr(model, "penultimate", lambda batch: torch.full((len(batch), model.feature_width), 7e4))
    assert np.isinf(summary_features(model, TEXTS)).all()
