"""Trackers: send the curves and scores of rows to TensorBoard, Weights & Biases or MLflow.

A tracker only observes. Nothing of it enters a key or a record, and its failure never fails a row.
"""

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from benchmark.schema import fingerprint
from benchmark.schema.errors import TemperError, UsageError, on_one_line

if TYPE_CHECKING:
    from benchmark.execution.cells import Cell
    from benchmark.suites import Suite

TrackerName: TypeAlias = Literal["tensorboard", "wandb", "mlflow"]
Values: TypeAlias = Mapping[str, float]
Points: TypeAlias = Sequence[tuple[int, Values]]
"""Points of curves: a step, and the values there."""


@dataclass(frozen=True)
class TrackedRun:
    """What a tracker shows about a row.

    Attributes:
        id: 32 hexadecimal digits, made of the key of the training and the suite, so that a resumed row has the same.
        name: The row's label.
        tags: The suite, the method and the backbone.
        config: The row's settings: numbers and texts.
    """

    id: str
    name: str
    tags: Mapping[str, str]
    config: Mapping[str, str | int | float | bool]


def tracked_run(train: "Cell", suite: "Suite") -> TrackedRun:
    """Describe a row by its training cell."""
    row, spec = train.row, train.spec or {}
    tags = {"suite": suite.full_name, "method": row.method.label, "backbone": row.backbone.name}
    parts = {"hyperparameters": spec["method"]["hyperparameters"], "recipe": spec["recipe"]}
    flat = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
    config = {**tags, "seed": row.seed, "protocol": ",".join(row.protocol), **flat}
    plain = {name: value if isinstance(value, str | int | float) else str(value) for name, value in config.items()}
    digits = fingerprint([train.key, tags["suite"]]).removeprefix("sha256:")
    return TrackedRun(digits[:32], row.label, tags, plain)


class Tracker(Protocol):
    """Sends one run at a time. It can be pickled before the first run is opened."""

    def __init__(self, folder: Path) -> None:
        """Import the library, and prepare what all runs share; local files are kept in `folder`."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return the errors by which the library reports that it cannot save or send."""

    def open(self, run: TrackedRun) -> None:
        """Start a run, or continue the one with this id."""

    def log(self, points: Points) -> None:
        """Send points of the curves, with increasing steps."""

    def score(self, scores: Values) -> None:
        """Send the scores of the finished row."""

    def close(self, *, failed: bool) -> None:
        """End the run; a later `open` can continue it."""


class TensorBoard:
    """Event files in ``tensorboard/<suite>/``, one folder per row."""

    errors = (OSError,)

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._make, self._folder = SummaryWriter, folder / "tensorboard"

    def open(self, run: TrackedRun) -> None:
        """Start or continue the run."""
        # Do not use the label: a trial and the row that reuses its training are one run.
        method = re.sub(r"[^\w.+-]+", "-", run.tags["method"])[:80].strip("-")
        name = f"{method}-seed-{run.config['seed']}-{run.id[:12]}"
        self._writer, self._config = self._make(str(self._folder / run.tags["suite"] / name)), dict(run.config)
        self._writer.add_text("config", "".join(f"    {name}: {value}\n" for name, value in run.config.items()))

    def log(self, points: Points) -> None:
        """Send points."""
        for step, values in points:
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def score(self, scores: Values) -> None:
        """Send the scores."""
        self._writer.add_hparams(self._config, dict(scores), run_name=".")

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self._writer.close()


class WeightsAndBiases:
    """A run of the project ``WANDB_PROJECT``, by default ``temper``. `WANDB_MODE=offline` keeps it in ``wandb/``."""

    def __init__(self, folder: Path) -> None:
        import wandb

        self._folder, self._silent = folder, wandb.Settings(console="off", silent=True)

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return the errors of the library and of its connection."""
        import wandb

        return (wandb.Error, OSError)

    def open(self, run: TrackedRun) -> None:
        """Start or continue the run."""
        import wandb

        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "temper"),
            id=run.id,
            name=run.name,
            group=run.tags["suite"],
            tags=[tag[:64] for tag in run.tags.values()],  # longer tags are refused
            config=dict(run.config),
            dir=str(self._folder),
            resume="allow",
            reinit="create_new",
            settings=self._silent,
        )

    def log(self, points: Points) -> None:
        """Send points."""
        for step, values in points:
            self._run.log(dict(values), step=step)

    def score(self, scores: Values) -> None:
        """Send the scores."""
        self._run.summary.update(dict(scores))

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self._run.finish(exit_code=int(failed))


class MLflow:
    """A run of the experiment ``MLFLOW_EXPERIMENT_NAME``, by default ``temper``, at ``MLFLOW_TRACKING_URI``.

    By default the latter is the file ``mlflow.db``.
    """

    ID = "temper.run"
    MOST_METRICS = 1000
    """MLflow refuses more in one request."""

    def __init__(self, folder: Path) -> None:
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        self._uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{folder.resolve() / 'mlflow.db'}"
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "temper")
        try:
            # Workers that created tables and the experiment at the same time would fail.
            client = MlflowClient(self._uri)
            experiment = client.get_experiment_by_name(name)
            self._experiment = experiment.experiment_id if experiment else client.create_experiment(name)
        except (MlflowException, OSError) as error:
            raise TemperError(f"--track mlflow: {self._uri} cannot be used: {on_one_line(error)}") from error

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """Return the errors of the library and of its connection."""
        from mlflow.exceptions import MlflowException

        return (MlflowException, OSError)

    def open(self, run: TrackedRun) -> None:
        """Start or continue the run."""
        from mlflow import MlflowClient
        from mlflow.entities import Param

        self._client = client = MlflowClient(self._uri)
        begun = client.search_runs([self._experiment], f"tags.`{self.ID}` = '{run.id}'", max_results=1)
        if begun:
            self._run = begun[0].info.run_id
            client.update_run(self._run, status="RUNNING")
            return
        tags = {**run.tags, self.ID: run.id}
        self._run = client.create_run(self._experiment, tags=tags, run_name=run.name).info.run_id
        client.log_batch(self._run, params=[Param(name, str(value)) for name, value in run.config.items()])

    def log(self, points: Points) -> None:
        """Send points."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        metrics = [Metric(name, value, now, step) for step, values in points for name, value in values.items()]
        for start in range(0, len(metrics), self.MOST_METRICS):
            self._client.log_batch(self._run, metrics=metrics[start : start + self.MOST_METRICS])

    def score(self, scores: Values) -> None:
        """Send the scores."""
        self.log([(0, scores)])

    def close(self, *, failed: bool) -> None:
        """End the run."""
        self._client.set_terminated(self._run, "FAILED" if failed else "FINISHED")


TRACKERS: Mapping[TrackerName, Callable[[Path], Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
}


def make_tracker(name: TrackerName | None, folder: Path) -> Tracker | None:
    """Create a tracker that keeps its local files in `folder`; None without a name.

    Raises:
        UsageError: its library is not installed.
        TemperError: it cannot be used.
    """
    if name is None:
        return None
    try:
        return TRACKERS[name](folder)
    except ImportError as error:
        install = f"pip install -c constraints.txt -e '.[{name}]'"
        raise UsageError(f"--track {name}: its library cannot be imported ({error}). Run `{install}`.") from error


class RowTracker:
    """Sends what is computed of rows to a tracker, one row after the other.

    A run is opened when there is something to send. If the tracker fails, it gets nothing more of this row.

    Args:
        tracker: The tracker, or None to send nothing.
        note: Receives one sentence if the tracker fails.
    """

    def __init__(self, tracker: Tracker | None, note: Callable[[str], None]) -> None:
        self._tracker, self._note = tracker, note
        self._points: list[tuple[int, Values]] = []
        self._run: TrackedRun | None = None
        self._stopped = False

    def add(self, step: int, values: Values) -> None:
        """Keep a point for `send`."""
        self._points.append((step, values))

    def send(self, run: TrackedRun) -> None:
        """Send the points that were added.

        Call it after a checkpoint: a run that resumes from there adds none of them again.
        """
        points, self._points = self._points, []
        if points:
            self._call(run, lambda tracker: tracker.log(points))

    def score(self, run: TrackedRun, scores: Values) -> None:
        """Send the scores of a finished row."""
        self._call(run, lambda tracker: tracker.score(scores))

    def end(self, *, failed: bool) -> None:
        """End the row's run, if one is open, and drop the points that were not sent."""
        if self._run is not None:
            self._call(self._run, lambda tracker: tracker.close(failed=failed))
        self._points, self._run, self._stopped = [], None, False

    def _call(self, run: TrackedRun, send: Callable[[Tracker], None]) -> None:
        tracker = self._tracker
        if tracker is None or self._stopped:
            return
        try:
            if self._run is not None and self._run.id != run.id:
                # A row that averages trials trains several models, each with a run of its own.
                tracker.close(failed=False)
                self._run = None
            if self._run is None:
                tracker.open(run)
                self._run = run
            send(tracker)
        except tracker.errors as error:
            self._note(f"{run.name}: tracking stopped, and the row is computed without it. {on_one_line(error)}")
            if self._run is not None:
                with suppress(*tracker.errors):
                    tracker.close(failed=True)
            self._run, self._stopped = None, True
