"""The methods that work on embeddings and hidden states, on every family's real classes."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe
from benchmark.training import Context, Method
from methods.adv_embed import AdvEmbed
from methods.freelb import FreeLB
from methods.freelb_pp import FreeLBPlusPlus
from methods.hiddencut import HiddenCut
from methods.infobert import InfoBERT
from methods.r3f import R3F
from methods.r_drop import RDrop
from methods.smart import SMART
from methods.tavat import TAVAT
from methods.worddrop import WordDrop
from tests.models.test_classifier import tiny_network

METHODS: list[Callable[[], Method]] = [
    WordDrop,
    RDrop,
    R3F,
    HiddenCut,
    AdvEmbed,
    lambda: AdvEmbed(space="words", norm="l2", epsilon=1.0, rate=1.5, random_start=True, clean=False),
    FreeLB,
    FreeLBPlusPlus,
    TAVAT,
    SMART,
    InfoBERT,
]


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_every_method_trains_every_family(tiny_backbone: Path, family: str) -> None:
    tokenizer = Classifier.from_pretrained(tiny_backbone, 2, 16).tokenizer
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokens = {"input_ids": torch.randint(5, 39, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)}
    tokens["attention_mask"][1, 4:] = 0
    batch = Batch(tokens, torch.tensor([0, 1, 1]))
    for make in METHODS:
        model, method = Classifier(tiny_network(family), tokenizer, 16).train(), make()
        context = Context(model, Recipe(epochs=1, batch_size=3, learning_rate=1e-3), 0, 1, lambda _p: iter([batch]))
        groups = [{"params": list(model.parameters()), "weight_decay": 0.0}]
        context.optimizer = method.build_optimizer(groups, context)
        method.setup(context)
        before = [p.detach().clone() for p in model.parameters()]
        method.backward(model, method.transform_batch(batch, context), context)
        assert 0 < context.take_loss() < 10, method.name
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters()), method.name
        # The perturbations and spies are gone, the weights are where they were.
        assert all(torch.equal(a, b.detach()) for a, b in zip(before, model.parameters(), strict=True)), method.name
        assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules()), method.name
        assert all(m.training for m in model.modules()), method.name
        reached = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0]
        assert any("word" in name or "wte" in name for name in reached), method.name
