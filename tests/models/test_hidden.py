"""Tests of recorded hidden states and of the table of word embeddings."""

from pathlib import Path

import pytest
import torch

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from tests.models.test_classifier import tiny_network


@pytest.fixture
def model(tiny_backbone: Path) -> Classifier:
    torch.manual_seed(1)
    return Classifier.from_pretrained(tiny_backbone, 2, 16).eval()


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_first_and_last_hidden_states_of_every_family(family: str) -> None:
    other = Classifier(tiny_network(family), None, 16).eval()
    tokens = {"input_ids": torch.randint(5, 39, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)}
    tokens["attention_mask"][1, 4:] = 0
    batch = Batch(tokens)
    with other.watching_hidden() as seen:
        assert (seen.first, seen.last) == (None, None)
        other(batch)
    torch.testing.assert_close(seen.first, other.embed(batch))
    torch.testing.assert_close(other.summary(batch, seen.last), other.features(batch))
    assert seen.last.shape == (3, 7, 32)
    assert seen.last.requires_grad
    assert other.word_table.shape[0] == 40
    torch.testing.assert_close(other.word_table[tokens["input_ids"]], other.embed_words(batch).detach())
    assert not other.word_table.requires_grad


def test_pass_from_embeddings_has_no_first_hidden_state(model: Classifier) -> None:
    batch = model.encode([("good film",), ("bad",)])
    with model.watching_hidden() as seen:
        model(batch)
        assert seen.first is not None
        model(batch, embeds=model.embed(batch))
        assert seen.first is None
        assert seen.last is not None
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
