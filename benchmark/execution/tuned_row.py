"""Tuned rows: the settings that tuning selected, read from the trials next to the rows' records."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmark.execution.cells import Row
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


def tuned_rows(rows: Sequence[Row], work: Workload, results: Path) -> list[Row]:
    """Return the rows with the settings that tuning selected.

    Raises:
        UsageError: a row has no trials, trials of another method version, source, backbone or data, or not as many as
            the other rows.
        IntegrityError: a file of trials is invalid.
    """
    command = f"temper tune {work.suite.name} --methods"
    tuned: list[Row] = []
    counts: dict[int, str] = {}
    for row in rows:
        path = results / trials_path(row, work.suite)
        if not path.is_file():
            raise UsageError(f"{row.method.label} is not tuned: {path} is missing. Run `{command} {row.method.name}`.")
        trials = read_trials(path)
        if part := _another(trials[0], row, work):
            raise UsageError(f"{path}: the trials are of another {part}. Run `{command} {row.method.name}` again.")
        tuned.append(_tuned(row, trials, path))
        counts.setdefault(len(trials), row.method.label)
    if len(counts) > 1:
        numbers = " and ".join(f"{label} {count}" for count, label in sorted(counts.items()))
        names = ",".join(row.method.name for row in rows)
        raise UsageError(
            f"The numbers of trials differ: {numbers}. Run `{command} {names} --trials {max(counts)}` first."
        )
    return tuned


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
