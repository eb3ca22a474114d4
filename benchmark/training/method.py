"""Method: a way to fine-tune, as a set of verbs with defaults. Vanilla overrides none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe, TrainingTask

if TYPE_CHECKING:
    from benchmark.training.context import Context

Hyperparameter = bool | int | float | str | None


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own trainable parameters.

    Attributes:
        name: Shown in the log.
        epochs: Passes over the training set, at least 1.
        trainable: Whether the parameter of a name is trained; None trains all.
    """

    name: str
    epochs: int
    trainable: Callable[[str], bool] | None = None


@dataclass(kw_only=True, eq=False)
class Method:
    """Base of all methods: a dataclass whose init fields are the hyper-parameters.

    A subclass sets the class variables and overrides the verbs that it needs. One instance serves one training run,
    so it may keep state; what a resumed run cannot derive again goes through `state_dict`.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = ""

    # -- the verbs, in the order in which a run calls them ------------------------------------------------------

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Make the model: by default the body with the family's own classification head."""
        return Classifier.from_pretrained(backbone.path, len(task.classes), task.max_length)

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Tokenise one training example; the result is kept for all epochs."""
        return model.tokenise(example.texts)

    def phases(self, recipe: Recipe) -> Sequence[Phase]:
        """What is trained for how long: by default everything, for the recipe's epochs."""
        return [Phase("fine-tune", recipe.epochs)]

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: "Context") -> torch.optim.Optimizer:
        """Make the optimizer: AdamW with decoupled decay (Loshchilov and Hutter 2019)."""
        recipe = ctx.recipe
        return torch.optim.AdamW(
            [dict(g) for g in groups], lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon, fused=True
        )

    def setup(self, ctx: "Context") -> None:
        """Prepare before the first step: teachers, origins, an importance pass.

        It runs once, with every parameter trainable whatever the first phase says. A method that picks parameters
        here picks them for all phases; in a step, those that the phase under way freezes have no gradient.
        """

    def batches(self, data: Sequence[Example], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
        """One epoch as lists of at most `size` positions in `data`: by default a fresh shuffle."""
        order = rng.permutation(len(data)).tolist()
        return (order[start : start + size] for start in range(0, len(order), size))

    def transform_batch(self, batch: Batch, ctx: "Context") -> Batch:
        """Change a batch before the loss sees it."""
        return batch

    def loss(self, model: Classifier, batch: Batch, ctx: "Context") -> Tensor:
        """Scalar loss of a micro-batch, a mean over its examples: by default cross-entropy."""
        return nn.functional.cross_entropy(model(batch), batch.targets())

    def backward(self, model: Classifier, batch: Batch, ctx: "Context") -> None:
        """Add this micro-batch's gradients to the parameters': by default those of `loss`."""
        ctx.backward(self.loss(model, batch, ctx))

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: "Context") -> None:
        """Change gradients in place, after clipping and before the optimizer's step."""

    def after_step(self, ctx: "Context") -> None:
        """React to an optimizer step: EMA teachers, pulls towards an origin."""

    def on_epoch_end(self, ctx: "Context") -> None:
        """React to the end of an epoch, once the checkpoint selection has looked at the model."""

    # -- state and identity -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return the dense tensors, by name, that an interrupted run needs to resume to the same weights.

        Write a number as ``torch.tensor(number)``. Tensors that share memory come back as copies.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: "Context") -> None:
        """Take `state_dict`'s tensors back; `setup` is not called on a resumed run."""

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """What a run reads beside the backbone and the data, such as a lexicon: names with content hashes.

        They enter the training's key.

        Raises:
            TemperError: something of it is not on this machine.
        """
        return {}

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """All hyper-parameters with their values."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @classmethod
    def defaults(cls) -> dict[str, Hyperparameter]:
        """All hyper-parameters with their defaults."""
        return {f.name: f.default for f in fields(cls) if f.init and f.default is not MISSING}

    @classmethod
    def types(cls) -> dict[str, type]:
        """All hyper-parameters with the types of their values."""
        hints = get_type_hints(cls)
        return {f.name: hints[f.name] for f in fields(cls) if f.init}
