"""The content of a suite file as frozen dataclasses. Their types, ranges and descriptions define the file format."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, ValidationInfo, model_validator, with_config
from pydantic.json_schema import SkipJsonSchema

from benchmark.attacks.suite_attack import Attack
from benchmark.data import DataSpec
from benchmark.evaluation.default_metrics import TASK_METRICS, Perspective, metric_problems, weight_problems
from benchmark.schema.base import CLOSED, Flag, Identifier, Integer, Real, Schema, Words, doc, require

Text: TypeAlias = Words
Id: TypeAlias = Identifier
Count: TypeAlias = Annotated[Integer, Field(ge=1)]
PositiveReal: TypeAlias = Annotated[Real, Field(gt=0)]
DecayRate: TypeAlias = Annotated[Real, Field(ge=0, lt=1)]
Problem: TypeAlias = tuple[str, str]
"""Key path and sentence."""


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class SplitSpec:
    """Split of training data into train, validation and test; validation data always comes from training data."""

    by: Annotated[
        Literal["group", "example"],
        doc("`group` keeps all rows of a group in one part, `example` all rows that read alike."),
    ]
    validation: Annotated[
        Real,
        Field(gt=0, le=0.5),
        doc("Share of the validation part, by a hash of the group or text: real counts differ a little."),
    ]
    test: Annotated[Real, Field(ge=0, le=0.9), doc("Share of the test part, by the same hash; 0 with `test_data`.")] = (
        0.0
    )
    test_data: Annotated[DataSpec | None, doc("The official test part, where the data set has one.")] = None
    train_limit: Annotated[Count | None, doc("Maximum number of training examples, stratified by class.")] = None
    validation_limit: Annotated[Count | None, doc("Maximum number of validation examples, stratified by class.")] = None
    test_limit: Annotated[Count | None, doc("Maximum number of test examples, stratified by class.")] = None
    train_rows: Annotated[
        Count | None,
        doc("Declared size of the training part after limits; checked. Required where `ranked = true`."),
    ] = None
    validation_rows: Annotated[
        Count | None,
        doc("Declared size of the validation part after limits; checked. Required where `ranked = true`."),
    ] = None
    test_rows: Annotated[Count | None, doc("Declared size of the test part after limits; checked.")] = None

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "SplitSpec":
        return require(self, _split_problems(self), info)


def has_test(split: SplitSpec) -> bool:
    """Return whether the training task has a test part."""
    return split.test > 0 or split.test_data is not None


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class TrainingTask:
    """The one task that every method of the suite is trained on."""

    title: Annotated[Text, doc("Title on the leaderboard, one line.")]
    description: Annotated[Text, doc("Content, source and licence of the data.")]
    classes: Annotated[
        tuple[Text, ...],
        Field(min_length=2),
        doc("Names of the classes; their order is their number, from 0."),
    ]
    max_length: Annotated[
        Integer,
        Field(ge=8, le=4096),
        doc("Tokens of an input, special ones included; the rest is cut off."),
    ]
    data: DataSpec
    split: SplitSpec


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Recipe:
    """The optimisation that every method starts from: AdamW, linear warm-up, linear decay to zero."""

    epochs: Annotated[Integer, Field(ge=1, le=1000), doc("Passes over the training part.")]
    batch_size: Annotated[Count, doc("Examples of one forward and backward pass.")]
    learning_rate: Annotated[Real, Field(gt=0, le=1), doc("Peak learning rate.")]
    accumulation: Annotated[Count, doc("Batches whose gradients make one step.")] = 1
    betas: Annotated[tuple[DecayRate, DecayRate], doc("AdamW's two decay rates.")] = (0.9, 0.999)
    epsilon: Annotated[Real, Field(gt=0, le=1), doc("AdamW's term against division by zero.")] = 1e-8
    weight_decay: Annotated[Real, Field(ge=0, le=1), doc("Decoupled decay; biases and layer norms have none.")] = 0.01
    warmup: Annotated[Real, Field(ge=0, lt=1), doc("Share of all steps with a rising learning rate.")] = 0.06
    clip: Annotated[Real | None, Field(gt=0), doc("Maximum gradient norm of a step; absent: no clipping.")] = None
    precision: Annotated[
        Literal["fp32", "bf16", "auto"],
        doc(
            "Of training. `bf16`: bfloat16 autocast, refused on a device without it; `auto`: bfloat16 where the device "
            "has it (on a CPU: AMX), float32 elsewhere."
        ),
    ] = "fp32"
    batching: Annotated[
        Literal["random", "length"],
        doc(
            "`length`: batches of texts of similar length, with less padding. Methods that build their own batches "
            "keep them."
        ),
    ] = "random"


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class TuningRule:
    """Tuning rule for every method, vanilla included."""

    trials: Annotated[Count, doc("Training runs per method; the first one has the defaults.")] = 8
    learning_rate_factor: Annotated[
        tuple[PositiveReal, PositiveReal],
        doc("Least and largest factor on the recipe's learning rate, which all methods search over."),
    ] = (0.25, 4.0)

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "TuningRule":
        return require(self, _tuning_problems(self), info)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class MetricSettings:
    """Numbers that metrics need."""

    ece_bins: Annotated[Integer, Field(ge=2, le=1000), doc("Bins of the calibration errors.")] = 10
    resamples: Annotated[Integer, Field(ge=2, le=10_000), doc("Bootstrap resamples behind every interval.")] = 200


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """One evaluation set."""

    id: Annotated[Id, doc("Its name; unique among the suite's tasks and attacks.")]
    version: Annotated[Count, doc("Increases when the task's data, label map or limits change.")]
    perspective: Annotated[
        Perspective,
        doc(
            "What it measures. `in-distribution`, `shift` and `adversarial` tasks are scored for accuracy and "
            "calibration. `anomaly` tasks hold OOD texts and need no labels. `masking` tasks are gradient-masking "
            "checks, and `retention` tasks measure what fine-tuning forgot; both enter no score."
        ),
    ]
    title: Annotated[Text, doc("Short title on the leaderboard.")]
    description: Annotated[Text, doc("Content, source and licence of the data.")]
    rows: Annotated[Count, doc("Examples it holds after filters and limits; another number is an error.")]
    data: Annotated[DataSpec | None, doc("Absent: the test part of the training task (in-distribution only).")] = None
    merge: Annotated[
        tuple[Annotated[Integer, Field(ge=0)], ...] | None,
        doc(
            "For each of the task's classes, in order, the class it is scored as; predictions and labels are merged "
            "before any metric. `[0, 1, 1]` scores a three-way model on two classes. Label maps still name the "
            "task's classes."
        ),
    ] = None
    metrics: Annotated[
        tuple[str, ...],
        doc("Ids of its metrics.", absent="the default metrics of the perspective"),
    ] = ()
    max_overlap: Annotated[
        Real,
        Field(ge=0, le=1),
        doc("Maximum share of its examples that may be in the training part too; `temper suite check` tests it."),
    ] = 0.01
    exclude_training: Annotated[
        Flag,
        doc(
            "Drop the examples whose text is in the training or validation part, ignoring case, punctuation and "
            "spaces. They are dropped before `limit`; `rows` and `content_hash` are those of the remaining examples."
        ),
    ] = False

    weight: Annotated[PositiveReal, doc("Weight in the mean of its perspective, and in that of calibration.")] = 1.0

    @model_validator(mode="after")
    def _agrees(self, info: ValidationInfo) -> "EvaluationTask":
        return require(self, _task_problems(self), info)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Suite:
    """A versioned, closed list: one training task, its recipe, and its tasks and attacks."""

    name: Annotated[Id, doc("Name on the command line; a packaged suite's file has the same name.")]
    version: Annotated[
        Count, doc("Increases with any change that changes a number; versions never mix on a leaderboard.")
    ]
    title: Annotated[Text, doc("Title on the leaderboard, one line.")]
    note: Annotated[Text, doc("Note for readers of its leaderboard.")]
    ranked: Annotated[
        Flag,
        doc(
            "Whether its leaderboard ranks methods. `true` requires `train_rows` and `validation_rows` in "
            "`[training.split]`, so that all rows were trained on the same examples."
        ),
    ]
    minimum_seeds: Annotated[Count, doc("Minimum number of seeds of a ranked row.")]
    backbone: Annotated[Text, doc("Backbone that is used when none is named.")]
    training: TrainingTask
    recipe: Recipe
    path: SkipJsonSchema[Path]
    tasks: Annotated[tuple[EvaluationTask, ...], Field(min_length=1), doc("The evaluation sets, one table each.")]
    show_attacked_texts: Annotated[
        Flag, doc("Whether a leaderboard shows texts that attacks flipped. `false` where texts name people.")
    ] = True
    metrics: MetricSettings = MetricSettings()
    attacks: Annotated[tuple[Attack, ...], doc("The attacks, one table each.")] = ()
    tuning: Annotated[
        TuningRule | None,
        doc("How `temper tune` tunes every method.", absent="8 trials, and a factor from 0.25 to 4"),
    ] = None

    @property
    def full_name(self) -> str:
        """Return the name with the version: ``demo@3``."""
        return f"{self.name}@{self.version}"

    @property
    def required_seeds(self) -> int:
        """Return the number of seeds that a submission must have at least."""
        return self.minimum_seeds if self.ranked else 1

    @property
    def tuning_rule(self) -> TuningRule:
        """Return the rule of tuning that applies, which is the default where the suite has none."""
        return self.tuning or TuningRule()


def _split_problems(split: SplitSpec) -> Iterator[Problem]:
    if split.test_data is not None and split.test:
        yield "test", "must be 0 where `test_data` names the test part; remove one of the two."
    if split.test + split.validation > 0.95:
        yield "test", f"with validation = {split.validation:g} leaves less than 5 % for training; lower it."
    for part in ("train", "validation", "test"):
        rows, limit = getattr(split, f"{part}_rows"), getattr(split, f"{part}_limit")
        if part == "test" and not has_test(split) and (rows or limit):
            yield "test_limit" if limit else "test_rows", "there is no test part; give `test` or `test_data`."
        elif rows and limit and rows > limit:
            yield f"{part}_rows", f"{rows} is more than {part}_limit = {limit}; correct one of the two."


def _tuning_problems(rule: TuningRule) -> Iterator[Problem]:
    low, high = rule.learning_rate_factor
    if not low <= 1 <= high or low == high:
        yield "learning_rate_factor", f"[{low:g}, {high:g}] is not a range around 1, the default; widen it."


def _task_problems(task: EvaluationTask) -> Iterator[Problem]:
    anomaly = task.perspective == "anomaly"
    if task.data is None and task.perspective != "in-distribution":
        yield "data", "missing; only an in-distribution task may take the test part of the training task."
    if task.data is not None and anomaly and task.data.label is not None:
        yield "data.label", "an anomaly task has no labels; remove it."
    if task.data is not None and not anomaly and task.data.label is None:
        yield "data.label", f"missing; an evaluation task of perspective {task.perspective!r} needs labels."
    if task.data is not None and task.data.limit is not None and task.rows > task.data.limit:
        yield "rows", f"{task.rows} is more than data.limit = {task.data.limit}; correct one of the two."
    if anomaly and task.merge is not None:
        yield "merge", "an anomaly task has no classes to merge; remove it."
    what = {"masking": "a masking check", "retention": "a retention task"}.get(task.perspective, "")
    if what and task.merge is not None:
        yield "merge", f"{what} takes the task's classes as they are; remove it."
    yield from weight_problems(task.weight, what)
    yield from metric_problems(task.metrics, TASK_METRICS[task.perspective], task.perspective)


SUITE = Schema(Suite)
