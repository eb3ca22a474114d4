"""ASCC and RIFT on every family's real classes, and RIFT's contract on the two that differ most from BERT."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmark.data import Example
from benchmark.suites import Recipe
from benchmark.testing import MethodContract
from benchmark.training import Context, Method
from benchmark.training.optimization import parameter_groups
from benchmark.training.toolbox.convex_hull import Hull
from benchmark.training.toolbox.substitutes import Substitutes
from methods.ascc import ASCC
from methods.rift import RIFT
from tests.support.families import FAMILIES, family_model, table_name, write_tiny_family
from tests.support.swaps import NEIGHBOURS, write_neighbours
from tests.support.tiny import WORDS, sentences

METHODS: list[tuple[Callable[..., Method], int, int]] = [
    (ASCC, 5, 2),
    (RIFT, 6, 2),
    (lambda **given: RIFT(variant="released", **given), 7, 3),
]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("make", "forward", "backward"), METHODS, ids=["ascc", "rift", "rift-released"])
def test_every_family_is_trained_on_moved_words(
    make: Callable[..., Method], forward: int, backward: int, family: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    lexicon = write_neighbours(tmp_path)
    model, method = family_model(family, tiny_backbone).train(), make(steps=2, lexicon=lexicon)
    pairs = sentences(4, seed=5)
    encoded = [method.encode_example(model, Example(str(i), (text,), y)) for i, (text, y) in enumerate(pairs)]
    batch = model.collate(encoded, [y for _, y in pairs])
    hull = Hull.of_words(model, batch, Substitutes.read(model, lexicon, 0.7))
    words = [word for text, _ in pairs for word in text.split()]
    assert len(hull.valid) == sum(any(near in WORDS for near in NEIGHBOURS.get(word, [])) for word in words) > 5
    ids = batch.tokens["input_ids"][hull.where].tolist()
    assert all(word in NEIGHBOURS for word in model.tokenizer.convert_ids_to_tokens(ids))

    context = Context(model, Recipe(epochs=1, batch_size=4, learning_rate=1e-3), 0, 1, lambda _p: iter([batch]))
    context.optimizer = method.build_optimizer(parameter_groups(model, context.recipe), context)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    method.backward(model, batch, context)
    assert 0 < context.take_loss() < 20
    assert model.passes.counts() == {"forward": forward * 4, "backward": backward * 4, "input_backward": 8}
    assert all(torch.equal(before[name], p.detach()) for name, p in model.named_parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(m.training for m in model.modules())
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert all(g.isfinite().all() for g in gradients.values())
    table = gradients[table_name(model)]
    absent = model.tokenizer.get_vocab()["awful"]
    assert "awful" not in words
    assert "bad" in words
    # It is in no text and is trained all the same, as a choice in place of "bad".
    assert table[absent].abs().max() > 0
    context.optimizer.step()
    assert any(not torch.equal(before[name], p.detach()) for name, p in model.named_parameters())


class Contract(MethodContract):
    family: ClassVar[str]
    method = "rift:steps=2"
    __test__ = False

    @classmethod
    def write_backbone(cls, folder: Path) -> Path:
        return write_tiny_family(cls.family, folder)


class TestGPT2(Contract):
    family = "gpt2"
    __test__ = True


class TestXLNet(Contract):
    family = "xlnet"
    __test__ = True
