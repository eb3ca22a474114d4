"""Cells: the units of work, each identified by the hash of its canonical spec.

A spec holds what determines the outcome and nothing else: no suite name, no path, no library version. Specs of later
cells hold hashes of the outputs of earlier cells, so they exist only once those are finished.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from benchmark.attacks import attack_identity
from benchmark.data import Dataset, Example
from benchmark.evaluation.metrics import METRICS, FeatureDetection, Predictions
from benchmark.execution.method_registry import ConfiguredMethod
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import BEFORE, TRAINING_PART, VALIDATION, Workload
from benchmark.models.backbones import Backbone
from benchmark.schema import IntegrityError, TemperError, fingerprint
from benchmark.schema.protocol import ECE_UNMERGED, MERGE_AFTER_ARGMAX, of_training
from benchmark.suites import Attack, EvaluationTask, Recipe

Kind = Literal["train", "predict", "inspect", "features", "attack", "score"]
PART = "part"
"""Kind of a finished part of an attack, in the store."""

PART_EXAMPLES = 32
WHOLE_EXAMPLES = 128
"""Maximum number of examples of an attack without parts: one process has so many of them under attack at once."""

KEY_VERSION = 1
"""Increased when the meaning of any spec changes."""

LOOP_VERSION = 1
"""Increased when the training loop, the classifier or the optimizer's set-up gives different weights."""

MODEL, TRAINING, MEASURED = "model", "training.json", "measurements.json"
PREDICTIONS, INSPECTED, ATTACKED = "predictions.parquet", "inspected.parquet", "attacked.parquet"
FEATURES = "features.parquet"
TABLES: Mapping[Kind, str] = {"predict": PREDICTIONS, "inspect": INSPECTED, "features": FEATURES, "attack": ATTACKED}
"""The table that each kind of cell writes; scores are computed from these tables only."""


@dataclass(frozen=True)
class Row:
    """One method, backbone and seed with its protocol options; its records are one file.

    Attributes:
        learning_rate_factor: Factor on the recipe's learning rate; a suite's tuning searches over it.
        tuning: The block of a tuned row's records that says how its settings were selected.
        failure: Why the row cannot be run, for its records: all trials of its tuning failed.
        trial: Number of the trial that the row is, in tuning.
        ingredients: The rows whose trained weights this row averages, for a `TrialAverage`.
    """

    method: ConfiguredMethod
    backbone: Backbone
    seed: int
    protocol: tuple[str, ...] = ()
    learning_rate_factor: float = 1.0
    tuning: Mapping[str, Any] | None = None
    failure: str = ""
    trial: int | None = None
    ingredients: "tuple[Row, ...]" = ()

    @property
    def label(self) -> str:
        """Return the row's name for progress and messages."""
        options = f" [{', '.join(self.protocol)}]" if self.protocol else ""
        tuned = " [tuned]" if self.tuning is not None else ""
        number = f"seed {self.seed}" if self.trial is None else f"trial {self.trial}"
        if self.trial is not None and self.seed:
            number += f" with seed {self.seed}"
        return f"{self.method.label}{options}{tuned}, {number}"

    def with_seed(self, seed: int) -> "Row":
        """Return the row with another seed, which its ingredients are trained with too."""
        return replace(self, seed=seed, ingredients=tuple(one.with_seed(seed) for one in self.ingredients))

    def recipe(self, recipe: Recipe) -> Recipe:
        """Return a suite's recipe with the row's learning rate."""
        return replace(recipe, learning_rate=recipe.learning_rate * self.learning_rate_factor)


@dataclass(frozen=True)
class Part:
    """A range of an attack's examples, which one of several processes attacks.

    Attributes:
        spec: The part's identity: that of the attack, and the range.
        examples: The examples.
    """

    spec: dict[str, Any]
    examples: tuple[Example, ...]

    @property
    def key(self) -> str:
        """Return the key."""
        return fingerprint(self.spec)


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        kind: The kind of work.
        subject: The evaluation task or attack; empty for training.
        spec: The cell's identity, or None until all cells that it reads from are finished.
        reads: The finished artifacts that the cell reads, by role.
        row: The row that the cell belongs to.
        parts: The parts of a long attack, in the order of its examples; empty if one process computes the cell.
    """

    kind: Kind
    subject: str
    spec: dict[str, Any] | None
    reads: Mapping[str, Artifact]
    row: Row
    parts: tuple[Part, ...] = ()

    @property
    def key(self) -> str | None:
        """Return the key, or None if there is no spec yet."""
        return None if self.spec is None else fingerprint(self.spec)

    @property
    def label(self) -> str:
        """Return the cell's name for progress and messages."""
        return f"{self.row.label}: {self.kind} {self.subject}".rstrip()

    @property
    def scored(self) -> Kind:
        """Return the kind of cell whose table this score cell reads."""
        return table_kind(self.reads["table"])


def table_kind(artifact: Artifact) -> Kind:
    """Return the kind of cell that wrote a table."""
    return next(kind for kind, file in TABLES.items() if file in artifact.files)


def cells_of(row: Row, work: Workload, store: Store) -> Iterator[Cell]:
    """Return the cells of a row, with specs as far as finished cells allow, in the order in which they can be computed.

    The row's training comes first. In a row with ingredients it waits for theirs, which come next.
    """
    parts = [Cell("train", "", train_spec(one, work), {}, one) for one in row.ingredients]
    train = _averaged(row, parts, work, store) if parts else Cell("train", "", train_spec(row, work), {}, row)
    yield train
    yield from parts
    trained = _artifact(train, store)
    tables: dict[str, Artifact | None] = {}
    predicted = {name: data for name, data in work.tasks.items() if name not in work.retained}
    for name, data in {VALIDATION: work.splits.validation, **predicted}.items():
        kind: Kind = "inspect" if name in work.inspected else "predict"
        spec = None if trained is None else table_spec(kind, trained, data)
        asked = Cell(kind, name, spec, _known(model=trained), row)
        yield asked
        tables[name] = _artifact(asked, store)
    # Features have cells of their own, and are not stored with the predictions. So they are computed only where a
    # metric reads them, and the keys of predictions and scores that exist without them stay.
    features: dict[str, Artifact | None] = {}
    with_features = [task.id for task in work.suite.tasks if task.id in predicted and reads_features(task)]
    for name in (TRAINING_PART, work.in_distribution, *with_features) if with_features else ():
        spec = None if trained is None else table_spec("features", trained, work.examples(name))
        asked = Cell("features", name, spec, _known(model=trained), row)
        yield asked
        features[name] = _artifact(asked, store)
    for name in work.retained:
        for subject, spec in body_specs(name, row, work, trained):
            asked = Cell("features", subject, spec, {} if subject != name else _known(model=trained), row)
            yield asked
            features[subject] = _artifact(asked, store)
    for attack in (a for a in work.suite.attacks if a.id not in work.missing):
        spec = None if trained is None else attack_spec(trained, attack, work.attacked[attack.id])
        live = Cell("attack", attack.id, spec, _known(model=trained), row, _parts(spec, work.attacked[attack.id]))
        yield live
        yield _score_attack(live, attack, work, store)
    for task in (p for p in work.suite.tasks if p.id not in work.missing):
        yield _score_task(task, work, tables, features, row)


def _averaged(row: Row, parts: Iterable[Cell], work: Workload, store: Store) -> Cell:
    """Return the training cell of a row that averages others: its method reads their weights."""
    trained = {f"trial-{part.row.trial}": _artifact(part, store) for part in parts}
    known = _known(**trained)
    if len(known) < len(trained):
        return Cell("train", "", None, {}, row)
    reads = {name: weights_hash(artifact) for name, artifact in known.items()}
    read = replace(row, method=replace(row.method, reads=reads))
    return Cell("train", "", train_spec(read, work), known, row)


def train_spec(row: Row, work: Workload) -> dict[str, Any]:
    """Build the spec of a training cell: everything that determines the weights."""
    from benchmark.training.optimization import pick_device, resolve_precision

    task, recipe = work.suite.training, row.recipe(work.suite.recipe)
    reads = _reads(row)
    options = of_training(row.protocol)
    return {
        "kind": "train",
        "key_version": KEY_VERSION,
        "loop_version": LOOP_VERSION,
        "method": {
            "name": row.method.name,
            "version": row.method.version,
            "source": row.method.source,
            "hyperparameters": dict(row.method.hyperparameters),
            **({"reads": reads} if reads else {}),
        },
        "backbone": row.backbone.content(),
        "task": {"classes": list(task.classes), "max_length": task.max_length},
        "data": {"train": work.splits.train.content_hash, "validation": work.selection(row.protocol).content_hash},
        "recipe": {**_recipe_settings(recipe), "precision": resolve_precision(recipe.precision, pick_device())},
        "seed": row.seed,
        # Windows weigh micro-batches by their examples; before, all micro-batches weighed the same.
        **({"windows": "examples"} if recipe.accumulation > 1 else {}),
        **({"protocol": options} if options else {}),
    }


def training_hash(work: Workload) -> str:
    """Hash what all methods of a suite train on: the training data, and the recipe as the suite states it."""
    task = work.suite.training
    spec = {"classes": list(task.classes), "max_length": task.max_length, "data": work.splits.train.content_hash}
    return fingerprint({**spec, "recipe": _recipe_settings(work.suite.recipe)})


def _recipe_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's settings as a training's key has them, before precision is resolved."""
    settings = asdict(recipe)
    if recipe.batching == "random":
        # The default is left out, so that the keys of models that were trained before the option existed stay.
        del settings["batching"]
    return settings


def _reads(row: Row) -> dict[str, str]:
    """Ask a method which files it reads. A missing or unknown file is the user's to fix, so it stops the whole run."""
    from benchmark.training.method_errors import checked_reads, hook

    if row.method.reads is not None:
        return dict(row.method.reads)
    method = row.method.make()
    with hook(method, "reads", 0):
        try:
            read = method.reads(row.backbone)
        except TemperError as error:
            unknown = error
        else:
            return checked_reads(read)
    raise unknown


def table_spec(kind: Kind, trained: Artifact, data: Dataset) -> dict[str, Any]:
    """Build the spec of a prediction, an inspection or features: everything that determines the table's numbers."""
    return {"kind": kind, "key_version": KEY_VERSION, "weights": weights_hash(trained), "data": data.content_hash}


def body_specs(
    name: str, row: Row, work: Workload, trained: Artifact | None
) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Yield subject and spec of an encoder's features on a retention task, before training and after it.

    The features before training are the same for all methods and seeds, so their spec names the backbone alone.
    """
    data = work.tasks[name].content_hash
    body = {"max_length": work.suite.training.max_length}
    common = {"kind": "features", "key_version": KEY_VERSION, "data": data, "body": body}
    yield f"{name}{BEFORE}", {**common, "backbone": row.backbone.content()}
    yield name, None if trained is None else {**common, "weights": weights_hash(trained)}


def attack_spec(trained: Artifact, attack: Attack, data: Dataset) -> dict[str, Any]:
    """Build the spec of an attack: the victim, the texts, and all parameters and resources of the attack."""
    return {
        "kind": "attack",
        "key_version": KEY_VERSION,
        "weights": weights_hash(trained),
        "data": data.content_hash,
        # The ids belong to the spec because they seed the random choices for each example.
        "examples": fingerprint([example.id for example in data.examples]),
        "attack": attack_identity(attack),
    }


def _parts(spec: dict[str, Any] | None, data: Dataset) -> tuple[Part, ...]:
    if spec is None or len(data) <= WHOLE_EXAMPLES:
        return ()
    attack = fingerprint(spec)
    ranges = [(start, min(start + PART_EXAMPLES, len(data))) for start in range(0, len(data), PART_EXAMPLES)]
    return tuple(
        Part({"kind": PART, "attack": attack, "range": [start, end]}, data.examples[start:end]) for start, end in ranges
    )


def weights_hash(trained: Artifact) -> str:
    """Hash the weights, the configuration and the tokenizer: everything that a prediction depends on."""
    return fingerprint({name: digest for name, digest in trained.files.items() if name.startswith(f"{MODEL}/")})


def task_metrics(task: EvaluationTask | Attack) -> tuple[str, ...]:
    """Return the metrics of an evaluation task or an attack in a stable order."""
    return tuple(sorted(task.metrics))


def reads_features(task: EvaluationTask) -> bool:
    """Return whether a metric of an anomaly task is computed from features."""
    return any(METRICS[name].table is FeatureDetection for name in task.metrics)


def _score_task(
    task: EvaluationTask,
    work: Workload,
    tables: Mapping[str, Artifact | None],
    features: Mapping[str, Artifact | None],
    row: Row,
) -> Cell:
    retained = task.id in work.retained
    reads = {"table": features[task.id] if retained else tables[task.id]}
    if retained:
        reads["before"] = features[f"{task.id}{BEFORE}"]
    elif task.perspective == "anomaly":
        reads["inside"] = tables[work.in_distribution]
        if reads_features(task):
            reads["features"] = features[task.id]
            reads["inside_features"] = features[work.in_distribution]
            reads["training_features"] = features[TRAINING_PART]
    elif task.id not in work.inspected:
        reads["validation"] = tables[VALIDATION]
    if any(artifact is None for artifact in reads.values()):
        return Cell("score", task.id, None, {}, row)
    known = _known(**reads)
    spec = _score_spec(task_metrics(task), work, known, work.tasks[task.id])
    if task.merge is not None:
        spec["merge"] = list(task.merge)
    if options := _that_matter(row.protocol, task):
        spec["protocol"] = options
    return Cell("score", task.id, spec, known, row)


def _that_matter(protocol: Iterable[str], task: EvaluationTask) -> list[str]:
    """Return the options that change a task's scores; other options must leave the key of its cell unchanged."""
    merged = task.merge is not None
    concerned = {option for name in task.metrics for option in METRICS[name].protocol}
    return [
        name for name in protocol if name in concerned and (merged or name not in (ECE_UNMERGED, MERGE_AFTER_ARGMAX))
    ]


def _score_attack(live: Cell, attack: Attack, work: Workload, store: Store) -> Cell:
    done = _artifact(live, store)
    if done is None:
        return Cell("score", attack.id, None, {}, live.row)
    known = _known(table=done)
    spec = _score_spec(task_metrics(attack), work, known, work.attacked[attack.id])
    return Cell("score", attack.id, spec, known, live.row)


def _score_spec(
    metrics: tuple[str, ...], work: Workload, reads: Mapping[str, Artifact], data: Dataset
) -> dict[str, Any]:
    """Build the spec of a score: the tables it reads, the metrics' versions and their settings."""
    settings: dict[str, int] = {"resamples": work.suite.metrics.resamples}
    if any(METRICS[name].table is Predictions for name in metrics):
        settings["ece_bins"] = work.suite.metrics.ece_bins
    return {
        "kind": "score",
        "key_version": KEY_VERSION,
        "tables": {role: artifact.files[TABLES[table_kind(artifact)]] for role, artifact in reads.items()},
        "metrics": {metric: METRICS[metric].version for metric in metrics},
        "settings": settings,
        "resample_seed": data.content_hash,
    }


def find_cell(store: Store, cell: Cell) -> Artifact | None:
    """Return the cell's artifact, or None. One that fails its checks is quarantined and counts as missing."""
    return None if cell.key is None else store.find(cell.kind, cell.key)


def _artifact(cell: Cell, store: Store) -> Artifact | None:
    """Return the cell's artifact if it exists and matches its hashes. Nothing is moved."""
    try:
        return None if cell.key is None else store.peek(cell.kind, cell.key)
    except IntegrityError:
        return None


def _known(**artifacts: Artifact | None) -> dict[str, Artifact]:
    return {role: artifact for role, artifact in artifacts.items() if artifact is not None}
