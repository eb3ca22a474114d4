"""LoRA and DoRA: a step against their equations, the merged model, and what is trained, on every family."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import UsageError
from benchmark.suites import Recipe
from benchmark.testing.tiny import write_tiny_masked_lm
from benchmark.training import Context, Method, MethodError
from benchmark.training.composition import compose
from methods.dora import DoRA
from methods.lora import LoRA
from tests.support.families import FAMILIES, family_model
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting
from tests.support.tiny import sentences, trainer, weights

QUERIES_AND_VALUES = [
    f"network.bert.encoder.layer.{number}.attention.self.{part}" for number in (0, 1) for part in ("query", "value")
]
RECIPE = Recipe(epochs=2, batch_size=6, learning_rate=1e-3)


def adapted(method: LoRA, model: Classifier) -> list[str]:
    """Adapt a model, move its adapters and freeze what is not trained; return what is."""
    method.adapt_model(model)
    (phase,) = method.phases(RECIPE)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(phase.trainable(name))
            if "lora_" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return [name for name, parameter in model.named_parameters() if parameter.requires_grad]


def lora_weight(w: Weights, layer: str, scale: float) -> Tensor:
    low_rank = w[f"{layer}.lora_B.default.weight"] @ w[f"{layer}.lora_A.default.weight"]
    return w[f"{layer}.base_layer.weight"] + scale * low_rank


def dora_weight(w: Weights, layer: str, scale: float) -> Tensor:
    direction = lora_weight(w, layer, scale)
    norms = (direction.detach() ** 2).sum(1, keepdim=True).sqrt()
    return w[f"{layer}.lora_magnitude_vector.default.weight"][:, None] * direction / norms


def plain_weights(w: Weights, weight: Callable[[Weights, str, float], Tensor], scale: float) -> Weights:
    plain = {name.replace(".base_layer.", "."): value for name, value in w.items()}
    return {**plain, **{f"{layer}.weight": weight(w, layer, scale) for layer in QUERIES_AND_VALUES}}


@pytest.mark.parametrize(("cls", "weight"), [(LoRA, lora_weight), (DoRA, dora_weight)])
def test_one_step(tiny_backbone: Path, cls: type[LoRA], weight: Callable[[Weights, str, float], Tensor]) -> None:
    method = cls(rank=3, alpha=12.0, dropout=0.0, targets="query_value")
    s = Setting(tiny_backbone, method)
    trained = adapted(method, s.model)
    parts = ["lora_A.default", "lora_B.default", *(["lora_magnitude_vector.default"] if cls is DoRA else [])]
    head = [f"network.{layer}.{kind}" for layer in ("bert.pooler.dense", "classifier") for kind in ("weight", "bias")]
    assert set(trained) == {f"{layer}.{part}.weight" for layer in QUERIES_AND_VALUES for part in parts} | set(head)

    w = s.weights()
    plain = plain_weights(w, weight, 12.0 / 3)
    loss = cross_entropy(logits_from(plain, embedding_layer(plain, s.ids), s.mask, 2, 2), s.labels)
    gradients = dict(zip(trained, torch.autograd.grad(loss, [w[name] for name in trained]), strict=True))
    s.start_optimizer()
    assert s.run_backward() == pytest.approx(loss.item(), rel=1e-9)
    named = dict(s.model.named_parameters())
    assert {name for name, parameter in named.items() if parameter.grad is not None} == set(trained)
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0
        torch.testing.assert_close(named[name].grad, gradient, rtol=1e-7, atol=1e-11, msg=name)
    s.context.optimizer.step()
    for name, gradient in gradients.items():
        want = w[name].detach() * (1 - 1e-3 * 0.1) - 1e-3 * gradient / (gradient.abs() + 1e-6)
        torch.testing.assert_close(named[name].detach(), want, rtol=1e-6, atol=1e-8, msg=name)
    assert all(torch.equal(named[name], w[name]) for name in named if name not in trained)


@pytest.mark.parametrize("targets", ["query_value", "linear"])
@pytest.mark.parametrize("cls", [LoRA, DoRA])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_starts_as_it_was_and_is_merged_without_a_change(
    family: str, cls: type[LoRA], targets: str, tiny_backbone: Path
) -> None:
    model, method = family_model(family, tiny_backbone).double().eval(), cls(rank=4, targets=targets)
    if (family, targets) == ("xlnet", "query_value"):
        with pytest.raises(UsageError, match="'xlnet' has no linear layers that are known to compute queries"):
            method.adapt_model(model)
        return
    batch = model.encode([(text,) for text, _ in sentences(4, seed=5)])
    modules, before = {name: type(part) for name, part in model.named_modules()}, weights(model)
    start = model(batch)
    cls(rank=4, targets=targets).adapt_model(untouched := copy.deepcopy(model))
    torch.testing.assert_close(untouched.eval()(batch), start, rtol=0, atol=1e-12)

    adapted(method, model)
    changed = model.eval()(batch)
    assert (changed - start).abs().max() > 1e-6
    with torch.autocast("cpu", dtype=torch.bfloat16):
        method.finish(Context(model, RECIPE, 0, 2, lambda _purpose: iter([])))
    torch.testing.assert_close(model.eval()(batch), changed, rtol=0, atol=1e-12)
    assert {name: type(part) for name, part in model.named_modules()} == modules
    assert not hasattr(model.network, "peft_config")
    after = weights(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {f"network.{layer}.weight" for layer in model.linear_layers(targets)}


def test_only_a_low_rank_change_and_the_head_are_trained_and_saved(tiny_backbone: Path, tmp_path: Path) -> None:
    run = trainer(LoRA(rank=2), tiny_backbone, tmp_path)
    before = {name.replace(".base_layer.", "."): value for name, value in weights(run.model).items()}
    model, _ = run.run()
    after = weights(model)
    moved = {name for name in after if not torch.equal(before[name], after[name])}
    adapted_names = {f"{layer}.weight" for layer in QUERIES_AND_VALUES}
    assert {name for name in moved if "pooler" not in name and "classifier" not in name} == adapted_names
    assert moved > adapted_names
    for name in adapted_names:
        singular = torch.linalg.svdvals((after[name] - before[name]).double())
        assert singular[2] < 1e-5 * singular[0]
    texts = [(text,) for text, _ in sentences(8, seed=3)]
    model.save(tmp_path / "saved")
    saved = load_classifier(tmp_path / "saved").eval()
    assert (predict_logits(saved, texts) == predict_logits(model, texts)).all()


def test_the_learning_rate_is_a_multiple_of_the_recipes(tiny_backbone: Path, tmp_path: Path) -> None:
    rates: dict[float, list[float]] = {}
    for factor in (1.0, 5.0):
        run = trainer(LoRA(rate_factor=factor), tiny_backbone, tmp_path / str(factor), epochs=1)
        rates[factor] = []
        run.report = lambda _done, _total, run=run, factor=factor: rates[factor].append(
            run.context.optimizer.param_groups[0]["lr"]
        )
        run.run()
    assert rates[1.0][-1] == pytest.approx(1e-3 / 5)
    assert rates[5.0] == [5 * rate for rate in rates[1.0]]


class Nothing(LoRA):
    """Adapters that a rate of nought would leave as they are."""

    def phases(self, recipe: Recipe) -> list:
        (phase,) = super().phases(recipe)
        return [type(phase)(phase.name, phase.epochs, phase.trainable, 0.0)]


def test_a_rate_factor_of_zero_is_refused(tiny_backbone: Path, tmp_path: Path) -> None:
    with pytest.raises(MethodError, match=r"gives the phase 'adapters' the rate_factor 0.0; give it above 0"):
        trainer(Nothing(), tiny_backbone, tmp_path)


class LooksAtTheEnd(Method):
    """Notes the modules that its `finish` sees."""

    name: ClassVar[str] = "looks"
    seen: ClassVar[list[str]] = []

    def finish(self, ctx: Context) -> None:
        self.seen[:] = [type(part).__module__ for part in ctx.model.modules()]


def test_a_method_behind_it_finishes_on_the_merged_model(tiny_backbone: Path, tmp_path: Path) -> None:
    for members, merged in (([LoRA, LooksAtTheEnd], True), ([LooksAtTheEnd, LoRA], False)):
        trainer(compose(members)(), tiny_backbone, tmp_path / str(merged), epochs=1).run()
        assert any(name.startswith("peft") for name in LooksAtTheEnd.seen) != merged


def test_wise_ft_behind_it_takes_a_share_of_the_merged_change(tiny_backbone: Path, tmp_path: Path) -> None:
    start = weights(trainer(Method(), tiny_backbone, tmp_path / "start").model)
    names = [f"{layer}.weight" for layer in QUERIES_AND_VALUES]
    whole, part = (
        weights(trainer(configure(MethodRequest.parse(name)).make(), tiny_backbone, tmp_path / name).run()[0])
        for name in ("lora", "lora+wise_ft:wise_ft.alpha=0.25")
    )
    for name in names:
        assert (whole[name] - start[name]).abs().max() > 1e-4
        torch.testing.assert_close(part[name] - start[name], 0.25 * (whole[name] - start[name]), rtol=0, atol=1e-6)


def test_prompts_are_adapted_and_their_tied_table_is_frozen(tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    backbone = write_tiny_masked_lm(tmp_path / "backbone")
    run = trainer(configure(MethodRequest.parse("mvp+lora")).make(), backbone, tmp_path / "run", epochs=1)
    trained = {name for name, parameter in run.model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or name.startswith("network.cls.") for name in trained)
    table = run.model.word_table.clone()
    model, _ = run.run()
    assert torch.equal(model.word_table, table)
    assert not any(type(part).__module__.startswith("peft") for part in model.modules())
