"""Context: the state and helpers that hooks may use, for the error-prone parts of multi-pass methods."""

import hashlib
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import TemperError
from benchmark.suites import Recipe


def derive_seed(*parts: object) -> int:
    """Derive a seed in 0..2^63-1 from printable parts; equal parts give equal seeds on every machine."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(*parts: object) -> None:
    """Seed Python's, numpy's and torch's global generators (torch's on every device)."""
    seed = derive_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    _seed_torch(seed)


def _seed_torch(seed: int) -> None:
    """Seed torch's generators as `torch.manual_seed` does, which takes milliseconds where there is no accelerator."""
    if torch.accelerator.is_available():
        torch.manual_seed(seed)
    else:
        # For each absent backend, `torch.manual_seed` would keep the text of the stack.
        torch.default_generator.manual_seed(seed)


class MethodError(TemperError):
    """A method cannot be trained with this seed; other methods and seeds are unaffected."""


class NonFiniteLossError(MethodError):
    """A loss, a gradient norm or a logit became NaN or infinite."""


@dataclass
class Context:
    """State of a run that hooks may read, and helpers that keep gradients, weights and dropout right.

    Attributes:
        model: The model in training.
        recipe: The suite's recipe.
        seed: The run's seed.
        optimizer: Set before `Method.setup` runs; a model without parameters has none.
        step: Optimizer steps done in the run.
        epoch: Epochs done in the run, over all phases.
        epochs: Total epochs of the run, over all phases.
        steps: Total optimizer steps of the run, over all phases.
        window: Number of examples in each micro-batch of the current accumulation window.
        micro_batch: Place of the current micro-batch in the window, from 0.
        warming_up: Whether the coming step is one of the warm-up of the learning rate.
    """

    model: Classifier
    recipe: Recipe
    seed: int
    epochs: int
    train_batches: Callable[[str], Iterator[Batch]]
    """The training set once, in batches of the recipe's size, shuffled by a purpose's name and the epoch."""
    autocast_dtype: torch.dtype | None = None
    optimizer: torch.optim.Optimizer = field(init=False)
    step: int = 0
    epoch: int = 0
    steps: int = 0
    window: tuple[int, ...] = (1,)
    micro_batch: int = 0
    warming_up: bool = False
    _loss: float = 0.0
    _shared_draws: int = 0
    _collected: list[Batch] = field(default_factory=list)

    @property
    def accumulation(self) -> int:
        """Micro-batches in the current accumulation window."""
        return len(self.window)

    def start_window(self, sizes: Sequence[int]) -> None:
        """Begin an accumulation window whose micro-batches have so many examples each."""
        self.window, self.micro_batch, self._collected = tuple(sizes), 0, []

    def backward(self, loss: Tensor, batch: Batch | None = None, *, retain_graph: bool = False) -> None:
        """Back-propagate a micro-batch's mean loss, weighted by its share of the accumulation window's examples.

        So the gradient of a window is that of one batch of all its examples, also if the last micro-batch is smaller.

        Args:
            loss: Scalar, a mean over the micro-batch's examples.
            batch: The micro-batch, after `collect`; None for the current one.
            retain_graph: As torch's.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite.
            TemperError: it is not a scalar tensor with its graph, or `batch` is missing after `collect`.
        """
        _require_loss(loss)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteLossError(f"The loss is {value} at step {self.step} (epoch {self.epoch}, seed {self.seed}).")
        divisor = self._divisor(batch)
        self._loss += value / divisor
        (loss / divisor).backward(retain_graph=retain_graph)

    def weighted(self, loss: Tensor, batch: Batch | None = None) -> Tensor:
        """Weight a micro-batch's mean loss as `backward` does, without a pass."""
        return loss / self._divisor(batch)

    def _divisor(self, batch: Batch | None) -> float:
        """Return the window's examples divided by the micro-batch's."""
        place = self.micro_batch
        if batch is not None:
            place = next((place for place, kept in enumerate(self._collected) if kept is batch), -1)
            if place < 0:
                raise TemperError("the batch is not one that ctx.collect returned; give that one with its loss.")
        elif self._collected and len(self.window) > 1:
            raise TemperError("after ctx.collect, give each loss with its micro-batch: ctx.backward(loss, batch).")
        return sum(self.window) / self.window[place]

    def take_loss(self) -> float:
        """Return the mean loss that `backward` saw since the last call, and reset the count of shared dropout draws."""
        value, self._loss, self._shared_draws = self._loss, 0.0, 0
        return value

    def collect(self, batch: Batch) -> list[Batch]:
        """Keep a micro-batch; return the whole accumulation window with its last one, and an empty list before.

        Use it in a `backward` that needs the gradient of the whole window first; then give each loss to
        `backward` together with its micro-batch.
        """
        before = [] if len(self._collected) == len(self.window) else self._collected
        self._collected = [*before, batch]
        return self._collected if len(self._collected) == len(self.window) else []

    def input_gradient(self, loss: Tensor, embeds: Tensor, *, retain_graph: bool = False) -> Tensor:
        """Compute the gradient of a loss by embeddings only; parameters' gradients do not change. Shape as `embeds`."""
        with self.model.passes.input_only():
            (gradient,) = torch.autograd.grad(loss, embeds, retain_graph=retain_graph)
        return gradient

    @contextmanager
    def scratch_gradients(self) -> Iterator[None]:
        """Discard the gradients computed in the block at its end, and restore those accumulated before."""
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        kept = [p.grad for p in parameters]
        for parameter in parameters:
            parameter.grad = None
        try:
            yield
        finally:
            for parameter, gradient in zip(parameters, kept, strict=True):
                parameter.grad = gradient

    @contextmanager
    def perturbed(self, deltas: Mapping[nn.Parameter, Tensor]) -> Iterator[None]:
        """Move weights by deltas in the block, then restore the originals; subtracting the deltas would round.

        Back-propagate a pass made in the block inside it, and any other pass outside; otherwise autograd raises.

        Args:
            deltas: Shaped as their parameters. Their memory becomes that of the moved weights.
        """
        elsewhere = [delta.detach() for delta in deltas.values()]
        torch._foreach_add_(elsewhere, [weight.data for weight in deltas])
        with _moved(list(deltas), elsewhere):
            yield

    @contextmanager
    def replaced(self, values: Mapping[str, Tensor]) -> Iterator[None]:
        """Replace parameters' values by name in the block, then restore the originals.

        Args:
            values: Shaped as their parameters. Their memory becomes that of the weights.
        """
        named = dict(self.model.named_parameters())
        weights: list[Tensor] = [named[name] for name in values]
        with _moved(weights, [value.to(weight) for weight, value in zip(weights, values.values(), strict=True)]):
            yield

    @contextmanager
    def same_dropout(self) -> Iterator[None]:
        """Draw the same dropout masks in every forward pass of the block, then restore the generators' state."""
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        self._shared_draws += 1
        seed = derive_seed(self.seed, "same-dropout", self.step, self._shared_draws)

        def reseed(_module: nn.Module, _inputs: object) -> None:
            _seed_torch(seed)

        with torch.random.fork_rng(devices=devices):
            handle = self.model.register_forward_pre_hook(reseed)
            try:
                yield
            finally:
                handle.remove()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Restore torch's generators at the end of the block, so that its draws are repeated afterwards."""
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            yield

    @contextmanager
    def no_dropout(self) -> Iterator[None]:
        """Switch dropout off in the block, then restore the model's mode."""
        training = self.model.training
        self.model.eval()
        try:
            yield
        finally:
            self.model.train(training)

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run the block in bfloat16 if the recipe and the device allow it."""
        if self.autocast_dtype is None:
            yield
            return
        with torch.autocast(self.model.device.type, dtype=self.autocast_dtype):
            yield

    def generator(self, purpose: str) -> torch.Generator:
        """Create a generator on the model's device for one purpose at this step; a resumed run gets the same one."""
        return torch.Generator(self.model.device).manual_seed(derive_seed(self.seed, purpose, self.epoch, self.step))

    def block_parameters(self, *, biases: bool = True) -> list[nn.Parameter]:
        """Return the parameters of the transformer blocks, in order, without embeddings and head.

        They are the same ones in every phase: those that the phase under way freezes, and those that the batch does
        not reach, have no gradient. Without `biases`, only the matrices and the weights of normalisation layers.
        """
        named = [pair for block in self.model.blocks for pair in block.named_parameters()]
        return [p for name, p in named if biases or not name.endswith("bias")]

    def body_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of the pre-trained body, in order and without the head; the same in every phase."""
        return list(self.model.body.parameters())


def _require_loss(loss: object) -> None:
    wanted = "return a tensor of one number with its graph, such as cross_entropy(model(batch), batch.targets())"
    if not isinstance(loss, Tensor):
        kind = "None" if loss is None else f"a value of type {type(loss).__name__}"
        raise TemperError(f"loss returned {kind}; {wanted}.")
    if loss.numel() != 1:
        raise TemperError(f"loss returned a tensor of shape {tuple(loss.shape)}; {wanted}.")
    if not loss.requires_grad:
        raise TemperError(f"loss returned a tensor without a graph, so that nothing can be trained; {wanted}.")


@contextmanager
def _moved(weights: Sequence[Tensor], values: Sequence[Tensor]) -> Iterator[None]:
    """Give weights other values in the block, then restore their own."""
    own = [weight.data for weight in weights]
    _put(weights, values)
    try:
        yield
    finally:
        _put(weights, own)


def _put(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Replace the memory of weights without a copy, and notify autograd and autocast."""
    for weight, value in zip(weights, values, strict=True):
        weight.data = value
    torch.autograd.graph.increment_version(weights)
    # Clear autocast's cache: its bfloat16 copies of the weights are out of date.
    torch.clear_autocast_cache()
