"""BitFit: which parameters a step moves, and where."""

from pathlib import Path

import pytest
import torch

from benchmark.schema.errors import UsageError
from methods.bitfit import BitFit
from tests.support.steps import Setting
from tests.support.tiny import trainer
from tests.support.updates import PlainAdamW, assert_equal, batches_of, current, gradients, one_step, plain_loss, start


def test_a_step_moves_the_biases_and_the_head_as_adamw_does_and_nothing_else(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, BitFit())
    s.method.adapt_model(s.model)
    (phase,) = s.method.phases(s.context.recipe)
    for name, parameter in s.model.named_parameters():
        parameter.requires_grad_(phase.trainable(name))
    start(s)
    before = current(s)
    moved = {name for name in before if name.endswith(".bias") or name.startswith("network.classifier.")}
    (batch,) = batches_of(s, [6])
    want = gradients(lambda v: plain_loss(v, batch), before)
    got = one_step(s, [batch])
    assert got.keys() == moved
    assert_equal(got, {name: want[name] for name in moved})
    stepped = PlainAdamW(before).step({n: before[n] for n in moved}, {n: want[n] for n in moved})
    assert_equal(current(s), {**before, **stepped}, rtol=1e-6, atol=1e-8)
    # 2 blocks of query, key, value, two dense layers after attention and feed-forward, one within it, and two norms;
    # the norm of the embeddings, the pooler, and the head's weight and bias.
    assert len(moved) == 2 * 8 + 1 + 1 + 2


def test_a_body_without_biases_is_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    model = trainer(BitFit(), tiny_backbone, tmp_path).model
    for module in model.body.modules():
        if getattr(module, "bias", None) is not None:
            module.bias = None
    with pytest.raises(UsageError, match="the backbone has no biases, so only the head would be trained"):
        BitFit().adapt_model(model)


def test_the_untrained_weights_are_those_of_the_backbone(tiny_backbone: Path, tmp_path: Path) -> None:
    run = trainer(BitFit(), tiny_backbone, tmp_path, epochs=1)
    before = {name: value.clone() for name, value in run.model.named_parameters() if name.endswith("query.weight")}
    model, _ = run.run()
    after = dict(model.named_parameters())
    assert before
    assert all(torch.equal(value, after[name]) for name, value in before.items())
