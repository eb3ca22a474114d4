"""The loop: exact resume, accumulation, selection, schedule, failures that name their place."""

import errno
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from benchmark.schema import UnavailableError
from benchmark.suites import Recipe
from benchmark.testing.subject import Killed
from benchmark.training import Batch, Classifier, Context, Method, MethodError, NonFiniteLossError, Phase, UsageError
from benchmark.training.checkpoint import Position, find_checkpoint
from benchmark.training.composition import compose
from benchmark.training.optimization import learning_rate, parameter_groups
from methods.roast import RoAST
from methods.vanilla import Vanilla
from tests.support.tiny import trainer, weights, without_dropout

Run = tuple[dict[str, torch.Tensor], Position]


def kill_at(step: int):
    def report(done: int, total: int) -> None:
        if done == step:
            raise Killed

    return report


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture(scope="module")
def whole(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Method]], Run]:
    """The weights and the position at the end of a run that nothing interrupts, trained once for all tests."""

    @cache
    def run(make: Callable[[], Method]) -> Run:
        model, position = trainer(make(), tiny_backbone, tmp_path_factory.mktemp("whole")).run()
        return weights(model), position

    return run


def test_a_kill_between_the_two_renames_of_a_checkpoint_loses_nothing(
    whole, tiny_backbone: Path, tmp_path: Path
) -> None:
    first = trainer(RoAST(), tiny_backbone, tmp_path / "cut")
    first.checkpoint_seconds, first.report = 0.0, kill_at(4)
    with pytest.raises(Killed):
        first.run()
    (tmp_path / "cut/checkpoint").rename(tmp_path / "cut/checkpoint.old")
    (tmp_path / "cut/checkpoint.new").mkdir()
    assert find_checkpoint(tmp_path / "cut") is not None
    resumed, _ = trainer(RoAST(), tiny_backbone, tmp_path / "cut").run()
    assert same(whole(RoAST)[0], weights(resumed))


@pytest.mark.parametrize(("total", "size", "accumulation"), [(16, 4, 4), (40, 16, 3)])
def test_a_window_equals_one_batch_of_its_examples(
    tiny_backbone: Path, tmp_path: Path, total: int, size: int, accumulation: int
) -> None:
    """Without dropout 4 x 4 is the same mathematics as 1 x 16, and so is 16 + 16 + 8 as 1 x 40."""

    @dataclass(kw_only=True, eq=False)
    class NoDropout(Vanilla):
        def build_model(self, backbone, task):
            return without_dropout(super().build_model(backbone, task))

        def build_optimizer(self, groups, ctx):
            # AdamW's first step is the gradient's sign, which would blow rounding up to a whole step.
            return torch.optim.SGD([dict(g) for g in groups], lr=ctx.recipe.learning_rate)

        def batches(self, data, size, rng):
            order = [i % len(data) for i in range(2 * total)]
            starts = [(first, s) for first in (0, total) for s in range(first, first + total, size)]
            return (order[s : min(s + size, first + total)] for first, s in starts)

    settings = {"epochs": 1, "learning_rate": 0.5}
    windows = trainer(
        NoDropout(), tiny_backbone, tmp_path / "a", batch_size=size, accumulation=accumulation, **settings
    )
    split, _ = windows.run()
    whole, _ = trainer(NoDropout(), tiny_backbone, tmp_path / "b", batch_size=total, **settings).run()
    for name, value in weights(split).items():
        torch.testing.assert_close(value, weights(whole)[name], atol=1e-6, rtol=0)


def test_the_best_epoch_on_validation_is_what_comes_back(tiny_backbone: Path, tmp_path: Path) -> None:
    run = trainer(Vanilla(), tiny_backbone, tmp_path, epochs=4)
    scripted = iter([0.5, 0.9, 0.9, 0.1])
    snapshots: list[dict[str, torch.Tensor]] = []

    def validate() -> float:
        snapshots.append(weights(run.model))
        return next(scripted)

    run._validate = validate  # type: ignore[method-assign]
    model, position = run.run()
    assert position.best_epoch == 2
    assert same(weights(model), snapshots[1])


class Halves(Vanilla):
    """Evaluates half of each weight."""

    def evaluation_weights(self, ctx: Context) -> dict[str, torch.Tensor]:
        return {name: value.detach() / 2 for name, value in ctx.model.named_parameters()}


def test_evaluation_weights_are_validated_and_saved_and_training_continues_from_its_own(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    run, plain = (trainer(make(), tiny_backbone, tmp_path / make.__name__, epochs=3) for make in (Halves, Vanilla))
    validated: list[dict[str, torch.Tensor]] = []
    trained: list[dict[str, torch.Tensor]] = []
    for each, seen in ((run, validated), (plain, trained)):
        accuracies = iter([0.5, 0.9, 0.1])
        each._validate = lambda each=each, seen=seen, given=accuracies: seen.append(weights(each.model)) or next(given)
    halved, _ = run.run()
    whole, _ = plain.run()
    names = dict(whole.named_parameters()).keys()
    for half, full in zip(validated, trained, strict=True):
        assert all(torch.equal(half[name], full[name] / 2) for name in names)
    assert same(weights(halved), validated[1])


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "returned None; return a dict of tensors by parameter name"),
        ({"head": torch.zeros(2)}, "returned a value for 'head', which is not a parameter of the model"),
        ({"network.classifier.bias": 0.5}, "under 'network.classifier.bias' returned a value of type float"),
        (
            {"network.classifier.bias": torch.zeros(3)},
            r"returned a tensor of shape \(3,\) under 'network.classifier.bias', whose parameter has \(2,\)",
        ),
    ],
)
def test_evaluation_weights_that_fit_no_parameter_are_named(
    answer, said: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    method = Vanilla()
    method.evaluation_weights = lambda ctx: answer
    with pytest.raises(MethodError, match=f"Method 'vanilla', evaluation_weights: {said}"):
        trainer(method, tiny_backbone, tmp_path).run()


class Swaps(Vanilla):
    """Replaces the head at the end by twice the best epoch's."""

    def finish(self, ctx: Context) -> None:
        head, network = ctx.model.output_layer, ctx.model.network
        network.classifier = torch.nn.Linear(head.in_features, head.out_features)
        network.classifier.load_state_dict({name: 2 * value for name, value in head.state_dict().items()})


def test_finish_changes_the_weights_of_the_best_epoch_and_may_replace_modules(
    tiny_backbone: Path, tmp_path: Path
) -> None:
    runs = [trainer(make(), tiny_backbone, tmp_path / make.__name__, epochs=3) for make in (Swaps, Vanilla)]
    for run in runs:
        run._validate = iter([0.5, 0.9, 0.1]).__next__
    (swapped, _), (plain, _) = (run.run() for run in runs)
    doubled = {name: 2 * value if "classifier" in name else value for name, value in weights(plain).items()}
    assert same(weights(swapped), doubled)
    assert not swapped.training
    assert all(parameter.requires_grad for parameter in swapped.parameters())


def test_a_weight_that_finish_makes_infinite_is_named(tiny_backbone: Path, tmp_path: Path) -> None:
    class Overflows(Vanilla):
        def finish(self, ctx: Context) -> None:
            ctx.model.output_layer.bias.data.fill_(float("inf"))

    with pytest.raises(NonFiniteLossError, match=r"network.classifier.bias is not finite after the hook finish"):
        trainer(Overflows(), tiny_backbone, tmp_path).run()


def test_a_loss_that_is_not_finite_stops_with_step_and_seed(tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class Diverging(Vanilla):
        name: ClassVar[str] = "diverging"

        def loss(self, model: Classifier, batch: Batch, ctx: Context) -> torch.Tensor:
            return super().loss(model, batch, ctx) * (float("nan") if ctx.step == 3 else 1.0)

    with pytest.raises(NonFiniteLossError, match=r"The loss is nan at step 3 \(epoch 0, seed 0\)"):
        trainer(Diverging(), tiny_backbone, tmp_path).run()


def test_a_gradient_that_is_not_finite_stops_before_it_reaches_the_weights(tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class Exploding(Vanilla):
        def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
            super().backward(model, batch, ctx)
            next(iter(model.parameters())).grad.fill_(float("inf"))

    with pytest.raises(NonFiniteLossError, match="gradient norm is"):
        trainer(Exploding(), tiny_backbone, tmp_path).run()


@pytest.mark.parametrize("error", [KeyError("teacher"), SystemExit(3)])
def test_a_hook_that_raises_is_named_with_its_line(error: BaseException, tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class Broken(Vanilla):
        name: ClassVar[str] = "broken"

        def after_step(self, ctx: Context) -> None:
            raise error

    place = r"in after_step at test_loop.py:\d+, step 1"
    with pytest.raises(MethodError, match=f"'broken' raised {type(error).__name__} {place}"):
        trainer(Broken(), tiny_backbone, tmp_path).run()


def test_phases_train_only_what_they_name_and_resume_between_them(tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class ProbeThenAll(Vanilla):
        def phases(self, recipe: Recipe):
            return [Phase("probe", 1, lambda name: "classifier" in name), Phase("all", 1)]

    seen: list[tuple[int, bool]] = []

    @dataclass(kw_only=True, eq=False)
    class Watching(ProbeThenAll):
        def after_step(self, ctx: Context) -> None:
            seen.append((ctx.step, all(p.requires_grad for p in ctx.model.parameters())))

    whole, _ = trainer(Watching(), tiny_backbone, tmp_path / "whole").run()
    assert seen == [(step, step > 5) for step in range(1, 11)]
    first = trainer(ProbeThenAll(), tiny_backbone, tmp_path / "cut")
    first.checkpoint_seconds, first.report = 0.0, kill_at(7)
    with pytest.raises(Killed):
        first.run()
    resumed, _ = trainer(ProbeThenAll(), tiny_backbone, tmp_path / "cut").run()
    assert same(weights(whole), weights(resumed))


def test_checkpoints_hold_no_pickle(tiny_backbone: Path, tmp_path: Path) -> None:
    trainer(RoAST(), tiny_backbone, tmp_path).run()
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".safetensors", ".json"}


def test_the_schedule_warms_up_and_ends_near_zero() -> None:
    recipe = Recipe(epochs=1, batch_size=1, learning_rate=1.0, warmup=0.2)
    rates = [learning_rate(recipe, step, 10) for step in range(10)]
    assert rates[:2] == [0.5, 1.0]
    assert rates[2] == 1.0
    assert rates[-1] == pytest.approx(0.125)
    assert all(a >= b for a, b in itertools.pairwise(rates[1:]))


def test_biases_and_layer_norms_are_spared_from_decay(tiny_backbone: Path) -> None:
    model = Classifier.from_pretrained(tiny_backbone, 2, 16)
    recipe = Recipe(epochs=1, batch_size=1, learning_rate=1.0, weight_decay=0.3)
    decayed, plain = parameter_groups(model, recipe)
    names = {id(p): name for name, p in model.named_parameters()}
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.3, 0.0)
    assert all("LayerNorm" not in names[id(p)] and not names[id(p)].endswith("bias") for p in decayed["params"])
    assert all("LayerNorm" in names[id(p)] or names[id(p)].endswith("bias") for p in plain["params"])
    assert len(decayed["params"]) + len(plain["params"]) == len(names)


def test_a_broken_checkpoint_is_set_aside_and_the_run_starts_again(whole, tiny_backbone: Path, tmp_path: Path) -> None:
    first = trainer(RoAST(), tiny_backbone, tmp_path / "cut")
    first.checkpoint_seconds, first.report = 0.0, kill_at(6)
    with pytest.raises(Killed):
        first.run()
    broken = tmp_path / "cut/checkpoint/optimizer.safetensors"
    broken.write_bytes(broken.read_bytes()[:-8])
    resumed, _ = trainer(RoAST(), tiny_backbone, tmp_path / "cut").run()
    assert same(whole(RoAST)[0], weights(resumed))


def test_the_order_at_a_step_is_clip_then_transform_then_step_then_after(tiny_backbone: Path, tmp_path: Path) -> None:
    norms: list[float] = []

    @dataclass(kw_only=True, eq=False)
    class Scaling(Vanilla):
        def transform_gradients(self, parameters, ctx):
            gradients = [p.grad for p in parameters]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())
            torch._foreach_mul_(gradients, 1e6)

        def after_step(self, ctx):
            # The optimizer saw what transform_gradients left, unclipped.
            largest = max(s["exp_avg"].abs().max().item() for s in ctx.optimizer.state.values())
            norms.append(largest)

    trainer(Scaling(), tiny_backbone, tmp_path, clip=0.01, epochs=1).run()
    assert all(norm <= 0.01 * 1.001 for norm in norms[::2])
    assert min(norms[1::2]) > 1.0


def test_more_batches_than_examples_over_size_keep_the_rate_above_zero(tiny_backbone: Path, tmp_path: Path) -> None:
    rates: list[float] = []

    @dataclass(kw_only=True, eq=False)
    class Halves(Vanilla):
        def batches(self, data, size, rng):
            return super().batches(data, size // 2, rng)

        def after_step(self, ctx):
            rates.append(ctx.optimizer.param_groups[0]["lr"])

    trainer(Halves(), tiny_backbone, tmp_path).run()
    assert len(rates) == 20
    assert min(rates) > 0


UNEVEN = [((5, 4), "gives 4 steps in epoch 1 and 5 in the first"), ((0, 0), "gives no batches")]


@pytest.mark.parametrize(("epochs_batches", "sentence"), UNEVEN)
def test_batches_that_do_not_fit_the_schedule_are_named(
    epochs_batches: tuple[int, int], sentence: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    counts = iter([epochs_batches[0], *epochs_batches])

    @dataclass(kw_only=True, eq=False)
    class Uneven(Vanilla):
        def batches(self, data, size, rng):
            return ([0, 1] for _ in range(next(counts)))

    with pytest.raises(MethodError, match=sentence):
        trainer(Uneven(), tiny_backbone, tmp_path).run()


def test_a_full_disk_inside_a_hook_is_not_the_methods_fault(tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class Writing(Vanilla):
        def after_step(self, ctx):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        trainer(Writing(), tiny_backbone, tmp_path).run()


HOOKS = ["adapt_model", "batches", "evaluation_weights", "finish", "on_epoch_end", "setup", "state_dict"]


@pytest.mark.parametrize("hook", [*HOOKS, "transform_batch", "transform_gradients"])
def test_every_hook_that_raises_becomes_the_methods_failure(hook: str, tiny_backbone: Path, tmp_path: Path) -> None:
    def fail(*_arguments, **_named):
        raise UsageError("not like this")

    method = Vanilla()
    setattr(method, hook, fail)
    with pytest.raises(MethodError, match=f"Method 'vanilla', {hook}: not like this"):
        trainer(method, tiny_backbone, tmp_path).run()


def test_blocks_of_shared_dropout_in_one_step_draw_different_masks(tiny_backbone: Path, tmp_path: Path) -> None:
    drawn: list[list[torch.Tensor]] = []

    @dataclass(kw_only=True, eq=False)
    class Sharing(Vanilla):
        def loss(self, model, batch, ctx):
            with ctx.same_dropout():
                drawn.append([model(batch).detach() for _ in range(2)])
            with ctx.same_dropout():
                drawn.append([model(batch).detach()])
            return super().loss(model, batch, ctx)

    trainer(Sharing(), tiny_backbone, tmp_path, epochs=1).run()
    assert torch.equal(drawn[0][0], drawn[0][1])
    assert not torch.equal(drawn[0][0], drawn[1][0])


def test_roast_draws_a_new_mask_after_each_epoch_but_the_last(tiny_backbone: Path, tmp_path: Path) -> None:
    masks: list[torch.Tensor] = []

    @dataclass(kw_only=True, eq=False)
    class Watched(RoAST):
        def transform_gradients(self, parameters, ctx):
            super().transform_gradients(parameters, ctx)
            masks.append(torch.cat([m.reshape(-1) for m in self._multipliers]))

    trainer(Watched(), tiny_backbone, tmp_path).run()
    assert all(torch.equal(masks[0], mask) for mask in masks[:5])
    assert all(torch.equal(masks[5], mask) for mask in masks[5:])
    assert not torch.equal(masks[0], masks[5])


def test_batches_of_similar_length_hold_each_example_once_and_pad_less(tiny_backbone: Path, tmp_path: Path) -> None:
    def lengths_of(batching: str) -> list[list[list[int]]]:
        data = trainer(Vanilla(), tiny_backbone, tmp_path / batching, batching=batching)._data
        epochs = [[row for window in data.windows(epoch) for batch in window for row in batch] for epoch in (0, 1)]
        assert all(sorted(rows) == list(range(40)) for rows in epochs)
        assert epochs[0] != epochs[1]
        # A resumed run finds the same batches.
        assert trainer(Vanilla(), tiny_backbone, tmp_path / batching, batching=batching)._data.windows(
            1
        ) == data.windows(1)
        batches = [batch for window in data.windows(0) for batch in window]
        assert [len(batch) for batch in batches] == [8] * 5
        return [[len(data._encoded[row]["input_ids"]) for row in batch] for batch in batches]

    def padding(batches: list[list[int]]) -> int:
        return sum(max(batch) - length for batch in batches for length in batch)

    assert padding(lengths_of("length")) < padding(lengths_of("random")) / 2


def test_a_method_with_batches_of_its_own_keeps_them(tiny_backbone: Path, tmp_path: Path) -> None:
    @dataclass(kw_only=True, eq=False)
    class InOrder(Vanilla):
        name: ClassVar[str] = "in-order"

        def batches(self, data, size, rng):
            return (list(range(start, start + size)) for start in range(0, len(data), size))

    for number, method in enumerate((InOrder(), compose([InOrder, RoAST])())):
        data = trainer(method, tiny_backbone, tmp_path / str(number), batching="length")._data
        assert data.windows(0)[0] == [list(range(8))]


def test_bf16_is_refused_in_one_sentence_where_the_processor_would_emulate_it(
    tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    with pytest.raises(UnavailableError, match='precision = "bf16", but this CPU has neither AVX-512 BF16 nor AMX'):
        trainer(Vanilla(), tiny_backbone, tmp_path, precision="bf16")
    assert trainer(Vanilla(), tiny_backbone, tmp_path, precision="auto").precision == "fp32"


def test_bf16_runs_the_passes_in_bfloat16_and_resumes_to_the_same_weights(
    whole, tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    full, _ = whole(Vanilla)
    undisturbed, _ = trainer(Vanilla(), tiny_backbone, tmp_path / "whole", precision="bf16").run()
    first = trainer(Vanilla(), tiny_backbone, tmp_path / "cut", precision="bf16")
    first.checkpoint_seconds, first.report = 0.0, kill_at(3)
    with pytest.raises(Killed):
        first.run()
    resumed, _ = trainer(Vanilla(), tiny_backbone, tmp_path / "cut", precision="bf16").run()
    assert same(weights(undisturbed), weights(resumed))
    assert not same(weights(undisturbed), full)
    assert {value.dtype for value in weights(undisturbed).values() if value.is_floating_point()} == {torch.float32}
