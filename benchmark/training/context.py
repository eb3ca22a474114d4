"""Context: what a verb may use, and the things that multi-pass methods get wrong, done once."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import TemperError
from benchmark.suites import Recipe
from benchmark.training.seeding import derive_seed


class MethodError(TemperError):
    """A method cannot be trained with this seed; other methods and seeds are not concerned."""


class NonFiniteLossError(MethodError):
    """A loss or a gradient norm became NaN or infinite."""


@dataclass
class Context:
    """State of a run that verbs may read, and helpers that keep gradients, weights and dropout right.

    Attributes:
        model: The model in training.
        recipe: The suite's recipe.
        seed: The run's seed.
        optimizer: Set before `Method.setup` runs.
        step: Optimizer steps done in the run.
        epoch: Epochs done in the run, over all phases.
        epochs: Epochs of the run, over all phases.
        accumulation: Micro-batches in the accumulation window under way; the loss is divided by it.
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
    accumulation: int = 1
    _loss: float = 0.0

    def backward(self, loss: Tensor, *, retain_graph: bool = False) -> None:
        """Back-propagate a micro-batch's loss, divided by the micro-batches of its accumulation window.

        Raises:
            NonFiniteLossError: the loss is NaN or infinite.
        """
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteLossError(f"The loss is {value} at step {self.step} (epoch {self.epoch}, seed {self.seed}).")
        self._loss += value / self.accumulation
        (loss / self.accumulation).backward(retain_graph=retain_graph)

    def take_loss(self) -> float:
        """What `backward` saw since the last call: the mean loss of an accumulation window."""
        value, self._loss = self._loss, 0.0
        return value

    def input_gradient(self, loss: Tensor, embeds: Tensor, *, retain_graph: bool = False) -> Tensor:
        """Gradient of a loss by embeddings only; no parameter's gradient is touched. Shape as `embeds`."""
        with self.model.passes.input_only():
            (gradient,) = torch.autograd.grad(loss, embeds, retain_graph=retain_graph)
        return gradient

    @contextmanager
    def scratch_gradients(self) -> Iterator[None]:
        """Gradients made inside are there to look at and gone afterwards; those accumulated before come back."""
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
        """Move weights by deltas inside; they come back by copy, since adding and subtracting drifts."""
        kept = {parameter: parameter.detach().clone() for parameter in deltas}
        with torch.no_grad():
            for parameter, delta in deltas.items():
                parameter.add_(delta)
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, value in kept.items():
                    parameter.copy_(value)

    @contextmanager
    def same_dropout(self) -> Iterator[None]:
        """Every forward pass inside draws the same dropout masks; afterwards the generators go on as they stood."""
        devices = [self.model.device] if self.model.device.type == "cuda" else []
        seed = derive_seed(self.seed, "same-dropout", self.step, torch.initial_seed())

        def reseed(_module: nn.Module, _inputs: object) -> None:
            torch.manual_seed(seed)

        with torch.random.fork_rng(devices=devices):
            handle = self.model.register_forward_pre_hook(reseed)
            try:
                yield
            finally:
                handle.remove()

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run in bfloat16 where the recipe and the device say so."""
        if self.autocast_dtype is None:
            yield
            return
        with torch.autocast(self.model.device.type, dtype=self.autocast_dtype):
            yield

    def generator(self, purpose: str) -> torch.Generator:
        """A fresh generator on the model's device for one purpose at this step; the same after a resume."""
        return torch.Generator(self.model.device).manual_seed(derive_seed(self.seed, purpose, self.epoch, self.step))

    def block_parameters(self) -> list[nn.Parameter]:
        """Trainable parameters of the transformer blocks, in order; embeddings and head are not among them."""
        return [p for block in self.model.blocks for p in block.parameters() if p.requires_grad]
