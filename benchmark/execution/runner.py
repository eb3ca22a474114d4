"""The runner: compute a cell in the folder that the store provides, and report progress and environment."""

import json
import platform
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from benchmark.data import Dataset, Example
from benchmark.evaluation.metrics import (
    METRICS,
    FeatureDetection,
    Measurement,
    anomaly_measurements,
    attack_measurements,
    feature_measurements,
    fit_temperature,
    inspection_measurements,
    labelled_measurements,
    retention_measurements,
)
from benchmark.evaluation.parquet import (
    FeatureTable,
    InspectionTable,
    PredictionTable,
    read_attack,
    read_features,
    read_inspection,
    read_predictions,
    write_attack,
    write_features,
    write_inspection,
    write_predictions,
)
from benchmark.execution.cell_files import read_measurements, read_training, write_measurements, write_training
from benchmark.execution.cells import (
    ATTACKED,
    FEATURES,
    INSPECTED,
    MODEL,
    PART,
    PREDICTIONS,
    Cell,
    find_cell,
    weights_hash,
)
from benchmark.execution.claims import ClaimedError
from benchmark.execution.store import SCRATCH, Artifact, Store
from benchmark.execution.trackers import RowTracker, Tracker, tracked_run
from benchmark.execution.workload import Workload
from benchmark.models.classifier import Classifier
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import TemperError
from benchmark.schema.protocol import PADDING_ATTENDED


class Observer(Protocol):
    """Receives the progress of computed cells, one at a time and in order."""

    def begin(self, label: str) -> None:
        """Start a cell."""

    def advance(self, done: int, total: int) -> None:
        """Report how many of the cell's steps, texts or examples are done."""

    def end(self, label: str, seconds: float) -> None:
        """Finish a cell."""

    def note(self, sentence: str) -> None:
        """Report a note to the user that does not stop the run."""


class Quiet:
    """An `Observer` that shows nothing."""

    def begin(self, label: str) -> None:
        """Show nothing."""

    def advance(self, done: int, total: int) -> None:
        """Show nothing."""

    def end(self, label: str, seconds: float) -> None:
        """Show nothing."""

    def note(self, sentence: str) -> None:
        """Show nothing."""


@dataclass
class Runner:
    """Compute cells one after the other and keep the last model in memory.

    Attributes:
        work: The suite's data.
        store: The store for artifacts.
        observer: Receives progress.
        tracker: Receives curves and scores.
        tracking: Sends them to it.
    """

    work: Workload
    store: Store
    observer: Observer
    tracker: Tracker | None = None
    tracking: RowTracker = field(init=False)
    _loaded: tuple[str, Classifier] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.tracking = RowTracker(self.tracker, self.observer.note)

    def run(self, cell: Cell) -> bool:
        """Compute a cell and store its artifact; return False if another process has just finished it.

        Raises:
            ClaimedError: another process is computing it.
            TemperError: the cell failed; its partial work is kept for the next attempt.
        """
        if cell.spec is None:
            raise TemperError(f"{cell.label} waits for a cell that is not finished.")
        compute = {
            "train": self._train,
            "predict": self._predict,
            "inspect": self._inspect,
            "features": self._features,
            "attack": self._attack,
            "score": self._score,
        }
        started, begun = time.monotonic(), False
        try:
            # An attack that was begun as a whole, by an earlier version, is finished as a whole.
            shared = bool(cell.parts) and not self.store.is_partial(cell.kind, cell.key or "")
            begun = shared and self._attack_parts(cell, started)
            with self.store.work(cell.kind, cell.spec, cell.label) as folder:
                if folder is None:
                    self._end_elsewhere(cell, started, begun=begun)
                    return False
                if not begun:
                    self.observer.begin(cell.label)
                compute[cell.kind](cell, folder)
        except ClaimedError:
            self._end_elsewhere(cell, started, begun=begun)
            raise
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise TemperError(
                f"{cell.label}: out of memory. Free some, or lower batch_size and raise accumulation in a copy of the "
                "suite; finished cells and checkpoints are kept."
            ) from error
        for part in cell.parts:
            self.store.remove(PART, part.key)
        if cell.kind == "train":
            self.tracking.send(tracked_run(cell, self.work.suite))
        self.observer.end(cell.label, time.monotonic() - started)
        return True

    def _end_elsewhere(self, cell: Cell, started: float, *, begun: bool) -> None:
        """End the progress of an attack whose parts another process merges."""
        if begun:
            self.observer.end(f"{cell.label}, merged by another process", time.monotonic() - started)

    def _train(self, cell: Cell, folder: Path) -> None:
        from benchmark.training.loop import SAVING, Trainer, write_log
        from benchmark.training.method_errors import hook

        suite, row = self.work.suite, cell.row
        if row.ingredients:
            self._average(cell, folder)
            return
        trainer = Trainer(
            method=row.method.make(),
            backbone=row.backbone,
            task=suite.training,
            recipe=row.recipe(suite.recipe),
            train=self.work.splits.train,
            validation=self.work.selection(row.protocol),
            seed=row.seed,
            folder=folder / SCRATCH,
            report=self.observer.advance,
            log=self.tracking.add,
            on_checkpoint=lambda: self.tracking.send(tracked_run(cell, suite)),
            attend_padding=PADDING_ATTENDED in row.protocol,
        )
        model, position = trainer.run()
        model.name_classes(suite.training.classes)
        with hook(trainer.method, SAVING, position.step):
            model.save(folder / MODEL)
        write_log(position, folder / "epochs.jsonl")
        outcome = {
            "cost": position.passes,
            "environment": environment(trainer.precision),
            "best_epoch": position.best_epoch,
        }
        write_training(folder, outcome)
        self._loaded = None

    def _average(self, cell: Cell, folder: Path) -> None:
        """Average the models of the row's ingredients that its method chooses. Its cost is that of all of them."""
        from benchmark.training.optimization import pick_device, resolve_precision
        from benchmark.training.trial_average import TrialAverage, choose_and_average

        row, parts, method = cell.row, list(cell.reads.values()), cell.row.method.make()
        if not isinstance(method, TrialAverage):
            raise TemperError(f"{cell.label}: {method.name} is not a TrialAverage, so it has no ingredients.")
        folders, examples = [part.folder / MODEL for part in parts], self.work.selection(row.protocol).examples
        chosen, counted = choose_and_average(
            method, folders, examples, folder / MODEL, folder / SCRATCH / MODEL, report=self.observer.advance
        )
        outcomes = [read_training(part.folder) for part in parts]
        trials = [one.trial for one in row.ingredients]
        lines = ({"correct": n, "n": len(examples), "trials": [trials[p] for p in key]} for key, n in counted.items())
        text = "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)
        (folder / "averages.jsonl").write_text(text, encoding="utf-8")
        outcome = {
            "cost": {kind: sum(one["cost"][kind] for one in outcomes) for kind in outcomes[0]["cost"]},
            "environment": environment(resolve_precision(self.work.suite.recipe.precision, pick_device())),
            "best_epoch": 0,
            "ingredients": [trials[place] for place in chosen],
        }
        write_training(folder, outcome)
        self._loaded = None

    def _predict(self, cell: Cell, folder: Path) -> None:
        from benchmark.models.inference import predict_logits

        data = self.work.examples(cell.subject)
        logits = predict_logits(self._model(cell), [e.texts for e in data.examples], report=self.observer.advance)
        write_predictions(folder / PREDICTIONS, _table(data, logits))

    def _inspect(self, cell: Cell, folder: Path) -> None:
        from benchmark.models.inference import inspect_model

        data = self.work.examples(cell.subject)
        texts, labels = [e.texts for e in data.examples], [e.label or 0 for e in data.examples]
        inspection = inspect_model(self._model(cell), texts, labels, report=self.observer.advance)
        table = InspectionTable(_table(data, inspection.logits), inspection.again, inspection.gradients)
        write_inspection(folder / INSPECTED, table)

    def _features(self, cell: Cell, folder: Path) -> None:
        from benchmark.models.inference import body_features, summary_features

        data = self.work.examples(cell.subject)
        model = self._model(cell) if "model" in cell.reads else self._pretrained(cell)
        texts, body = [e.texts for e in data.examples], (cell.spec or {}).get("body")
        if body is None:
            features = summary_features(model, texts, report=self.observer.advance)
        else:
            features = body_features(model, texts, body["max_length"], report=self.observer.advance)
        write_features(folder / FEATURES, FeatureTable(tuple(e.id for e in data.examples), _labels(data), features))

    def _attack_parts(self, cell: Cell, started: float) -> bool:
        """Attack the parts of a long attack that no other process has; return whether there was one."""
        from benchmark.attacks import attack_fingerprint
        from benchmark.attacks.job import Job
        from benchmark.attacks.run import IN_FLIGHT
        from benchmark.attacks.victim import ModelVictim
        from benchmark.execution.attack_parts import AttackParts
        from benchmark.training.optimization import pick_device

        attack, parts = self.work.attack(cell.subject), AttackParts(cell, self.store, self.observer)

        def rows(examples: Iterator[Example]) -> Generator[AttackRow, None, None]:
            # Without a free part, no model is loaded.
            if (first := next(examples, None)) is not None:
                job = Job(attack, ModelVictim(self._model(cell)), None, str(pick_device()), IN_FLIGHT)
                yield from job(chain([first], examples), attack_fingerprint(attack))

        try:
            parts.attack(rows)
        except ClaimedError:
            if parts.begun:
                label = f"{cell.label}, {parts.attacked} of {parts.total} examples"
                self.observer.end(label, time.monotonic() - started)
            raise
        return parts.begun

    def _attack(self, cell: Cell, folder: Path) -> None:
        from benchmark.attacks import run_attack
        from benchmark.attacks.victim import ModelVictim
        from benchmark.execution.attack_parts import merged
        from benchmark.training.optimization import pick_device

        if (rows := merged(cell, self.store)) is not None:
            write_attack(folder / ATTACKED, rows)
            return
        # The journal is only needed to resume the attack, so it is in the scratch folder, which is dropped at the end.
        rows = run_attack(
            self.work.attack(cell.subject),
            self.work.attacked[cell.subject],
            ModelVictim(self._model(cell)),
            folder / SCRATCH / "journal.jsonl",
            lambda _row, done, total: self.observer.advance(done, total),
            device=str(pick_device()),
        )
        write_attack(folder / ATTACKED, rows)

    def track_scores(self, cells: Sequence[Cell]) -> None:
        """Send the scores of a finished row to the tracker.

        Args:
            cells: All cells of the row.
        """
        scores: dict[str, float] = {}
        for cell in cells:
            artifact = find_cell(self.store, cell) if cell.kind == "score" else None
            if artifact is not None:
                measured = read_measurements(artifact.folder)
                values = {f"{cell.subject}/{name}": one.value for name, one in measured.items()}
                scores |= {name: value for name, value in values.items() if value is not None}
        if scores:
            self.tracking.score(tracked_run(cells[0], self.work.suite), scores)

    def _score(self, cell: Cell, folder: Path) -> None:
        spec = cell.spec or {}
        measure = {
            "attack": self._measure_attack,
            "features": self._measure_retention,
            "inspect": self._measure_inspection,
            "predict": self._measure,
        }
        shared = {
            "metrics": list(spec["metrics"]),
            "resamples": spec["settings"]["resamples"],
            "seed_text": spec["resample_seed"],
        }
        write_measurements(folder, measure[cell.scored](cell, shared))

    def _measure_attack(self, cell: Cell, shared: dict[str, Any]) -> dict[str, Measurement]:
        return attack_measurements(read_attack(cell.reads["table"].folder / ATTACKED), **shared)

    def _measure_retention(self, cell: Cell, shared: dict[str, Any]) -> dict[str, Measurement]:
        before, after = (read_features(cell.reads[role].folder / FEATURES) for role in ("before", "table"))
        if after.labels is None:
            raise TemperError(f"{cell.label}: the table has no labels to probe.")
        return retention_measurements(before.features, after.features, after.labels, **shared)

    def _measure_inspection(self, cell: Cell, shared: dict[str, Any]) -> dict[str, Measurement]:
        table = read_inspection(cell.reads["table"].folder / INSPECTED)
        labels = () if table.predictions.labels is None else table.predictions.labels
        return inspection_measurements(table.predictions.logits, table.again, table.gradients, labels, **shared)

    def _measure(self, cell: Cell, shared: dict[str, Any]) -> dict[str, Measurement]:
        spec = cell.spec or {}
        tables = {
            role: read_predictions(a.folder / PREDICTIONS) for role, a in cell.reads.items() if PREDICTIONS in a.files
        }
        table = tables["table"]
        if "inside" in tables:
            return self._measure_anomaly(cell, tables["inside"].logits, table.logits, shared)
        held_out = tables["validation"]
        if table.labels is None or held_out.labels is None:
            raise TemperError(f"{cell.label}: the table has no labels to score against.")
        return labelled_measurements(
            table.logits,
            table.labels,
            merge=spec.get("merge"),
            settings_bins=spec["settings"]["ece_bins"],
            temperature=fit_temperature(held_out.logits, held_out.labels),
            validation=(held_out.logits, held_out.labels),
            protocol=spec.get("protocol", ()),
            **shared,
        )

    def _measure_anomaly(
        self, cell: Cell, inside: NDArray[np.float32], outside: NDArray[np.float32], settings: dict[str, Any]
    ) -> dict[str, Measurement]:
        of_features = [name for name in settings["metrics"] if METRICS[name].table is FeatureDetection]
        of_logits = [name for name in settings["metrics"] if name not in of_features]
        measured = anomaly_measurements(inside, outside, **{**settings, "metrics": of_logits})
        if of_features:
            roles = ("training_features", "inside_features", "features")
            training, *texts = (read_features(cell.reads[role].folder / FEATURES) for role in roles)
            if training.labels is None:
                raise TemperError(f"{cell.label}: the features of the training part have no labels.")
            near, far = (table.features for table in texts)
            measured |= feature_measurements(training.features, training.labels, near, far, metrics=of_features)
        return measured

    def _pretrained(self, cell: Cell) -> Classifier:
        """Load the row's backbone as it is before training; its head is not used."""
        from benchmark.training.optimization import pick_device

        task = self.work.suite.training
        model = Classifier.from_pretrained(cell.row.backbone.path, len(task.classes), task.max_length)
        return model.to(pick_device()).eval()

    def _model(self, cell: Cell) -> Classifier:
        """Return the cell's model in eval mode; keep the last loaded model for the next cell."""
        from benchmark.training.method_errors import hook
        from benchmark.training.optimization import pick_device

        trained: Artifact = cell.reads["model"]
        digest = weights_hash(trained)
        if self._loaded is None or self._loaded[0] != digest:
            with hook(cell.row.method.make(), "build_model (loading its saved model)", 0):
                self._loaded = (digest, load_classifier(trained.folder / MODEL).to(pick_device()).eval())
        return self._loaded[1]


def _table(data: Dataset, logits: NDArray[np.float32]) -> PredictionTable:
    return PredictionTable(tuple(e.id for e in data.examples), _labels(data), logits)


def _labels(data: Dataset) -> NDArray[np.int32] | None:
    return None if data.examples[0].label is None else np.array([e.label for e in data.examples], dtype=np.int32)


_LIBRARIES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "scikit-learn", "textattack", "textblob")


def environment(precision: str) -> dict[str, str]:
    """Return versions, platform and device as text, and the precision unless it is ``fp32``.

    Time and host name are left out, so that repeated runs agree.
    """
    from benchmark import __version__

    versions = {"temper": __version__, "python": platform.python_version(), "threads": str(torch.get_num_threads())}
    versions["platform"] = f"{platform.system()}-{platform.machine()}"
    versions["device"] = (
        torch.cuda.get_device_name() if torch.cuda.is_available() else torch.backends.cpu.get_cpu_capability()
    )
    if precision != "fp32":
        versions["precision"] = precision
    for library in _LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            continue
    return versions
