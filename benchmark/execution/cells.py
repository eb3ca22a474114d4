"""Cells: the units of work, each identified by the hash of its canonical spec.

A spec holds what decides the outcome and nothing else: no suite name, no path, no library version. Specs of later
cells hold hashes of what earlier cells made, so they exist only once those are finished.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from benchmark.attacks import attack_identity
from benchmark.data import Dataset
from benchmark.evaluation.metrics import METRICS, Predictions
from benchmark.execution.registry import ConfiguredMethod
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import VALIDATION, Workload
from benchmark.models.backbones import Backbone
from benchmark.schema import IntegrityError, TemperError, fingerprint
from benchmark.schema.protocol import ECE_UNMERGED, MERGE_AFTER_ARGMAX, of_training
from benchmark.suites import Attack, Probe

Kind = Literal["train", "predict", "inspect", "attack", "score"]

KEY_VERSION = 1
"""Raised when the meaning of any spec changes."""

LOOP_VERSION = 1
"""Raised when the training loop, the classifier or the optimizer's set-up would give other weights."""

MODEL, TRAINING, MEASURED = "model", "training.json", "measurements.json"
PREDICTIONS, INSPECTED, ATTACKED = "predictions.parquet", "inspected.parquet", "attacked.parquet"
TABLES: Mapping[Kind, str] = {"predict": PREDICTIONS, "inspect": INSPECTED, "attack": ATTACKED}
"""The table that each kind of cell makes; scores are read from these alone."""


@dataclass(frozen=True)
class Row:
    """One method, backbone and seed, and the protocol options in force: a file of records."""

    method: ConfiguredMethod
    backbone: Backbone
    seed: int
    protocol: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """For progress and messages."""
        options = f" [{', '.join(self.protocol)}]" if self.protocol else ""
        return f"{self.method.label}{options}, seed {self.seed}"


@dataclass(frozen=True)
class Cell:
    """One unit of work.

    Attributes:
        kind: What is done.
        subject: Probe or attack that it is about; empty for training.
        spec: Its identity, or None while a cell that it reads from is not finished.
        reads: The finished artifacts that it reads from, by role.
        row: Whose cell it is.
    """

    kind: Kind
    subject: str
    spec: dict[str, Any] | None
    reads: Mapping[str, Artifact]
    row: Row

    @property
    def key(self) -> str | None:
        """The key, or None while there is no spec."""
        return None if self.spec is None else fingerprint(self.spec)

    @property
    def label(self) -> str:
        """For progress and messages."""
        return f"{self.row.label}: {self.kind} {self.subject}".rstrip()

    @property
    def scored(self) -> Kind:
        """Of a score: the kind of cell whose table it is about."""
        return next(kind for kind, file in TABLES.items() if file in self.reads["table"].files)


def cells_of(row: Row, work: Workload, store: Store) -> Iterator[Cell]:
    """The cells of a row in the order of their work, with specs as far as finished cells allow."""
    train = Cell("train", "", train_spec(row, work), {}, row)
    yield train
    trained = _artifact(train, store)
    tables: dict[str, Artifact | None] = {}
    for name, data in {VALIDATION: work.splits.validation, **work.probes}.items():
        kind: Kind = "inspect" if name in work.inspected else "predict"
        spec = None if trained is None else table_spec(kind, trained, data)
        asked = Cell(kind, name, spec, _known(model=trained), row)
        yield asked
        tables[name] = _artifact(asked, store)
    for attack in (a for a in work.suite.attacks if a.id not in work.missing):
        spec = None if trained is None else attack_spec(trained, attack, work.attacked[attack.id])
        live = Cell("attack", attack.id, spec, _known(model=trained), row)
        yield live
        yield _score_attack(live, attack, work, store)
    for probe in (p for p in work.suite.probes if p.id not in work.missing):
        yield _score_probe(probe, work, tables, row)


def train_spec(row: Row, work: Workload) -> dict[str, Any]:
    """What decides the weights."""
    from benchmark.training.optimization import pick_device, resolve_precision

    task, recipe = work.suite.training, work.suite.recipe
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
        "recipe": {**asdict(recipe), "precision": resolve_precision(recipe.precision, pick_device())},
        "seed": row.seed,
        **({"protocol": options} if options else {}),
    }


def _reads(row: Row) -> dict[str, str]:
    """Ask a method what it reads; a file that is missing or is not known is for the user to change, and stops all."""
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
    """What decides the logits of a prediction or an inspection, and the input gradients of the latter."""
    return {"kind": kind, "key_version": KEY_VERSION, "weights": weights_hash(trained), "data": data.content_hash}


def attack_spec(trained: Artifact, attack: Attack, data: Dataset) -> dict[str, Any]:
    """What decides the outcome of an attack: the victim, the texts and every number and resource of the attack."""
    return {
        "kind": "attack",
        "key_version": KEY_VERSION,
        "weights": weights_hash(trained),
        "data": data.content_hash,
        # Each example's random choices are seeded by its id.
        "examples": fingerprint([example.id for example in data.examples]),
        "attack": attack_identity(attack),
    }


def weights_hash(trained: Artifact) -> str:
    """Hash of the weights, the configuration and the tokenizer: all that a prediction depends on."""
    return fingerprint({name: digest for name, digest in trained.files.items() if name.startswith(f"{MODEL}/")})


def probe_metrics(probe: Probe) -> tuple[str, ...]:
    """Metrics of a probe in a stable order."""
    return tuple(sorted(probe.metrics))


def _score_probe(probe: Probe, work: Workload, tables: Mapping[str, Artifact | None], row: Row) -> Cell:
    reads, file = {"table": tables[probe.id]}, PREDICTIONS
    if probe.id in work.inspected:
        file = INSPECTED
    elif probe.perspective == "anomaly":
        reads["inside"] = tables[work.in_distribution]
    else:
        reads["validation"] = tables[VALIDATION]
    if any(artifact is None for artifact in reads.values()):
        return Cell("score", probe.id, None, {}, row)
    known = _known(**reads)
    spec = _score_spec(probe_metrics(probe), work, known, file, work.probes[probe.id])
    if probe.merge is not None:
        spec["merge"] = list(probe.merge)
    if options := _that_matter(row.protocol, probe):
        spec["protocol"] = options
    return Cell("score", probe.id, spec, known, row)


def _that_matter(protocol: Iterable[str], probe: Probe) -> list[str]:
    """Options that change a probe's scores; the others leave its cell the same as without them."""
    merged = probe.merge is not None
    concerned = {option for name in probe.metrics for option in METRICS[name].protocol}
    return [
        name for name in protocol if name in concerned and (merged or name not in (ECE_UNMERGED, MERGE_AFTER_ARGMAX))
    ]


def _score_attack(live: Cell, attack: Attack, work: Workload, store: Store) -> Cell:
    done = _artifact(live, store)
    if done is None:
        return Cell("score", attack.id, None, {}, live.row)
    known = _known(table=done)
    spec = _score_spec(tuple(sorted(attack.metrics)), work, known, ATTACKED, work.attacked[attack.id])
    return Cell("score", attack.id, spec, known, live.row)


def _score_spec(
    metrics: tuple[str, ...], work: Workload, reads: Mapping[str, Artifact], file: str, data: Dataset
) -> dict[str, Any]:
    """What decides the values: the tables read, the metrics' versions and their settings."""
    settings: dict[str, int] = {"resamples": work.suite.metrics.resamples}
    if any(METRICS[name].table is Predictions for name in metrics):
        settings["ece_bins"] = work.suite.metrics.ece_bins
    return {
        "kind": "score",
        "key_version": KEY_VERSION,
        "tables": {role: artifact.files[file] for role, artifact in reads.items()},
        "metrics": {metric: METRICS[metric].version for metric in metrics},
        "settings": settings,
        "resample_seed": data.content_hash,
    }


def _artifact(cell: Cell, store: Store) -> Artifact | None:
    """The cell's artifact where it is there and sound; looking moves nothing."""
    try:
        return None if cell.key is None else store.peek(cell.kind, cell.key)
    except IntegrityError:
        return None


def _known(**artifacts: Artifact | None) -> dict[str, Artifact]:
    return {role: artifact for role, artifact in artifacts.items() if artifact is not None}
