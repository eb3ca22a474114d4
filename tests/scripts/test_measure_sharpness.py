"""The sharpness of an optimum, against one pass over all texts with `functional_call`, and the committed lines."""

from pathlib import Path

import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from benchmark.models.classifier import Classifier
from scripts.findings import sharpness_lines, trained_keys
from scripts.measure_sharpness import RHO, TEXTS, sharpness
from tests.support.tiny import sentences


@pytest.mark.parametrize("rho", [0.05, 2.0])
def test_it_is_the_rise_along_the_gradient_of_all_texts(tiny_backbone: Path, rho: float) -> None:
    torch.manual_seed(0)
    model = Classifier.from_pretrained(tiny_backbone, 2, 16).double()
    texts, labels = zip(*sentences(7), strict=True)
    parts = (slice(0, 4), slice(4, 7))
    batches = [model.encode([(text,) for text in texts[part]], labels[part]) for part in parts]
    whole = model.encode([(text,) for text in texts], labels)

    model.eval()
    weights = {name: value.detach().clone() for name, value in model.named_parameters()}

    def loss(at: dict[str, torch.Tensor]) -> torch.Tensor:
        return cross_entropy(functional_call(model, at, (whole,)), whole.targets())

    gradient, before = torch.func.grad_and_value(loss)(weights)
    norm = sum(part.square().sum() for part in gradient.values()) ** 0.5
    rise = loss({name: weights[name] + rho * part / norm for name, part in gradient.items()}) - before

    model.train()
    assert sharpness(model, batches, rho) == pytest.approx((before.item(), rise.item()), rel=1e-9)


def test_every_line_belongs_to_a_committed_row_once() -> None:
    keys, lines = trained_keys(), sharpness_lines()
    assert all(keys[line["train"]] == (line["row"], line["seed"]) for line in lines)
    assert len({line["train"] for line in lines}) == len(lines)
    assert {(line["texts"], line["rho"]) for line in lines} == {(TEXTS, RHO)}
