"""Count the passes through a model, in examples: the cost of a method."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from torch import Tensor


@dataclass
class Passes:
    """Forward and backward passes, each counted in examples (a batch of 16 counts 16).

    Backward passes are counted when the gradient reaches the logits, so a method's own calls of autograd count too.
    ``input_backward`` counts those that stop at the embeddings, ``backward`` all others.
    """

    forward: int = 0
    backward: int = 0
    input_backward: int = 0
    _input_only: bool = False
    _paused: bool = False

    def watch(self, logits: Tensor) -> Tensor:
        """Count a forward pass now and each later backward pass through these logits, shape (batch, classes)."""
        if self._paused:
            return logits
        examples = logits.shape[0]
        self.forward += examples
        if logits.requires_grad:
            logits.register_hook(lambda _: self._count_backward(examples))
        return logits

    def _count_backward(self, examples: int) -> None:
        if self._input_only:
            self.input_backward += examples
        else:
            self.backward += examples

    @contextmanager
    def input_only(self) -> Iterator[None]:
        """Count backward passes inside the context as passes that stop at the embeddings."""
        self._input_only, before = True, self._input_only
        try:
            yield
        finally:
            self._input_only = before

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do not count the passes inside the context: validation, prediction, attacks."""
        self._paused, before = True, self._paused
        try:
            yield
        finally:
            self._paused = before

    def counts(self) -> dict[str, int]:
        """Return the three counters, as records store them."""
        return {key: value for key, value in asdict(self).items() if not key.startswith("_")}
