"""Packed linear layers: the same numbers but for rounding, the same parameters, the model itself untouched."""

import copy

import pytest
import torch
from torch import nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.packed_linear import PackedLinear, packed, summary_only
from tests.models.test_classifier import tiny_network
from tests.support.tiny import sentences

pytestmark = pytest.mark.needs("oneDNN")

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


def test_non_contiguous_inputs_are_read_correctly() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Linear(4, 4))
    inputs = torch.randn(5, 8)[:, ::2]
    with torch.inference_mode():
        torch.testing.assert_close(packed(plain)(inputs), plain(inputs), rtol=1e-5, atol=1e-6)


def test_packed_classifier_has_equal_logits_and_parameters(tiny_model: Classifier) -> None:
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


def test_unsupported_models_are_not_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = nn.Sequential(nn.Embedding(3, 2))
    assert torch.equal(packed(embedding)(torch.tensor([1])), embedding(torch.tensor([1])))
    empty = nn.Sequential()
    assert packed(empty) is empty
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    layer = nn.Sequential(nn.Linear(2, 2))
    assert packed(layer) is layer


def test_exact_gelu_is_fused_with_the_product(tiny_model: Classifier) -> None:
    kinds = [module.then for module in packed(tiny_model).modules() if isinstance(module, PackedLinear)]
    assert kinds.count("gelu") == len(tiny_model.blocks)
    approximate = copy.deepcopy(tiny_model)
    for block in approximate.blocks:
        block.intermediate.intermediate_act_fn = nn.GELU(approximate="tanh")
    assert not any(
        module.then == "gelu" for module in packed(approximate).modules() if isinstance(module, PackedLinear)
    )


def test_head_reads_only_the_first_token(tiny_model: Classifier) -> None:
    whole, short = packed(tiny_model), summary_only(packed(tiny_model))
    batch, seen = tiny_model.encode(TEXTS), []
    short.blocks[-1].intermediate.register_forward_hook(lambda *answer: seen.append(answer[-1].shape[1]))
    with torch.inference_mode():
        told, wanted = short.eval()(batch), whole.eval()(batch)
        torch.testing.assert_close(short.features(batch), whole.features(batch), rtol=1e-4, atol=1e-5)
    assert set(seen) == {1}
    assert batch.tokens["input_ids"].shape[1] > 1
    torch.testing.assert_close(told, wanted, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("family", ["gemma2", "llama", "modernbert", "mpnet", "qwen3"])
def test_other_families_have_equal_logits(family: str) -> None:
    model = Classifier(tiny_network(family), None, 16).eval()
    ids = torch.randint(5, 39, (3, 7), generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3, [1] * 6 + [0]])
    batch, short = Batch({"input_ids": ids, "attention_mask": mask}), summary_only(packed(model))
    with torch.inference_mode():
        torch.testing.assert_close(packed(model)(batch), model(batch), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(short(batch), model(batch), rtol=1e-4, atol=1e-5)
    assert sum(isinstance(part, PackedLinear) for part in short.modules()) > 2 * len(model.blocks)


def test_other_heads_are_not_changed(tiny_model: Classifier) -> None:
    class Other(Classifier):
        """Reads elsewhere."""

    other = packed(tiny_model)
    other.__class__ = Other
    assert summary_only(other) is other
    assert not other.blocks[-1].intermediate._forward_pre_hooks
