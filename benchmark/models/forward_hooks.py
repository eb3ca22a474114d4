"""Reaching into a network for the time of a pass: tensors put in, tensors taken out."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def replaced(parent: nn.Module, name: str, module: nn.Module) -> Iterator[None]:
    """Inside, `module` stands where the parent's child of that name stood."""
    original = getattr(parent, name)
    setattr(parent, name, module)
    try:
        yield
    finally:
        setattr(parent, name, original)


class Given(nn.Module):
    """Answers with a tensor whatever it is asked."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, *_args: object, **_kwargs: object) -> Tensor:
        """The tensor."""
        return self.output


class _Reached(Exception):  # noqa: N818 - a signal, not an error
    """Unwinds a forward pass once the module has answered."""


def first_answer(module: nn.Module, run: Callable[[], object]) -> Tensor:
    """What `module` answers the first time that `run` comes to it; the rest of `run` is left out.

    Raises:
        RuntimeError: `run` never came to it.
    """
    caught: list[Tensor] = []

    def stop(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        caught.append(output)
        raise _Reached

    handle = module.register_forward_hook(stop)
    try:
        run()
    except _Reached:
        return caught[0]
    finally:
        handle.remove()
    raise RuntimeError(f"The pass never called {type(module).__name__}.")


@dataclass
class Hidden:
    """Hidden states of the latest pass, each of shape (rows, length, width).

    Attributes:
        first: Output of the embedding layer; None before a pass, and after one that was given this very output.
        last: Output of the last block, before the head.
    """

    first: Tensor | None = None
    last: Tensor | None = None


@contextmanager
def watching(embedding: nn.Module, body: nn.Module, turned: Callable[[Tensor], Tensor]) -> Iterator[Hidden]:
    """Inside, each pass through `body` leaves its hidden states in the object yielded.

    Args:
        embedding: The module whose output is the embedding layer's output.
        body: The encoder that it is part of.
        turned: Brings the embedding layer's output into the order (rows, length, width).
    """
    seen = Hidden()

    def begin(_module: nn.Module, _inputs: object) -> None:
        seen.first = seen.last = None

    def first(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen.first = turned(output)

    def last(_module: nn.Module, _inputs: object, output: Any) -> None:
        seen.last = output.last_hidden_state

    with ExitStack() as stack:
        stack.callback(embedding.register_forward_hook(first).remove)
        stack.callback(body.register_forward_pre_hook(begin).remove)
        stack.callback(body.register_forward_hook(last).remove)
        yield seen


def at_least_float32(values: Tensor) -> Tensor:
    """The values in float32, or in their own type where that is finer."""
    return values.to(torch.promote_types(values.dtype, torch.float32))
