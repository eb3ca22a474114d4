"""Tests of edited feed-forward outputs, on every family."""

import logging

import pytest
import torch
from torch import Tensor

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.feedforward import editing_feedforward
from benchmark.schema.errors import UsageError
from tests.models.test_classifier import tiny_network


def small(family: str) -> tuple[Classifier, Batch]:
    model = Classifier(tiny_network(family), None, 16).eval()
    tokens = {"input_ids": torch.randint(5, 39, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)}
    tokens["attention_mask"][1, 4:] = 0
    return model, Batch(tokens)


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_blocks_pass_output_and_attention_to_the_edit(family: str) -> None:
    model, batch = small(family)
    plain = model(batch)
    seen: list[tuple[Tensor, Tensor]] = []

    def look(output: Tensor, attention: Tensor) -> Tensor:
        seen.append((output, attention))
        return output

    with editing_feedforward(model, look):
        torch.testing.assert_close(model(batch), plain, rtol=1e-4, atol=1e-5)
    assert len(seen) == 2
    for output, attention in seen:
        assert output.shape == (3, 7, 32)
        assert attention.shape == (3, 2, 7, 7)
        torch.testing.assert_close(attention[0].sum(-1), torch.ones(2, 7))
        # Real tokens pay padding nothing.
        assert attention[1, :, :4, 4:].abs().max() < 1e-6
    with editing_feedforward(model, lambda output, _attention: output + torch.linspace(-2, 2, 32)):
        assert not torch.allclose(model(batch), plain, atol=1e-4)
    assert torch.equal(model(batch), plain)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_an_error_inside_leaves_nothing_behind() -> None:
    model, batch = small("bert")
    before, level = model.network.config._attn_implementation, logging.getLogger("transformers").level

    def fail(_output: Tensor, _attention: Tensor) -> Tensor:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), editing_feedforward(model, fail):
        model(batch)
    assert model.network.config._attn_implementation == before
    assert logging.getLogger("transformers").level == level
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_an_unknown_family_is_named() -> None:
    model, _ = small("bert")
    model.network.config.model_type = "berd"
    with pytest.raises(UsageError, match=r"'berd' are unknown.*Did you mean 'bert'"), editing_feedforward(model, max):
        pass
