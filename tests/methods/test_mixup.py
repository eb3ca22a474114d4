"""Mixup's step against its equations, its masks in writing, and every family that it fits."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pad

from benchmark.suites import Recipe
from benchmark.testing.tiny import write_tiny_masked_lm
from benchmark.training import Context, MethodError
from methods.mixup import Mixup, mixing_weights
from tests.support.families import FAMILIES, REFUSED, family_model
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, last_hidden_from, logits_from
from tests.support.steps import Setting, check_step
from tests.support.tiny import sentences, trainer


def second_block_alone(w: Weights) -> Weights:
    """The weights with the second block in the first one's place."""
    first, second = (f"network.bert.encoder.layer.{number}." for number in (0, 1))
    moved = {name.replace(second, first): value for name, value in w.items() if name.startswith(second)}
    return {**w, **moved}


@pytest.mark.parametrize(("layers", "choices", "after"), [("3-4", 2, 1), ("7-9-12", 3, 2)])
def test_one_step(tiny_backbone: Path, layers: str, choices: int, after: int) -> None:
    """Of the two blocks, 3 and 4 of 12 are the first; 7, 9 and 12 of 12 are the second."""
    s = Setting(tiny_backbone, Mixup(alpha=2.0, layers=layers))
    lengths = s.mask.sum(1).tolist()
    assert len(set(lengths)) > 1

    def expected(w: Weights) -> Tensor:
        torch.randint(choices, ())
        draw = float(torch.distributions.Beta(2.0, 2.0).sample())
        share, partner = max(draw, 1 - draw), torch.randperm(len(lengths)).tolist()
        hidden = last_hidden_from(w, embedding_layer(w, s.ids), s.mask, after, 2)
        rows, masks = [], []
        for own, other in enumerate(partner):
            states = []
            for place in range(hidden.shape[1]):
                if place < lengths[own] and place < lengths[other]:
                    states.append(share * hidden[own, place] + (1 - share) * hidden[other, place])
                else:
                    states.append(hidden[own if place < lengths[own] else other, place])
            rows.append(torch.stack(states))
            masks.append([float(place < max(lengths[own], lengths[other])) for place in range(hidden.shape[1])])
        mixed, mask = torch.stack(rows), torch.tensor(masks, dtype=torch.float64)
        z = logits_from(second_block_alone(w), mixed, mask, 2 - after, 2)
        return share * cross_entropy(z, s.labels) + (1 - share) * cross_entropy(z, s.labels[partner])

    check_step(s, expected)


def test_where_one_text_has_ended_the_other_is_not_mixed() -> None:
    mask, other = torch.tensor([[1, 1, 1, 0, 0]]), torch.tensor([[1, 1, 0, 0, 0]])
    torch.testing.assert_close(mixing_weights(mask, other, 0.7)[0, :3], torch.tensor([0.7, 0.7, 1.0]))
    torch.testing.assert_close(mixing_weights(other, mask, 0.7)[0, :3], torch.tensor([0.7, 0.7, 0.0]))


def losses(model, length: int | None) -> Iterator[tuple[float, int]]:
    """Losses of a few seeds, on the same texts padded to a length."""
    pairs = sentences(6, seed=5)
    encoded = [model.tokenise((text,)) for text, _ in pairs]
    batch = model.collate(encoded, [y for _, y in pairs])
    if length is not None:
        fill = {"input_ids": model.tokenizer.pad_token_id}
        extra = (0, length - batch.attention_mask.shape[1])
        padded = {name: pad(rows, extra, value=fill.get(name, 0)) for name, rows in batch.tokens.items()}
        batch = batch.with_tokens(**padded)
    for seed in range(4):
        method = Mixup(layers="3-4")
        context = Context(model, Recipe(epochs=2, batch_size=6, learning_rate=1e-3), 0, 2, lambda _p: iter([]))
        torch.manual_seed(seed)
        method.setup(context)
        method.backward(model, batch, context)
        yield context.take_loss(), sum(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_whose_head_reads_the_first_token_is_trained_whatever_the_padding(
    family: str, tiny_backbone: Path
) -> None:
    model = family_model(family, tiny_backbone).double().eval()
    if family in REFUSED["mixup"]:
        with pytest.raises(Exception, match=f"the head must read the first token. This {family} model"):
            list(losses(model, None))
        return
    short, long = list(losses(model, None)), list(losses(model, 14))
    assert [loss for loss, _ in short] == pytest.approx([loss for loss, _ in long], rel=1e-9)
    assert {count for _, count in short} == {len(list(model.parameters()))}
    assert not any(m._forward_hooks or "forward" in vars(m) for m in model.modules())


def test_one_pass_a_step(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, Mixup())
    assert s.passes() == {"forward": 1, "backward": 1, "input_backward": 0}


def test_prompts_are_refused(tmp_path: Path) -> None:
    from benchmark.execution.method_registry import MethodRequest, configure

    (tmp_path / "backbone").mkdir()
    backbone = write_tiny_masked_lm(tmp_path / "backbone")
    with pytest.raises(MethodError, match="mixup mixes two texts position by position"):
        trainer(configure(MethodRequest.parse("mvp+mixup")).make(), backbone, tmp_path / "run").run()
