"""Method: a way to fine-tune, as a set of hooks with defaults. Vanilla overrides none."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor, nn

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
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
    """Base class of all methods: a dataclass whose init fields are the hyper-parameters.

    A subclass is decorated with ``@dataclass(kw_only=True, eq=False)``, sets the class variables and overrides the
    hooks that it needs. One instance serves one training run, so it may keep state. State that a resumed run cannot
    derive again goes through `state_dict`.

    Weights: `build_model` makes them, and `setup`, the optimizer's step, `after_step` and `on_epoch_end` may move them.
    Every other hook leaves them as they were. After the last step of an epoch the loop validates the model, saves its
    weights if they are the best so far, and only then calls `on_epoch_end`. The run ends with the weights of the best
    epoch. So weights that should be evaluated must be in the model when `after_step` returns; weights that
    `on_epoch_end` moves are where the next epoch starts, and are lost after the last epoch.

    Hooks leave no torch hook on the model, replace no module outside `build_model`, and give `requires_grad`, the train
    and eval modes and torch's random state back as they were. The contract (`benchmark.testing.MethodContract`) checks
    all of this.
    """

    name: ClassVar[str] = ""
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = ""

    # -- the hooks, in the order in which a run calls them ------------------------------------------------------

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Build the model: by default the body with the architecture's own classification head.

        Everything may be changed here. Only what `Classifier.save` writes is kept: the configuration and the weights.
        """
        return Classifier.from_pretrained(backbone.path, len(task.classes), task.max_length)

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Tokenise one training example; the result is kept for all epochs."""
        return model.tokenise(example.texts)

    def phases(self, recipe: Recipe) -> Sequence[Phase]:
        """Return what is trained for how long: by default everything, for the recipe's epochs."""
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
        """React to an optimizer step: EMA teachers, pulls towards an origin.

        May move weights. The next step starts from them, and after the last step of an epoch they are the weights that
        are validated, saved and evaluated.
        """

    def on_epoch_end(self, ctx: "Context") -> None:
        """React to the end of an epoch, after its weights were validated and saved.

        May move weights before the last epoch: the next epoch starts from them. The saved weights do not change, so
        after the last epoch (``ctx.epoch == ctx.epochs``) a moved weight would be lost, and the contract refuses it.
        """

    # -- state and identity -------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Tensor]:
        """Return the dense tensors, by name, that an interrupted run needs to resume to the same weights.

        Write a number as ``torch.tensor(number)``. Tensors that share memory come back as copies.
        """
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: "Context") -> None:
        """Take the tensors of `state_dict` back; `setup` is not called on a resumed run."""

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """Return what a run reads besides the backbone and the data, such as a lexicon: names with content hashes.

        They enter the training's key.

        Raises:
            TemperError: something of it is not on this machine.
        """
        return {}

    def hyperparameters(self) -> dict[str, Hyperparameter]:
        """Return all hyper-parameters with their values."""
        return {f.name: getattr(self, f.name) for f in _init_fields(type(self))}

    @classmethod
    def defaults(cls) -> dict[str, Hyperparameter]:
        """Return all hyper-parameters with their defaults.

        Raises:
            UsageError: the class declares a hyper-parameter that is not a field of the dataclass, so that it would
                be ignored.
        """
        return {f.name: f.default for f in _init_fields(cls) if f.default is not MISSING}

    @classmethod
    def types(cls) -> dict[str, type]:
        """Return all hyper-parameters with the types of their values.

        Raises:
            UsageError: as `defaults`, or a type that no record and no command line can hold.
        """
        names = [f.name for f in _init_fields(cls)]
        try:
            hints = get_type_hints(cls)
        except NameError as error:
            raise UsageError(
                f"{_place(cls)}: an annotation names {error.name!r}, which is not defined when the class is used. "
                "Import it outside of `if TYPE_CHECKING`."
            ) from error
        for name in names:
            if not _is_scalar(hints[name]):
                written = inspect.formatannotation(hints[name])
                raise UsageError(
                    f"{_place(cls)}: the hyper-parameter {name} is declared as {written}. Declare it as bool, int, "
                    "float, str, one of these or None, or a Literal of them; mark state with field(init=False)."
                )
        return {name: hints[name] for name in names}


def _init_fields(cls: type[Method]) -> "list[Field[Any]]":
    """Return the fields that are hyper-parameters, in order.

    Raises:
        UsageError: a hyper-parameter in a class body would be ignored; names the class, the field and the fix.
    """
    names: set[str] = set()
    for base in reversed(cls.__mro__[: cls.__mro__.index(Method)]):
        annotations = inspect.get_annotations(base)
        public = [n for n, a in annotations.items() if not n.startswith("_") and not _CLASS_VARIABLE.match(str(a))]
        if public and "__dataclass_fields__" not in vars(base):
            raise UsageError(
                f"{_place(base)} declares {public[0]} and is not a dataclass, so the value would be ignored. Write "
                "@dataclass(kw_only=True, eq=False) above the class."
            )
        hidden = sorted((names & vars(base).keys()) - annotations.keys())
        if hidden:
            raise UsageError(
                f"{_place(base)} sets {hidden[0]} without a type, so the default of the base class would be used. "
                f"Write `{hidden[0]}: <type> = ...` in a dataclass."
            )
        names |= set(public)
    return [f for f in fields(cls) if f.init]


_CLASS_VARIABLE = re.compile(r"(\w+\.)*ClassVar\b")


def _place(cls: type) -> str:
    """Name a class and its file."""
    try:
        return f"Class {cls.__qualname__} in {inspect.getfile(cls)}"
    except (OSError, TypeError):  # typed in at a prompt
        return f"Class {cls.__qualname__}"


def _is_scalar(declared: Any) -> bool:
    """Whether a field of a type can be written on a command line and into a record."""
    if get_origin(declared) is Literal:
        return all(isinstance(choice, bool | int | float | str | None) for choice in get_args(declared))
    if get_origin(declared) in (Union, UnionType):
        return all(_is_scalar(one) for one in get_args(declared))
    return declared in (bool, int, float, str, type(None))
