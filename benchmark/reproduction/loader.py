"""Find and read the files that describe papers' tables."""

import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmark.reproduction.spec import Reproduction
from benchmark.schema.base import Schema
from benchmark.schema.errors import Problem, UsageError, key_path, nearest

_FOLDER = Path(__file__).parent / "papers"
REPRODUCTION = Schema(Reproduction)


def available_reproductions() -> dict[str, Path]:
    """Return the files of all tables that can be reproduced, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def load_reproduction(name: str) -> Reproduction:
    """Read the description of a table.

    Raises:
        UsageError: there is no such table, or its file has errors; all of them are listed.
    """
    known = available_reproductions()
    if name not in known:
        raise UsageError(f"There is no reproduction {name!r}. {nearest(name, known)}")
    return parse_reproduction(known[name].read_text(encoding="utf-8"), known[name])


def parse_reproduction(text: str, path: Path) -> Reproduction:
    """Parse the description of a table.

    Raises:
        UsageError: it is not TOML or has errors; one sentence each.
    """
    try:
        table, problems = REPRODUCTION.read(tomllib.loads(text), pointer=key_path)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path.name}: not TOML: {error}; correct that line.") from error
    if problems := problems or list(_mistakes(table, path)):
        raise UsageError("\n".join(f"{path.name}: {problem}" for problem in problems))
    read: Reproduction = table
    return read


def _mistakes(read: Reproduction, path: Path) -> Iterator[Problem]:
    """Yield violations of rules between keys."""
    if read.name != path.stem:
        yield Problem("name", f"{read.name!r} is not the file's name; rename one of the two.")
    labels = [row.label for row in read.rows]
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield Problem("rows", f"duplicate row {label!r}; rename one.")
    for column in read.columns:
        if not column.tasks and not column.absent:
            where = f"columns[{column.label}].tasks"
            yield Problem(where, "is empty; name the evaluation tasks, or in `absent` what is missing.")
    for row in read.rows:
        for case in row.cases:
            if case.suite not in read.suites:
                yield Problem(
                    f"rows[{row.label}].cases",
                    f"no column is about {case.suite!r}. {nearest(case.suite, read.suites)}",
                )


def choose_rows(read: Reproduction, wanted: str | None) -> Reproduction:
    """Keep the rows that are selected by label or method; all rows if `wanted` is None.

    Args:
        read: the table.
        wanted: names separated by commas, or None.

    Raises:
        UsageError: a name is not a row of the table, or none is selected.
    """
    if wanted is None:
        return read
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    known = {alias: row for row in read.rows for alias in (row.label, row.method, row.method.partition(":")[0])}
    for name in names:
        if name not in known:
            raise UsageError(f"{read.name} has no row {name!r}. {nearest(name, known)} `temper run` runs any method.")
    if not names:
        raise UsageError(f"--methods names no row. {nearest('', known)}")
    kept = {known[name].label for name in names}
    return replace(read, rows=tuple(row for row in read.rows if row.label in kept))
