"""TrialAverage: the base of methods that train nothing and average the weights of the models that tuning trained."""

import shutil
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import UsageError
from benchmark.suites import TrainingTask
from benchmark.training.context import MethodError
from benchmark.training.method import Method
from benchmark.training.method_errors import hook
from benchmark.training.optimization import pick_device

Judge: TypeAlias = Callable[[Sequence[int]], int]
"""Counts the right answers of the average of some ingredients, by their places, on the validation part."""


@dataclass(kw_only=True, eq=False)
class TrialAverage(Method):
    """Average the weights of some of the models that tuning trained: the base class.

    The ingredients are the trials of the method `of` that did not fail, in their order, each trained with the seed of
    the row. The engine trains those that the store lacks, asks `choose` which ones to average, and saves their mean. So
    a row costs all trainings, whichever are chosen, and no hook of training is called.
    """

    of: str = "vanilla"

    @abstractmethod
    def choose(self, count: int, judge: Judge) -> Sequence[int]:
        """Return the places of the ingredients to average, each from 0 to `count` - 1 and at least one.

        Args:
            count: How many ingredients there are, at least 1.
            judge: Counts right answers on the validation part, the only data that may decide. Each call predicts the
                part once, except for places that it was asked about before, in whatever order.
        """

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Refuse: there is nothing to train."""
        raise UsageError(
            f"{self.name} trains no model; it averages the trials of {self.of}. Run `temper tune SUITE --methods "
            f"{self.name}` and `temper run SUITE --methods {self.name}`."
        )


def choose_and_average(
    method: TrialAverage,
    folders: Sequence[Path],
    examples: Sequence[Example],
    target: Path,
    scratch: Path,
    *,
    report: Callable[[int, int], None] | None = None,
) -> tuple[list[int], dict[tuple[int, ...], int]]:
    """Write the average of the models that a method chooses.

    Args:
        method: Chooses them.
        folders: Folders that `Classifier.save` wrote, one per ingredient.
        examples: The validation part.
        target: A folder to write.
        scratch: A folder for averages that are only tried.
        report: Called with the number of texts predicted and of all texts of one judgement.

    Returns:
        The chosen places, in ascending order, and the number of right answers of every average that was tried.
    """
    counted: dict[tuple[int, ...], int] = {}

    def judge(places: Sequence[int]) -> int:
        key = tuple(sorted(places))
        if key not in counted:
            average_models([folders[place] for place in key], scratch)
            model = load_classifier(scratch).to(pick_device())
            logits = predict_logits(model, [example.texts for example in examples], report=report)
            counted[key] = int((logits.argmax(axis=1) == [example.label for example in examples]).sum())
        return counted[key]

    with hook(method, "choose", 0):
        chosen = sorted(set(method.choose(len(folders), judge)))
        average_models([folders[place] for place in chosen], target)
    return chosen, counted


def average_models(folders: Sequence[Path], target: Path) -> None:
    """Write a saved model whose weights are the mean of those of several saved models.

    Sums are taken in float64 in the order of the models, and the mean is rounded once, to the weights' own type.
    Integers and all other files must be the same in all models.

    Args:
        folders: Folders that `Classifier.save` wrote.
        target: A folder to write; one that exists is replaced.

    Raises:
        MethodError: the models differ in more than the values of their weights.
    """
    first = folders[0]
    for other in folders[1:]:
        if difference := next(_differences(first, other), ""):
            raise MethodError(f"the weights cannot be averaged, since the models differ in {difference}.")
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(first, target)
    for path in sorted(first.glob("*.safetensors")):
        with ExitStack() as stack:
            parts = [stack.enter_context(safe_open(folder / path.name, framework="pt")) for folder in folders]
            means = {name: _mean([part.get_tensor(name) for part in parts], name) for name in parts[0].keys()}  # noqa: SIM118
            save_file(means, target / path.name, metadata=parts[0].metadata())


def _differences(first: Path, other: Path) -> Iterator[str]:
    """Name what two saved models do not share, except for the values of weights."""
    names, others = ({path.name for path in folder.iterdir()} for folder in (first, other))
    yield from sorted(names ^ others)
    for name in sorted(names & others):
        if not name.endswith(".safetensors"):
            if not cmp(first / name, other / name, shallow=False):
                yield name
            continue
        with safe_open(first / name, framework="pt") as one, safe_open(other / name, framework="pt") as two:
            yield from sorted(set(one.keys()) ^ set(two.keys()))
            for key in sorted(one.keys()):
                left, right = one.get_slice(key), two.get_slice(key)
                if (left.get_shape(), left.get_dtype()) != (right.get_shape(), right.get_dtype()):
                    yield f"the shape or type of {key}"


def _mean(values: Sequence[Tensor], name: str) -> Tensor:
    first = values[0]
    if not first.is_floating_point():
        if any(not torch.equal(first, value) for value in values[1:]):
            raise MethodError(f"the weights cannot be averaged, since {name} holds integers that differ.")
        return first
    total = first.double()
    for value in values[1:]:
        total = total + value.double()
    return (total / len(values)).to(first.dtype)
