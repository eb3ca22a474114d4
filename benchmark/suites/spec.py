"""What a suite file says, as frozen dataclasses. The types, ranges and descriptions here are the file format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from benchmark.data import DataSpec
from benchmark.data.constraints import IDENTIFIER, NONEMPTY, Doc, Length, Range
from benchmark.suites.recipes import RecipeName, Scalar
from benchmark.suites.vocabulary import Perspective

Text: TypeAlias = Annotated[str, NONEMPTY]
Id: TypeAlias = Annotated[str, IDENTIFIER]
Count: TypeAlias = Annotated[int, Range(1)]
DecayRate: TypeAlias = Annotated[float, Range(0, 1, open_high=True)]
NO_KEY = {"key": False}
"""Metadata of a field that the loader fills in."""


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How training data becomes train, validation and test; the validation part always comes out of training data."""

    by: Annotated[
        Literal["group", "example"],
        Doc("`group` keeps all rows of a group in one part, `example` all rows that read alike."),
    ]
    validation: Annotated[
        float,
        Range(0, 0.5, open_low=True),
        Doc("Share of the validation part, by a hash of the group or text: real counts differ a little."),
    ]
    test: Annotated[float, Range(0, 0.9), Doc("Share of the test part, by the same hash; 0 with `test_data`.")] = 0.0
    test_data: Annotated[DataSpec | None, Doc("The official test part, where the data set has one.")] = None
    train_limit: Annotated[Count | None, Doc("Keep at most so many training examples, stratified.")] = None
    validation_limit: Annotated[Count | None, Doc("Keep at most so many validation examples, stratified.")] = None
    test_limit: Annotated[Count | None, Doc("Keep at most so many test examples, stratified.")] = None
    train_rows: Annotated[
        Count | None,
        Doc("Declared size of the training part after limits; checked. Required where `ranked = true`."),
    ] = None
    validation_rows: Annotated[
        Count | None,
        Doc("Declared size of the validation part after limits; checked. Required where `ranked = true`."),
    ] = None
    test_rows: Annotated[Count | None, Doc("Declared size of the test part after limits; checked.")] = None


@dataclass(frozen=True, slots=True)
class TrainingTask:
    """The one task that every method of the suite is trained on."""

    title: Annotated[Text, Doc("One line for the board.")]
    description: Annotated[Text, Doc("What the data is, where it comes from, and under which licence.")]
    classes: Annotated[tuple[Text, ...], Length(2), Doc("Names of the classes; their order is their number, from 0.")]
    max_length: Annotated[int, Range(8, 4096), Doc("Tokens of an input, special ones included; the rest is cut off.")]
    data: DataSpec
    split: SplitSpec


@dataclass(frozen=True, slots=True)
class Recipe:
    """The optimisation that every method starts from: AdamW, linear warm-up, linear decay to zero."""

    epochs: Annotated[int, Range(1, 1000), Doc("Passes over the training part.")]
    batch_size: Annotated[Count, Doc("Examples of one forward and backward pass.")]
    learning_rate: Annotated[float, Range(0, 1, open_low=True), Doc("Peak learning rate.")]
    accumulation: Annotated[Count, Doc("Batches whose gradients make one step.")] = 1
    betas: Annotated[tuple[DecayRate, DecayRate], Doc("AdamW's two decay rates.")] = (0.9, 0.999)
    epsilon: Annotated[float, Range(0, 1, open_low=True), Doc("AdamW's term against division by zero.")] = 1e-8
    weight_decay: Annotated[float, Range(0, 1), Doc("Decoupled decay; biases and layer norms have none.")] = 0.01
    warmup: Annotated[float, Range(0, 1, open_high=True), Doc("Share of all steps with a rising learning rate.")] = 0.06
    clip: Annotated[
        float | None, Range(0, open_low=True), Doc("Largest gradient norm of a step; absent: no clipping.")
    ] = None
    precision: Annotated[
        Literal["fp32", "auto"], Doc("`auto`: bfloat16 where the device has it, float32 elsewhere.")
    ] = "fp32"


@dataclass(frozen=True, slots=True)
class MetricSettings:
    """Numbers that metrics need."""

    ece_bins: Annotated[int, Range(2, 1000), Doc("Bins of the calibration errors.")] = 10
    resamples: Annotated[int, Range(2, 10_000), Doc("Bootstrap resamples behind every interval.")] = 200


@dataclass(frozen=True, slots=True)
class Probe:
    """One evaluation set."""

    id: Annotated[Id, Doc("Its name; unique among the suite's probes and attacks.")]
    version: Annotated[Count, Doc("Goes up when the probe's data, label map or limits change.")]
    perspective: Annotated[
        Perspective,
        Doc(
            "What it looks at. All but `anomaly` need labels, and are scored for accuracy and calibration; `masking` "
            "looks for signs that attacks are misled, which stand beside the scores and enter none."
        ),
    ]
    title: Annotated[Text, Doc("A few words for the board.")]
    description: Annotated[Text, Doc("What the data is, where it comes from, and under which licence.")]
    rows: Annotated[Count, Doc("Examples it holds after filters and limits; another number is an error.")]
    data: Annotated[DataSpec | None, Doc("Absent: the test part of the training task (in-distribution only).")] = None
    merge: Annotated[
        tuple[Annotated[int, Range(0)], ...] | None,
        Doc(
            "For each of the task's classes, in order, the class it is scored as; predictions and labels are merged "
            "before any metric. `[0, 1, 1]` scores a three-way model on two classes. Label maps still name the "
            "task's classes."
        ),
    ] = None
    metrics: Annotated[
        tuple[str, ...],
        Doc("Ids of what it is scored by.", default="all that fit the perspective"),
    ] = ()
    max_overlap: Annotated[
        float,
        Range(0, 1),
        Doc("Largest share of its examples that may be in the training part too; `temper suite check` tests it."),
    ] = 0.01
    exclude_training: Annotated[
        bool,
        Doc(
            "Drop the examples whose text is in the training or validation part, but for case, punctuation and spaces. "
            "They are dropped before `limit`; `rows` and `content_hash` are those of what is left."
        ),
    ] = False


@dataclass(frozen=True, slots=True)
class Attack:
    """A search for inputs that a model gets wrong, on a fixed part of a probe."""

    id: Annotated[Id, Doc("Its name; unique among the suite's probes and attacks.")]
    version: Annotated[Count, Doc("Goes up when anything about the attack changes.")]
    title: Annotated[Text, Doc("A few words for the board.")]
    description: Annotated[Text, Doc("What it does, and how it departs from the published attack.")]
    on: Annotated[Id, Doc("Id of the labelled probe whose examples it attacks.")]
    subset: Annotated[Count, Doc("How many of them: stratified by label, chosen by a hash of the text.")]
    recipe: Annotated[RecipeName, Doc("Which attack it is.")]
    backend: Annotated[
        Literal["engine", "textattack"], Doc("Who runs the search: Temper's engine, or TextAttack itself.")
    ] = "engine"
    parameters: Annotated[Mapping[str, Scalar], Doc("The attack's numbers and parts; see the recipe's own table.")] = (
        field(default_factory=dict)
    )
    metrics: Annotated[
        tuple[str, ...], Doc("Ids of what it is scored by.", default="outcomes, queries, words and similarity")
    ] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A versioned, closed list: one training task, its recipe, and its probes and attacks."""

    name: Annotated[Id, Doc("What the command line calls it; a packaged suite's file has the same name.")]
    version: Annotated[Count, Doc("Goes up with any change that changes a number; versions never mix on a board.")]
    title: Annotated[Text, Doc("One line for the board.")]
    note: Annotated[Text, Doc("What a reader of its board must know.")]
    ranked: Annotated[
        bool,
        Doc(
            "Whether its leaderboard ranks methods. `true` requires `train_rows` and `validation_rows` in "
            "`[training.split]`, so that all rows were trained on the same examples."
        ),
    ]
    minimum_seeds: Annotated[Count, Doc("Seeds that a row needs to be ranked.")]
    backbone: Annotated[Text, Doc("Backbone that is used when none is named.")]
    training: TrainingTask
    recipe: Recipe
    path: Path = field(metadata=NO_KEY)
    probes: Annotated[tuple[Probe, ...], Length(1), Doc("The evaluation sets, one table each.")]
    metrics: MetricSettings = MetricSettings()
    attacks: Annotated[tuple[Attack, ...], Doc("The attacks, one table each.")] = ()
    hyperparameters: Annotated[
        Mapping[str, Mapping[str, Scalar]],
        Doc("Method to the hyper-parameters that this task needs, where they differ from the method's own."),
    ] = field(default_factory=dict)
