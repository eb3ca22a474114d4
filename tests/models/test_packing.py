"""Packed linear layers: the same numbers but for rounding, the same parameters, the model itself untouched."""

import copy

import pytest
import torch
from torch import nn

from benchmark.models.classifier import Classifier
from benchmark.models.packing import PackedLinear, can_pack, packed
from tests.support.tiny import sentences

pytestmark = pytest.mark.skipif(not can_pack(torch.device("cpu")), reason="this torch has no oneDNN to pack for")

TEXTS = [(text,) for text, _ in sentences(30, seed=5)]


def test_a_packed_layer_is_the_product_of_its_weights() -> None:
    torch.manual_seed(0)
    for bias in (True, False):
        plain = nn.Sequential(nn.Linear(7, 5, bias=bias)).double()
        layer = packed(copy.deepcopy(plain).float())
        assert isinstance(layer[0], PackedLinear)
        for shape in ((7,), (3, 7), (2, 3, 7)):
            inputs = torch.randn(*shape)
            wanted = plain(inputs.double())
            with torch.inference_mode():
                torch.testing.assert_close(layer(inputs).double(), wanted, rtol=1e-5, atol=1e-6)


def test_rows_that_are_no_memory_of_their_own_are_read_as_they_are() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 4))
    inputs = torch.randn(5, 8)[:, ::2]
    with torch.inference_mode():
        torch.testing.assert_close(packed(plain)(inputs), plain(inputs), rtol=1e-5, atol=1e-6)


def test_a_packed_classifier_says_the_same_and_shares_its_parameters(tiny_model: Classifier) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_model.state_dict().items()}
    quick = packed(tiny_model)
    assert not any(isinstance(module, PackedLinear) for module in tiny_model.modules())
    assert any(isinstance(module, PackedLinear) for module in quick.modules())
    batch = tiny_model.encode(TEXTS)
    with torch.inference_mode():
        exact = copy.deepcopy(tiny_model).double().eval()(batch)
        plain, said = (model.eval()(batch).double() - exact for model in (copy.deepcopy(tiny_model), quick))
    # The tiny model's output layer is steep, so that rounding is measured by what the plain model makes of it.
    assert 0 < said.abs().max() < 8 * plain.abs().max()
    theirs = dict(quick.named_parameters())
    assert all(theirs[name] is parameter for name, parameter in tiny_model.named_parameters())
    assert all((tiny_model.state_dict()[name] == tensor).all() for name, tensor in before.items())


def test_what_cannot_be_packed_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = nn.Sequential(nn.Embedding(3, 2))
    assert torch.equal(packed(embedding)(torch.tensor([1])), embedding(torch.tensor([1])))
    empty = nn.Sequential()
    assert packed(empty) is empty
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer = nn.Sequential(nn.Linear(2, 2))
    assert packed(layer) is layer
