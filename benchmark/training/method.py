"""Method: a way to fine-tune, as a set of hooks with defaults. Vanilla overrides none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe, TrainingTask
from benchmark.training.hyperparameters import Hyperparameter, HyperparameterField, declared_fields

if TYPE_CHECKING:
    from benchmark.training.context import Context


@dataclass(frozen=True)
class Phase:
    """A stretch of training with its own trainable parameters.

    Attributes:
        name: Shown in the log.
        epochs: Passes over the training set, at least 1.
        trainable: Whether the parameter of a name is trained; None trains all.
        rate_factor: Multiplies the recipe's learning rate, above 0.
    """

    name: str
    epochs: int
    trainable: Callable[[str], bool] | None = None
    rate_factor: float = 1.0


@dataclass(kw_only=True, eq=False)
class Method:
    """Base class of all methods: a dataclass whose init fields are the hyper-parameters.

    A subclass is decorated with ``@dataclass(kw_only=True, eq=False)``, sets the class variables and overrides the
    hooks that it needs. A field says which values are legal, ``rho: Annotated[float, Gt(0)] = 0.05`` or
    ``variant: Literal["paper", "released"] = "paper"``, and `__post_init__` checks them. One instance serves one
    training run, so it may keep state. State that a resumed run cannot derive again goes through `state_dict`.

    Weights: `build_model` makes them, and `setup`, the optimizer's step, `after_step`, `on_epoch_end` and `finish` may
    move them. Every other hook leaves them as they were. After the last step of an epoch the loop validates the model,
    saves its weights if they are the best so far, and only then calls `on_epoch_end`. Where `evaluation_weights`
    returns others, such as a moving average, those are validated and saved instead. After the last epoch the loop loads
    the saved weights of the best epoch, and `finish` makes the last change. Weights that `on_epoch_end` moves are where
    the next epoch starts, and are lost after the last epoch.

    Hooks leave no torch hook on the model, replace no module outside `build_model`, `adapt_model` and `finish`, and
    give `requires_grad`, the train and eval modes and torch's random state back as they were. The contract
    (`benchmark.testing.MethodContract`) checks all of this.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = ""

    uses_loss: ClassVar[bool] = False
    """True if an overridden `backward` trains ``self.loss``, so that a composition may take another method's loss."""

    # -- the hooks, in the order in which a run calls them ------------------------------------------------------

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Build the model: by default the body with the architecture's own classification head.

        Everything may be changed here. Only what `Classifier.save` writes is kept: the configuration and the weights.
        A model without parameters skips the epochs: it stays as `setup` leaves it.
        """
        return Classifier.from_pretrained(backbone.path, len(task.classes), task.max_length)

    def adapt_model(self, model: Classifier) -> None:
        """Change the built model in place, such as by inserting adapters; also on a resumed run.

        In a composition every member adapts the model that the owner of `build_model` built. What is inserted must be
        merged by `finish` unless the architecture's own class can load it.
        """

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Tokenise one training example; the result is kept for all epochs."""
        return model.tokenise(example.texts)

    def phases(self, recipe: Recipe) -> Sequence[Phase]:
        """Return the phases of training: by default one, of all parameters for the recipe's epochs."""
        return [Phase("fine-tune", recipe.epochs)]

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: "Context") -> torch.optim.Optimizer:
        """Build the optimizer of a phase: AdamW with decoupled decay (Loshchilov and Hutter 2019)."""
        recipe = ctx.recipe
        return torch.optim.AdamW(
            [dict(g) for g in groups], lr=recipe.learning_rate, betas=recipe.betas, eps=recipe.epsilon, fused=True
        )

    def setup(self, ctx: "Context") -> None:
        """Prepare before the first step: teachers, origins, an importance pass. May move weights.

        It runs once and not on a resumed run, with every parameter trainable whatever the first phase says. A method
        that picks parameters here picks them for all phases; in a step, those that the current phase freezes have no
        gradient.
        """

    def batches(self, data: Sequence[Example], size: int, rng: np.random.Generator) -> Iterator[list[int]]:
        """Yield one epoch as lists of at most `size` positions in `data`: by default a fresh shuffle."""
        order = rng.permutation(len(data)).tolist()
        return (order[start : start + size] for start in range(0, len(order), size))

    def transform_batch(self, batch: Batch, ctx: "Context") -> Batch:
        """Return the batch that the loss sees. Leaves the weights alone."""
        return batch

    def loss(self, model: Classifier, batch: Batch, ctx: "Context") -> Tensor:
        """Compute the scalar loss of a micro-batch, a mean over its examples: by default cross-entropy."""
        return nn.functional.cross_entropy(model(batch), batch.targets())

    def backward(self, model: Classifier, batch: Batch, ctx: "Context") -> None:
        """Add the gradients of a micro-batch to the parameters' gradients: by default those of `loss`.

        Weights that are moved for a pass must be restored; `Context.perturbed` does so.
        """
        ctx.backward(self.loss(model, batch, ctx))

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: "Context") -> None:
        """Change gradients in place, after clipping and before the optimizer's step."""

    def after_step(self, ctx: "Context") -> None:
        """React to an optimizer step: moving averages, pulls towards an origin.

        May move weights. The next step starts from them, and after the last step of an epoch they are the weights that
        are validated, saved and evaluated.
        """

    def evaluation_weights(self, ctx: "Context") -> Mapping[str, Tensor]:
        """Return values, by parameter name, to validate and save in place of the model's own: by default none.

        It is called at the end of every epoch, for averages such as EMA and SWA. Training continues from the model's
        own weights, which the hook leaves alone.
        """
        return {}

    def on_epoch_end(self, ctx: "Context") -> None:
        """React to the end of an epoch, after its weights were validated and saved.

        May move weights before the last epoch: the next epoch starts from them. The saved weights do not change, so
        after the last epoch (``ctx.epoch == ctx.epochs``) a moved weight would be lost, and the contract refuses it.
        """

    def finish(self, ctx: "Context") -> None:
        """Make the last change to the trained model: interpolate its weights, merge adapters.

        It runs once, on the weights of the best epoch, with every parameter trainable and in training mode. May move
        weights and replace modules. What it leaves in the model is saved and evaluated.
        """

    # -- state and identity -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return the dense tensors, by name, that an interrupted run needs to resume to the same weights.

        Write a number as ``torch.tensor(number)``. Tensors that share memory come back as copies.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: "Context") -> None:
        """Restore the tensors of `state_dict`; `setup` is not called on a resumed run."""

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """Return the content hashes, by name, of further inputs of a run, such as a lexicon.

        They enter the training's key.

        Raises:
            TemperError: one of them is not on this machine.
        """
        return {}

    # -- hyper-parameters ---------------------------------------------------------------------------------------

    def __post_init__(self) -> None:
        """Check every hyper-parameter against its field.

        A subclass overrides this only for rules between fields, and calls ``super().__post_init__()`` first.

        Raises:
            UsageError: a value has the wrong type, is out of range or is not among the choices.
        """
        for key, declared in self.hyperparameter_fields().items():
            setattr(self, key, declared.check(self.name, key, getattr(self, key)))

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """Return all hyper-parameters with their values."""
        return {key: getattr(self, key) for key in self.hyperparameter_fields()}

    @classmethod
    def hyperparameter_fields(cls) -> dict[str, HyperparameterField]:
        """Return the fields' declarations: types, ranges, choices and defaults.

        Raises:
            UsageError: a hyper-parameter is not a field of a dataclass, so that it would be ignored, or no record and
                no command line can hold its type.
        """
        return declared_fields(cls, Method)

    @classmethod
    def defaults(cls) -> dict[str, Hyperparameter]:
        """Return the defaults of all hyper-parameters that have one.

        Raises:
            UsageError: as `hyperparameter_fields`.
        """
        return {key: f.default for key, f in cls.hyperparameter_fields().items() if f.default is not MISSING}
