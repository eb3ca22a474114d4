"""Tuned rows: the settings that tuning selected, read from the trials next to the rows' records."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from benchmark.execution.cells import Row
from benchmark.execution.method_registry import ConfiguredMethod
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, UsageError, file_fingerprint, method_slug
from benchmark.schema.record import row_folder
from benchmark.schema.trial import LEARNING_RATE_FACTOR, TRIALS_FILE, Trial, read_trials, selected, tuning_of
from benchmark.suites import Suite


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
        UsageError: a row has no trials, trials of another method version, source, backbone or data, or not as many as
            the other rows.
        IntegrityError: a file of trials is invalid.
    """
    paths = {row.method.label: results / trials_path(row, work.suite) for row in rows}
    trials = {label: read_trials(path) for label, path in paths.items() if path.is_file()}
    counts = {len(known): label for label, known in reversed(trials.items())}
    if untuned := [row.method for row in rows if row.method.label not in trials]:
        names = " and ".join(method.label for method in untuned)
        are = "is" if len(untuned) == 1 else "are"
        raise UsageError(
            f"{names} {are} not tuned yet: {paths[untuned[0].label]} is missing. "
            f"Run `{command(untuned, max(counts, default=None))}`."
        )
    for row in rows:
        if part := _another(trials[row.method.label][0], row, work):
            again = command([row.method], max(counts))
            raise UsageError(f"{paths[row.method.label]}: the trials are of another {part}. Run `{again}` again.")
    if len(counts) > 1:
        numbers = " and ".join(f"{label} {count}" for count, label in sorted(counts.items()))
        more = command([row.method for row in rows], max(counts))
        raise UsageError(f"The numbers of trials differ: {numbers}. Run `{more}` first.")
    return [_tuned(row, trials[row.method.label], paths[row.method.label]) for row in rows]


def tuned_so_far(
    rows: Sequence[Row], work: Workload, results: Path, command: TuningCommand
) -> tuple[list[Row], list[str]]:
    """Return the rows that are tuned, and sentences on the others; arguments as in `tuned_rows`.

    Raises:
        IntegrityError: a file of trials is invalid.
    """
    paths = [results / trials_path(row, work.suite) for row in rows]
    most = max((len(read_trials(path)) for path in paths if path.is_file()), default=None)
    known = [[row] for row, path in zip(rows, paths, strict=True) if path.is_file()]
    missing = [row for row, path in zip(rows, paths, strict=True) if not path.is_file()]
    tuned, untuned = list[Row](), list[str]()
    for group in (*known, missing):
        try:
            tuned += tuned_rows(group, work, results, lambda methods, _=None: command(methods, most))
        except UsageError as error:
            untuned.append(str(error))
    return tuned, untuned


def _tuned(row: Row, trials: Sequence[Trial], path: Path) -> Row:
    chosen = selected(trials)
    tuning = tuning_of(chosen, trials, file_fingerprint(path))
    if chosen is None:
        return replace(row, tuning=tuning, failure=f"All {len(trials)} trials failed. {trials[0]['reason']}")
    method = replace(row.method, hyperparameters=chosen["method"]["hyperparameters"])
    try:
        method.make()
    except UsageError as error:
        raise IntegrityError(f"{path}:{chosen['trial'] + 1}: {error}") from error
    return replace(row, method=method, tuning=tuning, learning_rate_factor=float(chosen[LEARNING_RATE_FACTOR]))


def _another(trial: Trial, row: Row, work: Workload) -> str:
    """Name what the trials do not share with the row; empty if they share everything."""
    for field in ("version", "configuration", "source"):
        if trial["method"][field] != row.method.identity()[field]:
            return f"method {field}"
    if trial["backbone"] != row.backbone.identity():
        return "backbone"
    validation = trial["validation"]
    if validation is not None and validation["data"] != work.splits.validation.content_hash:
        return "validation part"
    return ""
