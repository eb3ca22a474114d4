"""Return values of hooks: errors name the method, the hook and what to return; usable values work."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.testing.subject import Killed
from benchmark.training import MethodError, NonFiniteLossError, Phase
from benchmark.training.checkpoint import storable
from methods.vanilla import Vanilla
from tests.support.tiny import trainer, weights

A_LOSS = "return a tensor of one number with its graph"
A_BATCH = "return lists of positions in `data`, from 0 to 39."
TOKENS = "return lists of integers of one length by name, `input_ids` among them"
TENSORS = "return a dict of dense tensors by name."


class Listing(torch.optim.SGD):
    """Keeps what no checkpoint can hold."""

    def step(self, closure: Any = None) -> None:
        super().step(closure)
        for group in self.param_groups:
            for parameter in group["params"]:
                self.state[parameter]["history"] = [1.0]


def three_classes(backbone: Any, task: Any) -> Any:
    return Vanilla().build_model(backbone, type("Task", (), {"classes": "abc", "max_length": 16}))


WRONG: list[tuple[str, Callable[..., Any], str]] = [
    ("build_model", lambda *_: None, "returned None; return a Classifier, such as super()"),
    ("build_model", lambda *_: torch.nn.Linear(2, 2), "returned a value of type Linear; return a Classifier"),
    ("build_model", three_classes, "returned a model for 3 classes; the task has 2."),
    ("encode_example", lambda *_: None, f"for example '0' returned None; {TOKENS}"),
    ("encode_example", lambda *_: {"ids": [1]}, f"for example '0' returned a value of type dict; {TOKENS}"),
    ("encode_example", lambda *_: {"input_ids": 3}, f"'0', under 'input_ids', returned a value of type int; {TOKENS}"),
    ("encode_example", lambda *_: {"input_ids": ["a"]}, f"under 'input_ids', returned a value of type list; {TOKENS}"),
    (
        "encode_example",
        lambda *_: {"input_ids": [1, 2], "marks": [1]},
        "for example '0' returned 1 numbers under 'marks' and 2 under 'input_ids'; return one for each token.",
    ),
    ("phases", lambda *_: None, "returned None; return a list of one or more Phase(name, epochs)."),
    ("phases", lambda *_: [], "returned no phase; return a list of one or more Phase(name, epochs)."),
    ("phases", lambda *_: [("head", 1)], "as a phase returned a value of type tuple; return a list"),
    ("phases", lambda *_: [Phase("head", 0)], "gives the phase 'head' 0 epochs; give it 1 or more."),
    ("phases", lambda *_: [Phase("head", 1.5)], "gives the phase 'head' 1.5 epochs; give it 1 or more."),  # type: ignore[arg-type]
    ("phases", lambda *_: [Phase("head", 1, "head")], "as a phase's `trainable` returned a value of type str"),  # type: ignore[arg-type]
    ("batches", lambda *_: None, f"returned None; {A_BATCH}"),
    ("batches", lambda *_: [1, 2], f"as a batch returned a value of type int; {A_BATCH}"),
    ("batches", lambda *_: [["a"]], f"as a batch returned a value of type list; {A_BATCH}"),
    ("batches", lambda *_: [[0.5]], f"as a batch returned a value of type list; {A_BATCH}"),
    ("batches", lambda *_: [[0], []], f"returned an empty batch; {A_BATCH}"),
    ("batches", lambda *_: [[0], [1, 40]], f"returned the position 40; {A_BATCH}"),
    ("batches", lambda *_: [[-1]], f"returned the position -1; {A_BATCH}"),
    ("build_optimizer", lambda *_: None, "returned None; return a torch.optim.Optimizer over `groups`, such as"),
    ("build_optimizer", lambda groups, _: groups, "returned a value of type list; return a torch.optim.Optimizer"),
    (
        "build_optimizer",
        lambda groups, _: Listing(groups, lr=0.1),
        "(saving its optimizer's state): its optimizer keeps a list under 'history', which no checkpoint can hold;",
    ),
    ("transform_batch", lambda *_: None, "returned None; return the Batch, or one made of it, such as"),
    ("transform_batch", lambda batch, _: batch.tokens, "returned a value of type dict; return the Batch"),
    ("loss", lambda *_: None, f"loss returned None; {A_LOSS}"),
    ("loss", lambda *_: 0.5, f"loss returned a value of type float; {A_LOSS}"),
    ("loss", lambda model, batch, _: model(batch), f"loss returned a tensor of shape (8, 2); {A_LOSS}"),
    ("loss", lambda *_: torch.tensor(0.5), f"without a graph, so that nothing can be trained; {A_LOSS}"),
    ("state_dict", lambda: None, f"returned None; {TENSORS}"),
    ("state_dict", lambda: [torch.ones(1)], f"returned a value of type list; {TENSORS}"),
    ("state_dict", lambda: {1: torch.ones(1)}, f"as a name returned a value of type int; {TENSORS}"),
    ("state_dict", lambda: {"step": 3}, "returned the number 3 under 'step'; return torch.tensor(3), and take its"),
    ("state_dict", lambda: {"on": True}, "returned the number True under 'on'; return torch.tensor(True)"),
    ("state_dict", lambda: {"a": np.ones(2)}, f"under 'a' returned a value of type ndarray; {TENSORS}"),
    ("state_dict", lambda: {"a": None}, f"under 'a' returned None; {TENSORS}"),
    ("state_dict", lambda: {"a": torch.eye(2).to_sparse()}, f"under 'a' returned a value of type Tensor; {TENSORS}"),
]


@pytest.mark.parametrize(("hook", "wrong", "sentence"), WRONG, ids=[f"{n}-{h}" for n, (h, _, _) in enumerate(WRONG)])
def test_a_wrong_return_value_is_named_with_what_to_return(
    hook: str, wrong: Callable[..., Any], sentence: str, tiny_backbone: Path, tmp_path: Path
) -> None:
    method = Vanilla()
    setattr(method, hook, wrong)
    with pytest.raises(MethodError) as caught:
        run = trainer(method, tiny_backbone, tmp_path)
        run.checkpoint_seconds = 0.0
        run.run()
    assert str(caught.value).startswith(f"Method 'vanilla', {'backward' if hook == 'loss' else hook}")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_cannot_be_collated_or_frozen_is_the_methods_failure(tiny_backbone: Path, tmp_path: Path) -> None:
    class Odd(Vanilla):
        def encode_example(self, model, example):
            return {"input_ids": [1, [2], 3]}

    class Raising(Vanilla):
        def phases(self, recipe):
            return [Phase("head", 1, lambda name: name.undefined)]

    with pytest.raises(MethodError, match=r"raised \w+ in encode_example \(collating what it returned\) at"):
        trainer(Odd(), tiny_backbone, tmp_path / "odd").run()
    with pytest.raises(MethodError, match=r"raised AttributeError in phases \(trainable of 'head'\) at test_hooks.py"):
        trainer(Raising(), tiny_backbone, tmp_path / "raising").run()


def test_a_long_error_becomes_one_line_of_a_thousand_characters(tiny_backbone: Path, tmp_path: Path) -> None:
    class Noisy(Vanilla):
        def loss(self, model, batch, ctx):
            raise ValueError("x\n" * 15_000)

    with pytest.raises(MethodError) as caught:
        trainer(Noisy(), tiny_backbone, tmp_path).run()
    assert str(caught.value).endswith(" … (29,039 more characters)")
    assert len(str(caught.value)) < 1_100


def test_arrays_and_tensors_of_numbers_do_for_lists(tiny_backbone: Path, tmp_path: Path) -> None:
    class Arrays(Vanilla):
        def encode_example(self, model, example):
            return {name: np.array(numbers) for name, numbers in model.tokenise(example.texts).items()}

        def batches(self, data, size, rng):
            return iter([torch.tensor(rows) for rows in super().batches(data, size, rng)])

        def phases(self, recipe):
            return (Phase("all", recipe.epochs, lambda name: np.bool_(True)) for _ in range(1))

    plain, _ = trainer(Vanilla(), tiny_backbone, tmp_path / "plain").run()
    arrays, _ = trainer(Arrays(), tiny_backbone, tmp_path / "arrays").run()
    assert all(torch.equal(value, weights(arrays)[name]) for name, value in weights(plain).items())


def test_weights_that_end_up_as_nan_are_the_methods_failure(tiny_backbone: Path, tmp_path: Path) -> None:
    class Breaking(Vanilla):
        def after_step(self, ctx):
            if ctx.step == 5:
                ctx.model.output_layer.bias.data.fill_(float("nan"))

    with pytest.raises(NonFiniteLossError, match=r"answers are not finite after epoch 1 \(seed 0\)"):
        trainer(Breaking(), tiny_backbone, tmp_path).run()


def kill(done: int, total: int) -> None:
    if done == 3:
        raise Killed


class Transposed(Vanilla):
    """Has a head that is a transposed view, state that is shared and strided, and an optimizer with moments."""

    def build_model(self, backbone, task):
        model = super().build_model(backbone, task)
        weight = model.output_layer.weight
        weight.data = weight.data.t().contiguous().t()
        assert not weight.is_contiguous()
        return model

    def setup(self, ctx):
        self.kept = torch.arange(6.0).reshape(2, 3)

    def state_dict(self):
        return {"a": self.kept, "b": self.kept, "row": self.kept[1], "turned": self.kept.t()}

    def load_state_dict(self, state, ctx):
        assert torch.equal(state["turned"].t(), state["b"])
        assert torch.equal(state["row"], state["a"][1])
        self.kept = state["a"]


def test_views_are_saved_and_a_killed_run_ends_with_the_same_weights(tiny_backbone: Path, tmp_path: Path) -> None:
    whole, _ = trainer(Transposed(), tiny_backbone, tmp_path / "whole").run()
    plain, _ = trainer(Vanilla(), tiny_backbone, tmp_path / "plain").run()
    cut = trainer(Transposed(), tiny_backbone, tmp_path / "cut")
    cut.checkpoint_seconds, cut.report = 0.0, kill
    with pytest.raises(Killed):
        cut.run()
    resumed, _ = trainer(Transposed(), tiny_backbone, tmp_path / "cut").run()
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name
        assert torch.equal(value, weights(plain)[name]), name


def test_storable_copies_only_what_shares_memory() -> None:
    base = torch.arange(12.0)
    made = storable({"a": base, "b": base, "c": base[2:5], "d": base.reshape(3, 4).t(), "e": torch.empty(0)})
    assert made["a"].data_ptr() == base.data_ptr()
    assert len({made[name].untyped_storage().data_ptr() for name in "abcd"}) == 4
    assert torch.equal(made["c"], base[2:5])
    assert torch.equal(made["d"], base.reshape(3, 4).t())
