"""The contract catches what it must: each deliberately broken method is named with its rule and its place."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from benchmark.testing import ContractError, MethodContract, broken_rules
from benchmark.testing.rules import CUTS, Cut
from benchmark.testing.subject import subject_of
from benchmark.training import Batch, Classifier, Context, Method
from tests.support.tiny import write_tiny_masked_lm

REPOSITORY = Path(__file__).resolve().parents[2]
GENERATOR = torch.Generator().manual_seed(0)


@dataclass(kw_only=True, eq=False)
class Mine(Method):
    name: ClassVar[str] = "mine"


def check(method: type[Method], test: str) -> None:
    """Run one test of the contract on a method."""
    contract = type("Contract", (MethodContract,), {"method": method})
    contract.setup_class()
    try:
        getattr(contract(), f"test_{test}")()
    finally:
        contract.teardown_class()


def sentence(method: type[Method], test: str) -> str:
    """Run one test of the contract on a method that must fail it and return its message."""
    with pytest.raises(ContractError) as caught:
        check(method, test)
    return str(caught.value)


class Decays(Mine):
    """A sound method: it has an effect, and all of it is kept."""

    def after_step(self, ctx: Context) -> None:
        with torch.no_grad():
            ctx.model.output_layer.weight.mul_(0.9)


def test_a_loss_that_is_said_to_be_used_and_is_not() -> None:
    class OwnLoss(Mine):
        uses_loss: ClassVar[bool] = True

        def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
            ctx.backward(model(batch).square().mean())

    rule = "backward_trains_the_loss_that_it_says_it_uses"
    assert "uses_loss is True and backward never calls self.loss." in sentence(OwnLoss, rule)


def test_a_sound_method_breaks_no_rule() -> None:
    assert broken_rules(Decays) == []


EFFECT = "'it changes the trained model': after 10 steps its weights are vanilla's. Check the names of its hooks"


def test_a_method_without_an_effect() -> None:
    class Typo(Mine):
        def after_steps(self, ctx: Context) -> None:
            raise NotImplementedError

    assert EFFECT in sentence(Typo, "it_changes_the_trained_model")
    assert EFFECT in sentence(Mine, "it_changes_the_trained_model")


def test_weights_moved_after_the_last_epoch_are_named_since_they_are_lost() -> None:
    class Interpolates(Mine):
        def setup(self, ctx: Context) -> None:
            self._start = ctx.model.output_layer.weight.detach().clone()

        def on_epoch_end(self, ctx: Context) -> None:
            if ctx.epoch == ctx.epochs:
                with torch.no_grad():
                    ctx.model.output_layer.weight.lerp_(self._start, 0.5)

        def state_dict(self) -> dict[str, torch.Tensor]:
            return {"start": self._start}

        def load_state_dict(self, state: Any, ctx: Context) -> None:
            self._start = state["start"]

    message = sentence(Interpolates, "every_hook_leaves_the_model_as_it_was")
    assert "and on_epoch_end before the last epoch': in step 10, on_epoch_end changed network.classifier" in message
    assert EFFECT in sentence(Interpolates, "it_changes_the_trained_model")


def test_weights_moved_between_epochs_are_no_violation() -> None:
    class Restarts(Mine):
        def on_epoch_end(self, ctx: Context) -> None:
            if ctx.epoch < ctx.epochs:
                with torch.no_grad():
                    ctx.model.output_layer.weight.mul_(0.5)

    check(Restarts, "every_hook_leaves_the_model_as_it_was")


def test_a_method_that_changes_only_the_prediction_has_an_effect() -> None:
    class Cooler(Classifier):
        def forward(self, batch: Batch, *more: Any, **named: Any) -> torch.Tensor:
            logits = super().forward(batch, *more, **named)
            return logits if self.training else 0.5 * logits

    class Cools(Mine):
        def build_model(self, backbone: Any, task: Any) -> Classifier:
            return Cooler.from_pretrained(backbone.path, len(task.classes), task.max_length)

    check(Cools, "it_changes_the_trained_model")


def test_state_between_the_last_step_and_the_end_of_the_epoch_is_cut() -> None:
    class Gathers(Mine):
        """Keeps the sum of an epoch, and hands over no more of it than the steps before the last."""

        def setup(self, ctx: Context) -> None:
            self._seen = torch.zeros(())

        def after_step(self, ctx: Context) -> None:
            self._seen = self._seen + 1

        def on_epoch_end(self, ctx: Context) -> None:
            if ctx.epoch < ctx.epochs:
                with torch.no_grad():
                    ctx.model.output_layer.weight.mul_(1 + 0.1 * self._seen)

        def state_dict(self) -> dict[str, torch.Tensor]:
            return {"seen": self._seen.clone().clamp(max=4)}

        def load_state_dict(self, state: Any, ctx: Context) -> None:
            self._seen = state["seen"].clone()

    message = sentence(Gathers, "a_resumed_run_ends_with_the_same_weights")
    assert "killed after on_epoch_end of epoch 1 and resumed, it ends with a different network." in message
    assert message.endswith("Look at self._seen.")


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_every_cut_resumes_from_the_step_before_it(cut: Cut, tmp_path: Path) -> None:
    """A run that started again from the beginning would end the same, and prove nothing."""
    steps: list[int] = []

    class Notes(Decays):
        def load_state_dict(self, state: Any, ctx: Context) -> None:
            steps.append(ctx.step)

    (tmp_path / "backbone").mkdir()
    subject_of(Notes, write_tiny_masked_lm(tmp_path / "backbone"), tmp_path).run("cut", "rule", cuts=(cut,))
    assert steps == [cut.number - 1 if cut.moment == "in step" else 5 * cut.number]


def test_a_method_that_raises() -> None:
    class Raises(Mine):
        def after_step(self, ctx: Context) -> None:
            if ctx.step == 4:
                raise KeyError("teacher")

    message = sentence(Raises, "every_hook_leaves_the_model_as_it_was")
    assert message.startswith(
        "mine breaks the rule 'it trains to the end': Method 'mine' raised KeyError in after_step at"
    )
    assert "test_contract.py:" in message
    assert "step 4" in message


class Trace(Mine):
    """Leaves a trace in one hook of one step."""

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        super().backward(model, batch, ctx)
        if ctx.step == 2:
            self.leave(model)

    def leave(self, model: Classifier) -> None:
        raise NotImplementedError


class LeaksHook(Trace):
    def leave(self, model: Classifier) -> None:
        model.blocks[1].register_forward_hook(lambda *_: None)


class LeaksGradientHook(Trace):
    def leave(self, model: Classifier) -> None:
        model.output_layer.weight.register_hook(lambda g: g)


class LeaksGlobalHook(Trace):
    def leave(self, model: Classifier) -> None:
        self.handle = nn.modules.module.register_module_forward_pre_hook(lambda *_: None)


class Freezes(Trace):
    def leave(self, model: Classifier) -> None:
        model.output_layer.bias.requires_grad_(False)


class Perturbs(Trace):
    def leave(self, model: Classifier) -> None:
        model.output_layer.bias.data.add_(1e-3)


class Replaces(Trace):
    def leave(self, model: Classifier) -> None:
        model.network.dropout = nn.Dropout(0.3)


class StaysInEval(Trace):
    def leave(self, model: Classifier) -> None:
        model.blocks[0].eval()


class Reseeds(Trace):
    def leave(self, model: Classifier) -> None:
        torch.manual_seed(7)


class StopsGradients(Trace):
    def leave(self, model: Classifier) -> None:
        torch.set_grad_enabled(False)


@pytest.mark.parametrize(
    ("method", "rule", "thing"),
    [
        (LeaksHook, "no torch hook is left behind", "network.bert.encoder.layer.1._forward_hooks"),
        (LeaksGradientHook, "no torch hook is left behind", "network.classifier.weight._backward_hooks"),
        (LeaksGlobalHook, "no torch hook is left behind", "torch._forward_pre_hooks"),
        (Freezes, "requires_grad is restored", "network.classifier.bias"),
        (Perturbs, "only setup, the optimizer, after_step and finish move weights", "network.classifier.bias"),
        (Replaces, "no module is replaced", "network.dropout"),
        (StaysInEval, "train and eval modes are restored", "network.bert.encoder.layer.0.training"),
        (Reseeds, "seed and settings", "torch.initial_seed()"),
    ],
)
def test_what_a_hook_leaves_behind(method: type[Method], rule: str, thing: str) -> None:
    message = sentence(method, "every_hook_leaves_the_model_as_it_was")
    if method is LeaksGlobalHook:
        nn.modules.module._global_forward_pre_hooks.clear()
    assert rule in message
    assert f"in step 2, backward changed {thing}" in message


WHEN = {
    "setup": 0,
    "transform_batch": 0,
    "transform_gradients": 0,
    "after_step": 0,
    "evaluation_weights": 5,
    "on_epoch_end": 5,
}
"""The step that the first call of a hook is told to be in."""


@pytest.mark.parametrize(
    ("leave", "changed"),
    [
        (lambda model: model.blocks[0].register_forward_hook(lambda *_: None), "_forward_hooks"),
        (lambda model: model.output_layer.bias.requires_grad_(False), "classifier.bias"),
    ],
)
@pytest.mark.parametrize("hook", WHEN)
def test_a_trace_is_found_in_whichever_hook_leaves_it(hook: str, leave: Callable[[Any], Any], changed: str) -> None:
    def leaving(self: Method, *arguments: Any) -> Any:
        context = next(a for a in arguments if isinstance(a, Context))
        leave(context.model)
        return getattr(Method, hook)(self, *arguments)

    sentences = sentence(type("Leaves", (Mine,), {hook: leaving}), "every_hook_leaves_the_model_as_it_was")
    assert sentences.startswith("mine breaks the rule '")
    assert re.search(rf"in step {WHEN[hook]}, {hook} changed network\..*{changed}", sentences)


def test_evaluation_weights_that_move_the_weights_in_training() -> None:
    class Averages(Mine):
        def evaluation_weights(self, ctx: Context) -> dict[str, torch.Tensor]:
            with torch.no_grad():
                ctx.model.output_layer.bias.mul_(0.5)
            return {}

    message = sentence(Averages, "every_hook_leaves_the_model_as_it_was")
    assert "in step 5, evaluation_weights changed network.classifier.bias" in message


def test_finish_may_replace_modules_and_leaves_no_torch_hook() -> None:
    class Merges(Mine):
        def finish(self, ctx: Context) -> None:
            head = ctx.model.output_layer
            ctx.model.network.classifier = nn.Linear(head.in_features, head.out_features)
            ctx.model.network.classifier.load_state_dict({n: v / 2 for n, v in head.state_dict().items()})

    class Leaks(Merges):
        def finish(self, ctx: Context) -> None:
            super().finish(ctx)
            ctx.model.output_layer.register_forward_hook(lambda *_: None)

    check(Merges, "every_hook_leaves_the_model_as_it_was")
    message = sentence(Leaks, "every_hook_leaves_the_model_as_it_was")
    assert "no torch hook is left behind': in step 10, finish changed network.classifier._forward_hooks" in message


def test_the_tiny_backbones_tokenizer_knows_its_words(tiny_backbone: Path) -> None:
    """Were all words unknown, every rule would hold of anything."""
    model = Classifier.from_pretrained(tiny_backbone, 2, 16)
    ids = model.encode([("the good film", "awful")]).tokens["input_ids"]
    assert model.tokenizer.unk_token_id not in ids
    assert len(ids.unique()) == 6


def test_a_hook_that_switches_gradients_off_is_caught_one_way_or_the_other() -> None:
    try:
        assert "mine breaks the rule" in sentence(StopsGradients, "every_hook_leaves_the_model_as_it_was")
    finally:
        torch.set_grad_enabled(True)


def test_state_outside_state_dict_is_named() -> None:
    @dataclass(kw_only=True, eq=False)
    class Counts(Mine):
        def __post_init__(self) -> None:
            self._count = 0

        def loss(self, model: Classifier, batch: Batch, ctx: Context) -> torch.Tensor:
            self._count += 1
            return super().loss(model, batch, ctx) / self._count

    message = sentence(Counts, "a_resumed_run_ends_with_the_same_weights")
    assert "'a resumed run ends with the same weights, log and cost': killed in step 3" in message
    assert message.endswith("Look at self._count.")


def test_state_that_setup_made_and_nothing_restores_is_named() -> None:
    class Forgets(Mine):
        def setup(self, ctx: Context) -> None:
            self._origin = ctx.model.output_layer.weight.detach().clone()

        def after_step(self, ctx: Context) -> None:
            self._origin.mul_(0.9)

    message = sentence(Forgets, "a_resumed_run_ends_with_the_same_weights")
    assert "raised AttributeError in after_step" in message


def test_a_generator_of_its_own_is_named() -> None:
    @dataclass(kw_only=True, eq=False)
    class Own(Mine):
        def __post_init__(self) -> None:
            self._generator = torch.Generator().manual_seed(0)

        def transform_gradients(self, parameters: Any, ctx: Context) -> None:
            for p in parameters:
                p.grad.mul_(torch.rand(p.shape, generator=self._generator))

    message = sentence(Own, "a_resumed_run_ends_with_the_same_weights")
    assert message.endswith("Look at self._generator.")


def test_a_generator_of_the_module_is_caught_by_the_second_run() -> None:
    class Shared(Mine):
        def transform_gradients(self, parameters: Any, ctx: Context) -> None:
            for p in parameters:
                p.grad.mul_(torch.rand(p.shape, generator=GENERATOR))

    message = sentence(Shared, "the_same_seed_gives_the_same_weights")
    assert "'the same seed gives the same weights': two runs with seed 0 end with different network." in message
    assert "ctx.generator(purpose)" in message


def test_a_run_that_ignores_the_seed() -> None:
    class Frozen(Mine):
        def build_model(self, backbone: Any, task: Any) -> Classifier:
            torch.manual_seed(0)
            return super().build_model(backbone, task)

        def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
            torch.manual_seed(0)
            return batch

        def batches(self, data: Any, size: int, rng: Any) -> Any:
            return (list(range(start, start + size)) for start in range(0, len(data), size))

    assert "'another seed gives other weights'" in sentence(Frozen, "the_same_seed_gives_the_same_weights")


@pytest.mark.parametrize("state", [{"count": 3}, {"a": torch.ones(2), "b": [1.0]}])
def test_a_state_that_is_not_tensors(state: dict[str, Any]) -> None:
    class Keeps(Mine):
        def state_dict(self) -> dict[str, Any]:
            return state

    message = sentence(Keeps, "a_resumed_run_ends_with_the_same_weights")
    assert "'state_dict holds tensors by name, and nothing else': state_dict " in message


def test_a_state_that_shares_its_memory_is_copied() -> None:
    class Shares(Decays):
        def setup(self, ctx: Context) -> None:
            self.kept = torch.ones(4)

        def state_dict(self) -> dict[str, torch.Tensor]:
            return {"a": self.kept, "b": self.kept, "c": self.kept[1:], "d": torch.ones(2, 3).t()}

        def load_state_dict(self, state: Any, ctx: Context) -> None:
            self.kept = state["a"]

    check(Shares, "a_resumed_run_ends_with_the_same_weights")


def test_hyperparameters_that_no_record_can_hold() -> None:
    @dataclass(kw_only=True, eq=False)
    class Listed(Mine):
        layers: tuple[int, ...] = (1, 2)

    @dataclass(kw_only=True, eq=False)
    class Infinite(Mine):
        radius: float = float("inf")

    @dataclass(kw_only=True, eq=False)
    class Rounds(Mine):
        share: float = 0.25

        def __post_init__(self) -> None:
            self.share = self.share / 2

    test = "its_hyperparameters_are_json_scalars_with_defaults"
    assert "the hyper-parameter layers is declared as tuple[int, ...]. Declare it as bool," in sentence(Listed, test)
    assert "radius must be a finite number" in sentence(Infinite, test)
    assert "has others" in sentence(Rounds, test)


def test_a_hyperparameter_without_a_default() -> None:
    @dataclass(kw_only=True, eq=False)
    class Bare(Mine):
        strength: float
        words: str = field(default_factory=str)

    message = sentence(Bare, "its_hyperparameters_are_json_scalars_with_defaults")
    assert "strength, words has no default" in message


def test_a_hyperparameter_that_the_dataclass_does_not_see() -> None:
    class Ignored(Mine):
        strength: float = 0.5

    message = sentence(Ignored, "its_hyperparameters_are_json_scalars_with_defaults")
    assert "Ignored in " in message
    assert "test_contract.py declares strength and is not a dataclass, so the value would be ignored." in message


def test_a_method_that_forgets_accumulation() -> None:
    class Single(Mine):
        def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
            super().backward(model, batch, ctx)
            if ctx.accumulation > 1:
                raise IndexError("window")

    assert "'it runs under accumulation': Method 'mine' raised" in sentence(Single, "accumulation_keeps_running")


def test_a_prediction_that_depends_on_its_batch() -> None:
    class Together(Classifier):
        def forward(self, batch: Batch, *more: Any, **named: Any) -> torch.Tensor:
            logits = super().forward(batch, *more, **named)
            return logits - logits.mean(dim=0)

    class Centred(Mine):
        def build_model(self, backbone: Any, task: Any) -> Classifier:
            return Together.from_pretrained(backbone.path, len(task.classes), task.max_length)

    message = sentence(Centred, "the_batch_size_does_not_change_a_prediction")
    assert "'the batch size does not change a prediction': example " in message


def test_a_model_that_is_not_all_saved() -> None:
    class Scaled(Classifier):
        def forward(self, batch: Batch, *more: Any, **named: Any) -> torch.Tensor:
            return 2.0 * super().forward(batch, *more, **named)

    class Scales(Mine):
        def build_model(self, backbone: Any, task: Any) -> Classifier:
            return Scaled.from_pretrained(backbone.path, len(task.classes), task.max_length)

    message = sentence(Scales, "a_saved_model_predicts_the_same")
    assert "'a saved and loaded model predicts the same': logits differ by" in message


def test_all_broken_rules_are_listed_without_pytest() -> None:
    @dataclass(kw_only=True, eq=False)
    class Listed(LeaksHook):
        layers: tuple[int, ...] = ()

    assert len(broken_rules(LeaksHook)) == 2
    assert all("the hyper-parameter layers is declared as tuple[int, ...]" in line for line in broken_rules(Listed))


def test_the_contract_imports_without_pytest_and_without_torch() -> None:
    script = "import sys; import benchmark.testing; print([m for m in ('pytest', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
