"""Tuned rows: the settings that tuning selected, read from the trials next to the rows' records."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from benchmark.execution.cells import Row, training_hash
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.execution.workload import Workload
from benchmark.schema import SANITY_CHECKS, IntegrityError, UsageError, file_fingerprint, method_slug
from benchmark.schema.record import row_folder
from benchmark.schema.trial import LEARNING_RATE_FACTOR, TRIALS_FILE, Trial, read_trials, selected, tuning_of
from benchmark.suites import Suite
from benchmark.training.trial_average import TrialAverage


def tuned_method(method: ConfiguredMethod) -> ConfiguredMethod:
    """Return the method that tuning trains: the method itself or, for a `TrialAverage`, the one that it averages.

    Raises:
        UsageError: there is no such method, or it has no trials.
    """
    if not averages_trials(method):
        return method
    name = str(method.hyperparameters["of"])
    request = MethodRequest.parse(name)
    try:
        request.require_known()
        of = configure(request)
    except UsageError as error:
        raise UsageError(f"{method.name}:of={name}: {error}") from None
    if name in SANITY_CHECKS or averages_trials(of):
        raise UsageError(f"{method.name}:of={name}: {name} has no trials to average. Name a method that is trained.")
    return of


def averages_trials(method: ConfiguredMethod) -> bool:
    """Return whether a method averages the trials of another one, so that it has none of its own."""
    return issubclass(method.cls, TrialAverage)


def trials_path(row: Row, suite: Suite) -> Path:
    """Return the path of a row's trials below the results folder."""
    slug = method_slug(row.method.name, row.method.configuration, tuned=True)
    folder = row_folder(suite.name, suite.version, slug, row.backbone.name)
    return Path(folder, TRIALS_FILE)


class TuningCommand(Protocol):
    """Writes the command that tunes methods."""

    def __call__(self, methods: Iterable[ConfiguredMethod], trials: int | None = None) -> str:
        """Write the command; without a number of trials, that is the suite's."""


def tuned_rows(rows: Sequence[Row], work: Workload, results: Path, command: TuningCommand) -> list[Row]:
    """Return the rows with the settings that tuning selected.

    Args:
        rows: The rows with their defaults.
        work: The suite's data.
        results: Folder of the records and trials.
        command: Writes the command for the error messages.

    Raises:
        UsageError: a row has no trials, trials of another method version, source, backbone, recipe or data, or not as
            many as the other rows.
        IntegrityError: a file of trials is invalid.
    """
    tuned, problems = tuned_so_far(rows, work, results, command)
    if problems:
        raise UsageError(problems[0])
    counts = {row.tuning["count"]: row.method.label for row in reversed(tuned) if row.tuning}
    if len(counts) > 1:
        numbers = " and ".join(f"{label} {count}" for count, label in sorted(counts.items()))
        more = command([row.method for row in rows], max(counts))
        raise UsageError(f"The numbers of trials differ: {numbers}. Run `{more}` first.")
    return tuned


def tuned_so_far(
    rows: Sequence[Row], work: Workload, results: Path, command: TuningCommand
) -> tuple[list[Row], list[str]]:
    """Return the rows that are tuned, and sentences on the others; arguments as in `tuned_rows`.

    Raises:
        IntegrityError: a file of trials is invalid.
    """
    sources = [replace(row, method=tuned_method(row.method)) for row in rows]
    paths = [results / trials_path(source, work.suite) for source in sources]
    known = [(row, source, path) for row, source, path in zip(rows, sources, paths, strict=True) if path.is_file()]
    missing = [(row.method, path) for row, path in zip(rows, paths, strict=True) if not path.is_file()]
    read = {path: read_trials(path) for _, _, path in known}
    most = max(map(len, read.values()), default=None)
    tuned, problems = list[Row](), list[str]()
    if missing:
        methods = [method for method, _ in missing]
        names = " and ".join(method.label for method in methods)
        are = "is" if len(missing) == 1 else "are"
        problems.append(f"{names} {are} not tuned yet: {missing[0][1]} is missing. Run `{command(methods, most)}`.")
    for row, source, path in known:
        if part := _another(read[path], source, work):
            again = command([row.method], most)
            problems.append(f"{path}: the trials are of another {part}. Run `{again}` again.")
        elif row.method == source.method:
            tuned.append(_selected(row, read[path], path))
        else:
            tuned.append(average_of(row, source, read[path], path))
    return tuned, problems


def _selected(row: Row, trials: Sequence[Trial], path: Path) -> Row:
    chosen = selected(trials)
    tuning = tuning_of(chosen, trials, file_fingerprint(path))
    if chosen is None:
        return replace(row, tuning=tuning, failure=_all_failed(trials))
    return replace(_with_settings(row, chosen, path), tuning=tuning)


def average_of(row: Row, source: Row, trials: Sequence[Trial], path: Path) -> Row:
    """Return a row that averages the trials that did not fail; `source` is the row with the defaults of their method.

    Raises:
        IntegrityError: the method refuses the settings of a trial.
    """
    finished = [trial for trial in trials if trial["status"] == "ok"]
    tuning = {**tuning_of(None, trials, file_fingerprint(path)), "ingredients": []}
    parts = (replace(_with_settings(source, trial, path), trial=trial["trial"]) for trial in finished)
    ingredients = tuple(part.with_seed(row.seed) for part in parts)
    return replace(row, tuning=tuning, ingredients=ingredients, failure="" if finished else _all_failed(trials))


def _all_failed(trials: Sequence[Trial]) -> str:
    return f"All {len(trials)} trials failed. {trials[0]['reason']}"


def _with_settings(row: Row, trial: Trial, path: Path) -> Row:
    """Return a row with the settings of a trial."""
    method = replace(row.method, hyperparameters=trial["method"]["hyperparameters"])
    try:
        method.make()
    except UsageError as error:
        raise IntegrityError(f"{path}:{trial['trial'] + 1}: {error}") from error
    return replace(row, method=method, learning_rate_factor=float(trial[LEARNING_RATE_FACTOR]))


def _another(trials: Sequence[Trial], row: Row, work: Workload) -> str:
    """Name what the trials do not share with the row; empty if they share everything."""
    first = trials[0]
    for field in ("version", "configuration", "source"):
        if first["method"][field] != row.method.identity()[field]:
            return f"method {field}"
    if first["backbone"] != row.backbone.identity():
        return "backbone"
    return other_data(trials, work)


def other_data(trials: Sequence[Trial], work: Workload) -> str:
    """Name what of the suite the trials were run with in another state; empty if they were run with the suite's."""
    if {trial["training"] for trial in trials if "training" in trial} - {training_hash(work)}:
        return "recipe or training part"
    judged = {trial["validation"]["data"] for trial in trials if trial["validation"]}
    return "validation part" if judged - {work.splits.validation.content_hash} else ""
