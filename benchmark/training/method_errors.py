"""Errors of a method's hooks: exceptions and wrong return values, with the method, hook, and line or fix."""

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.schema.atomic_io import NO_ROOM, error_number
from benchmark.schema.errors import TemperError, excerpt
from benchmark.suites import Recipe, TrainingTask
from benchmark.training.checkpoint import storable
from benchmark.training.context import Context, MethodError
from benchmark.training.method import Method, Phase

LONGEST_MESSAGE = 1_000
"""Maximum length of another library's error text, because some texts list every weight."""


@contextmanager
def hook(method: Method, name: str, step: int) -> Iterator[None]:
    """Run a method's hook.

    Args:
        method: The method.
        name: The hook.
        step: Optimizer steps done, for the message.

    Raises:
        MethodError: the hook raised an error other than a lack of memory or disk space, or called sys.exit().
    """
    try:
        yield
    except (MethodError, MemoryError, torch.OutOfMemoryError):
        raise
    except TemperError as error:
        raise MethodError(f"Method {method.name!r}, {name}: {error}") from error
    # A method that calls sys.exit() would end the command, without a word and before the other rows.
    except (Exception, SystemExit) as error:
        if error_number(error) in NO_ROOM:
            raise
        place = f"{name}{_line(error)}, step {step}"
        text = excerpt(" ".join(str(error).split()), LONGEST_MESSAGE) or "it has no message"
        raise MethodError(f"Method {method.name!r} raised {type(error).__name__} in {place}: {text}") from error


def _line(error: BaseException) -> str:
    """Return the innermost file and line at which an error was raised."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""


class GuardedMethod:
    """Wrapper of a method for the training loop: errors in hooks become `MethodError`, return values are checked.

    Attributes:
        step: Optimizer steps done, which the errors name; the loop sets it.
    """

    def __init__(self, method: Method) -> None:
        self._method = method
        self.name = method.name
        self.step = 0

    def guard(self, place: str) -> AbstractContextManager[None]:
        """Run code that a hook's result provides, such as an optimizer step; `place` names it in errors."""
        return hook(self._method, place, self.step)

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Return the built and adapted model, whose parameters are contiguous in memory."""
        with self.guard("build_model"):
            model = checked_model(self._method.build_model(backbone, task), len(task.classes))
        with self.guard("adapt_model"):
            self._method.adapt_model(model)
            return checked_model(model, len(task.classes))

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Return the example with lists in place of tensors and arrays."""
        with self.guard("encode_example"):
            return checked_encoding(self._method.encode_example(model, example), example.id)

    def phases(self, recipe: Recipe) -> list[Phase]:
        """Return the phases, at least one."""
        with self.guard("phases"):
            return checked_phases(self._method.phases(recipe))

    def is_trained(self, phase: Phase, parameter: str) -> bool:
        """Return whether a phase trains the parameter of a name."""
        with self.guard(f"phases (trainable of {phase.name!r})"):
            return phase.trainable is None or bool(phase.trainable(parameter))

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: Context) -> torch.optim.Optimizer:
        """Return the optimizer."""
        with self.guard("build_optimizer"):
            return checked_optimizer(self._method.build_optimizer(groups, ctx))

    def setup(self, ctx: Context) -> None:
        """Prepare the run."""
        with self.guard("setup"):
            self._method.setup(ctx)

    @property
    def has_own_batches(self) -> bool:
        """Return whether the method, or a member of a composition, overrides `batches`."""
        return getattr(self._method.batches, "__func__", None) is not Method.batches

    def batches(self, data: Sequence[Example], size: int, rng: np.random.Generator) -> list[list[int]]:
        """Return one epoch as lists of positions in `data`."""
        with self.guard("batches"):
            return checked_batches(self._method.batches(data, size, rng), len(data))

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Return the batch that the loss sees."""
        with self.guard("transform_batch"):
            return checked_batch(self._method.transform_batch(batch, ctx))

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Add the gradients of a micro-batch."""
        with self.guard("backward"):
            self._method.backward(model, batch, ctx)

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Change the gradients in place."""
        with self.guard("transform_gradients"):
            self._method.transform_gradients(parameters, ctx)

    def after_step(self, ctx: Context) -> None:
        """React to an optimizer step."""
        with self.guard("after_step"):
            self._method.after_step(ctx)

    def evaluation_weights(self, ctx: Context) -> dict[str, Tensor]:
        """Return weights by parameter name that can be stored as they are."""
        with self.guard("evaluation_weights"):
            named = dict(ctx.model.named_parameters())
            return storable(checked_weights(self._method.evaluation_weights(ctx), named))

    def on_epoch_end(self, ctx: Context) -> None:
        """React to the end of an epoch."""
        with self.guard("on_epoch_end"):
            self._method.on_epoch_end(ctx)

    def finish(self, ctx: Context) -> None:
        """Make the last change to the trained model; its parameters are contiguous in memory afterwards."""
        with self.guard("finish"):
            self._method.finish(ctx)
            checked_model(ctx.model, ctx.model.classes)

    def state_dict(self) -> dict[str, Tensor]:
        """Return dense, detached tensors by name that can be stored as they are."""
        with self.guard("state_dict"):
            return storable(checked_state(self._method.state_dict()))

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the tensors."""
        with self.guard("load_state_dict"):
            self._method.load_state_dict(state, ctx)


# The following functions are called inside `hook`, which prefixes the method and the hook to their messages.


def checked_model(value: object, classes: int) -> Classifier:
    """Check the result of `build_model` and make its parameters contiguous in memory.

    A fused optimizer walks a parameter and its moments in the order of memory, and a checkpoint has no other.

    Raises:
        TemperError: it is not a classifier for this many classes.
    """
    if not isinstance(value, Classifier):
        raise _wrong(value, "a Classifier, such as super().build_model(backbone, task)")
    if value.classes != classes:
        raise TemperError(f"returned a model for {value.classes} classes; the task has {classes}.")
    for parameter in value.parameters():
        parameter.data = parameter.data.contiguous()
    return value


def checked_encoding(value: object, example: str) -> Encoded:
    """Check the result of `encode_example`; tensors and arrays become lists.

    Raises:
        TemperError: it is not integers by name, as many for each name, with `input_ids` among the names.
    """
    wanted = "lists of integers of one length by name, `input_ids` among them, such as model.tokenise(example.texts)"
    if not isinstance(value, Mapping) or "input_ids" not in value:
        raise _wrong(value, wanted, f"for example {example!r} ")
    plain = {name: part.tolist() if isinstance(part, (Tensor, np.ndarray)) else part for name, part in value.items()}
    for name, part in plain.items():
        if not isinstance(part, Sequence) or not all(isinstance(number, int) for number in part[:1]):
            raise _wrong(part, wanted, f"for example {example!r}, under {name!r}, ")
        if len(part) != len(plain["input_ids"]):
            raise TemperError(
                f"for example {example!r} returned {len(part)} numbers under {name!r} and "
                f"{len(plain['input_ids'])} under 'input_ids'; return one for each token."
            )
    return plain


def checked_phases(value: object) -> list[Phase]:
    """Check the result of `phases` and return it as a list.

    Raises:
        TemperError: it is not at least one phase of at least one epoch.
    """
    wanted = "a list of one or more Phase(name, epochs)"
    if not isinstance(value, Iterable):
        raise _wrong(value, wanted)
    phases = list(value)
    if not phases:
        raise TemperError(f"returned no phase; return {wanted}.")
    for phase in phases:
        if not isinstance(phase, Phase):
            raise _wrong(phase, wanted, "as a phase ")
        if not isinstance(phase.epochs, int) or phase.epochs < 1:
            raise TemperError(f"gives the phase {phase.name!r} {phase.epochs!r} epochs; give it 1 or more.")
        if phase.trainable is not None and not callable(phase.trainable):
            raise _wrong(phase.trainable, "a function of a parameter's name, or None", "as a phase's `trainable` ")
        if not isinstance(phase.rate_factor, int | float) or not 0 < phase.rate_factor < math.inf:
            raise TemperError(f"gives the phase {phase.name!r} the rate_factor {phase.rate_factor!r}; give it above 0.")
    return phases


def checked_batches(value: object, examples: int) -> list[list[int]]:
    """Check the result of `batches` and return it as lists.

    Raises:
        TemperError: it is not lists of positions among the examples.
    """
    wanted = f"lists of positions in `data`, from 0 to {examples - 1}"
    if not isinstance(value, Iterable):
        raise _wrong(value, wanted)
    batches: list[list[int]] = []
    for batch in value:
        try:
            positions = [operator.index(position) for position in batch]
        except TypeError:
            raise _wrong(batch, wanted, "as a batch ") from None
        if not positions:
            raise TemperError(f"returned an empty batch; return {wanted}.")
        if min(positions) < 0 or max(positions) >= examples:
            outside = next(position for position in positions if not 0 <= position < examples)
            raise TemperError(f"returned the position {outside}; return {wanted}.")
        batches.append(positions)
    return batches


def checked_optimizer(value: object) -> torch.optim.Optimizer:
    """Check the result of `build_optimizer`.

    Raises:
        TemperError: it is not an optimizer.
    """
    if not isinstance(value, torch.optim.Optimizer):
        raise _wrong(value, "a torch.optim.Optimizer over `groups`, such as torch.optim.SGD(groups, lr=0.1)")
    return value


def checked_batch(value: object) -> Batch:
    """Check the result of `transform_batch`.

    Raises:
        TemperError: it is not a batch.
    """
    if not isinstance(value, Batch):
        raise _wrong(value, "the Batch, or one made of it, such as batch.with_tokens(input_ids=...)")
    return value


def checked_weights(value: object, parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    """Check the result of `evaluation_weights`.

    Raises:
        TemperError: it is not tensors by parameter name, each of its parameter's shape.
    """
    wanted = "a dict of tensors by parameter name; {} where the model's own weights are evaluated"
    if not isinstance(value, Mapping):
        raise _wrong(value, wanted)
    for name, tensor in value.items():
        if name not in parameters:
            raise TemperError(f"returned a value for {name!r}, which is not a parameter of the model; return {wanted}.")
        if not isinstance(tensor, Tensor):
            raise _wrong(tensor, wanted, f"under {name!r} ")
        if tensor.shape != parameters[name].shape:
            shapes = f"{tuple(tensor.shape)} under {name!r}, whose parameter has {tuple(parameters[name].shape)}"
            raise TemperError(f"returned a tensor of shape {shapes}; return {wanted}.")
    return dict(value)


def checked_state(value: object) -> dict[str, Tensor]:
    """Check the result of `state_dict` and return it detached.

    Raises:
        TemperError: it is not dense tensors by name.
    """
    wanted = "a dict of dense tensors by name"
    if not isinstance(value, Mapping):
        raise _wrong(value, wanted)
    for name, tensor in value.items():
        if not isinstance(name, str):
            raise _wrong(name, wanted, "as a name ")
        if isinstance(tensor, (bool, int, float)):
            raise TemperError(
                f"returned the number {tensor!r} under {name!r}; return torch.tensor({tensor!r}), and take its "
                ".item() in load_state_dict."
            )
        if not isinstance(tensor, Tensor) or tensor.layout is not torch.strided or tensor.is_meta:
            raise _wrong(tensor, wanted, f"under {name!r} ")
    return {name: tensor.detach() for name, tensor in value.items()}


def checked_reads(value: object) -> dict[str, str]:
    """Check the result of `reads`.

    Raises:
        TemperError: it is not hashes by name.
    """
    if isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair):
        return dict(value)
    raise _wrong(value, "a dict of content hashes by name, both texts; {} where nothing is read")


def _wrong(value: object, wanted: str, where: str = "") -> TemperError:
    name: Any = value if value is None else f"a value of type {type(value).__name__}"
    return TemperError(f"{where}returned {name}; return {wanted}.")
