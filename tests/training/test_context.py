"""The Context's helpers: what is moved, drawn or held back comes back as it was."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from methods.vanilla import Vanilla
from tests.support.steps import Setting


@pytest.fixture()
def setting(tiny_backbone: Path) -> Setting:
    return Setting(tiny_backbone, Vanilla())


def test_a_window_is_given_out_whole_at_its_last_micro_batch(setting: Setting) -> None:
    context, batch = setting.context, setting.batch
    for _ in range(2):
        context.start_window([4, 4, 2])
        assert [len(context.collect(batch)) for _ in range(3)] == [0, 0, 3]


def test_moved_weights_are_seen_under_autocast_and_come_back(setting: Setting) -> None:
    """Autocast keeps the bfloat16 copy of a weight, which in-place changes do not reach."""
    model = setting.model.float()
    before = [p.detach().clone() for p in model.parameters()]
    output = model.output_layer.weight
    deltas: dict[torch.nn.Parameter, Tensor] = {output: torch.randn_like(output)}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        here = model(setting.batch)
        with setting.context.perturbed(deltas):
            moved = model(setting.batch)
        back = model(setting.batch)
    assert not torch.allclose(here, moved, atol=1e-2)
    assert torch.equal(here, back)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))


def test_a_graph_made_of_other_weights_cannot_be_back_propagated(setting: Setting) -> None:
    deltas = {p: torch.zeros_like(p) for p in setting.model.parameters()}
    before = setting.model(setting.batch).sum()
    with setting.context.perturbed(deltas):
        inside = setting.model(setting.batch).sum()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            before.backward()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        inside.backward()


def test_what_was_rehearsed_is_drawn_again(setting: Setting) -> None:
    torch.manual_seed(1)
    with setting.context.rehearsal():
        rehearsed = torch.rand(3)
    assert torch.equal(torch.rand(3), rehearsed)
    assert not torch.equal(torch.rand(3), rehearsed)


def test_without_dropout_passes_repeat_and_the_mode_comes_back(setting: Setting) -> None:
    setting.model.network.dropout = torch.nn.Dropout(0.5)
    with setting.context.no_dropout():
        assert torch.equal(setting.model(setting.batch), setting.model(setting.batch))
    assert setting.model.training
    assert not torch.equal(setting.model(setting.batch), setting.model(setting.batch))


def test_block_and_body_parameters(setting: Setting) -> None:
    names = {p: name for name, p in setting.model.named_parameters()}
    blocks = {names[p] for p in setting.context.block_parameters()}
    weights = {names[p] for p in setting.context.block_parameters(biases=False)}
    body = {names[p] for p in setting.context.body_parameters()}
    assert blocks == {name for name in names.values() if ".encoder.layer." in name}
    assert weights == {name for name in blocks if name.endswith("weight")}
    assert body == {name for name in names.values() if not name.startswith("network.classifier")}
