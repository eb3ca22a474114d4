"""Tests that an inspection has the predicted logits, and the gradients of finite differences in float64."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import inspect_model, predict_logits
from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import PromptClassifier
from tests.support.tiny import sentences, write_tiny_masked_lm

TEXTS = [(text,) for text, _ in sentences(12, 3)]
LABELS = [label for _, label in sentences(12, 3)]


@pytest.fixture()
def model(tiny_backbone: Path) -> Classifier:
    torch.manual_seed(0)
    return Classifier.from_pretrained(tiny_backbone, 2, 16).eval()


def test_logits_equal_the_predictions_and_repeat(model: Classifier) -> None:
    before = model.passes.counts()
    found = inspect_model(model, TEXTS, LABELS)
    np.testing.assert_array_equal(found.logits, predict_logits(model, TEXTS))
    np.testing.assert_array_equal(found.logits, found.again)
    assert model.passes.counts() == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_gradients_are_those_of_finite_differences_in_float64(model: Classifier) -> None:
    """Central differences of -log softmax over every entry of one text's embedded tokens."""
    found = inspect_model(model, TEXTS, LABELS)
    precise = model.double()
    for number in (0, 5):
        batch = precise.encode([TEXTS[number]])
        with torch.no_grad():
            embeds = precise.embed(batch)
            steps = torch.eye(embeds.numel(), dtype=torch.float64).reshape(-1, *embeds.shape[1:]) * 1e-5
            many = precise.encode([TEXTS[number]] * len(steps))
            up, down = (
                precise(many, embeds=embeds + sign * steps).log_softmax(-1)[:, LABELS[number]] for sign in (1, -1)
            )
        slopes = (down - up) / 2e-5
        assert found.gradients[number] == pytest.approx(float(slopes.abs().max()), rel=1e-4)


def test_a_saturated_model_has_no_gradient(model: Classifier) -> None:
    with torch.no_grad():
        model.output_layer.weight.mul_(1e6)
    found = inspect_model(model, TEXTS, predicted_labels(model))
    assert (found.gradients == 0).all()


def predicted_labels(model: Classifier) -> list[int]:
    return [int(label) for label in predict_logits(model, TEXTS).argmax(axis=1)]


def test_random_model_does_not_repeat_its_logits(model: Classifier) -> None:
    class Noise(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.randn_like(x)

    model.network.dropout = Noise()
    found = inspect_model(model, TEXTS, LABELS)
    assert (found.logits != found.again).any(axis=1).all()


def test_largest_gradient_of_several_sequences_counts(tmp_path: Path) -> None:
    folder = write_tiny_masked_lm(tmp_path)
    home = Backbone("b", "folder:b", "0", folder)
    words = [("negative", ["negative", "bad"]), ("positive", ["positive"])]
    templates = [{"front": "the statement is [MASK] ."}, {"back": "this is a [MASK] film"}]
    model = PromptClassifier.from_backbone(home, Prompt.of(templates, words), 24).eval()
    found = inspect_model(model, TEXTS[:3], LABELS[:3])
    batch = model.encode(TEXTS[:3], LABELS[:3])
    embeds = model.embed(batch).detach().requires_grad_()
    loss = -model(batch, embeds=embeds).log_softmax(-1)[range(3), LABELS[:3]].sum()
    loss.backward()
    assert embeds.grad is not None
    assert len(embeds) == 6
    pairs = embeds.grad.abs().amax(dim=(1, 2)).reshape(3, 2)
    np.testing.assert_allclose(found.gradients, pairs.amax(dim=1).numpy(), rtol=1e-5)
