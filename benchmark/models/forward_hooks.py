"""Temporary changes of a network during a pass: replace modules, and record their outputs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def replaced(parent: nn.Module, name: str, module: nn.Module) -> Iterator[None]:
    """Replace the child `name` of a module inside the context, and restore it afterwards."""
    original = getattr(parent, name)
    setattr(parent, name, module)
    try:
        yield
    finally:
        setattr(parent, name, original)


class ConstantOutput(nn.Module):
    """Module that returns a fixed tensor for any input."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, *_args: object, **_kwargs: object) -> Tensor:
        """Return the tensor."""
        return self.output


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    """Ends a forward pass once the module has returned."""


def first_output(module: nn.Module, run: Callable[[], object]) -> Any:
    """Return the output of the first call of `module` within `run`; the rest of `run` is skipped.

    Raises:
        RuntimeError: `run` does not call the module.
    """
    return first_outputs([module], 1, run)[0]


def first_outputs(modules: Sequence[nn.Module], count: int, run: Callable[[], object]) -> list[Any]:
    """Return the outputs of the first `count` calls of any of `modules` within `run`; the rest of `run` is skipped.

    Raises:
        RuntimeError: `run` makes fewer calls.
    """
    outputs: list[Any] = []

    def record(_module: nn.Module, _inputs: object, output: Any) -> None:
        outputs.append(output)
        if len(outputs) == count:
            raise _Reached

    with ExitStack() as stack:
        for module in modules:
            stack.callback(module.register_forward_hook(record).remove)
        try:
            run()
        except _Reached:
            return outputs
    names = ", ".join(sorted({type(module).__name__ for module in modules}))
    raise RuntimeError(f"The pass calls {names} {len(outputs)} times, and not {count} times.")


@contextmanager
def replaying(modules: Sequence[nn.Module], outputs: Sequence[Any]) -> Iterator[None]:
    """Let the next calls of any of `modules` return `outputs` in order, without computing; later calls compute."""
    left = list(outputs)
    with ExitStack() as stack:
        for module in modules:
            stack.callback(delattr, module, "forward")
            vars(module)["forward"] = _replay(left, module.forward)
        yield


def _replay(left: list[Any], forward: Callable[..., Any]) -> Callable[..., Any]:
    def call(*inputs: Any, **named: Any) -> Any:
        return left.pop(0) if left else forward(*inputs, **named)

    return call


@dataclass
class HiddenStates:
    """Hidden states of the latest pass, each of shape (rows, length, width).

    Attributes:
        first: Output of the embedding layer; None before a pass, and after a pass that started from this output.
        last: Output of the last block, before the head.
    """

    first: Tensor | None = None
    last: Tensor | None = None


@contextmanager
def watching(embedding: nn.Module, body: nn.Module, batch_major: Callable[[Tensor], Tensor]) -> Iterator[HiddenStates]:
    """Record the hidden states of each pass through `body` in the yielded object.

    Args:
        embedding: The module whose output is the embedding layer's output.
        body: The encoder that contains it.
        batch_major: Converts the embedding layer's output to the order (rows, length, width).
    """
    seen = HiddenStates()

    def begin(_module: nn.Module, _inputs: object) -> None:
        seen.first = seen.last = None

    def first(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.first = batch_major(output)

    def last(_module: nn.Module, _inputs: object, output: Any) -> None:
        seen.last = output.last_hidden_state

    with ExitStack() as stack:
        stack.callback(embedding.register_forward_hook(first).remove)
        stack.callback(body.register_forward_pre_hook(begin).remove)
        stack.callback(body.register_forward_hook(last).remove)
        yield seen


def at_least_float32(values: Tensor) -> Tensor:
    """Convert values to float32, or keep their type if that is more precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
