"""A stranger's tables, read by a child process with little memory and time, and written anew.

What the rest of the verification reads is what the child wrote: its own copy of a table that has kept every rule. A
file that makes the reader crash, hang or fill the memory costs the child, and is refused.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmark.schema import IntegrityError, TemperError, printable
from benchmark.submission.layout import MEBIBYTE

LARGEST_UNPACKED = 64 * MEBIBYTE
MEMORY, SECONDS = 4096 * MEBIBYTE, 120
"""Address space and processor time that the child has for all tables."""


@dataclass(frozen=True)
class Wanted:
    """A table that is to be read.

    Attributes:
        name: In messages.
        path: The stranger's file.
        kind: "predict", "inspect" or "attack".
        rows: How many it must have.
        copy: Where the child writes it.
    """

    name: str
    path: str
    kind: str
    rows: int
    copy: str


def read_tables(wanted: Sequence[Wanted], *, memory: int = MEMORY, seconds: int = SECONDS) -> list[str]:
    """Read tables in a child process and have it write them anew; one sentence for each that is refused."""
    limits = {"memory": memory, "seconds": seconds}
    order = json.dumps({"tables": [asdict(one) for one in wanted], "limits": limits})
    command = [sys.executable, "-m", __name__]
    try:
        done = subprocess.run(
            command,
            input=order,
            capture_output=True,
            text=True,
            timeout=4 * seconds,
            check=False,
            cwd="/",
            # Threads reserve memory each, which would count against the limit on a machine of many cores.
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        output, ended = done.stdout, f"the reader ended with {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, ended = _text(error.stdout), "the reader did not come to an end"
    answers = _answers(output)
    problems = [answers[one.name] for one in wanted if answers.get(one.name)]
    unread = [one.name for one in wanted if one.name not in answers]
    if unread:
        problems.append(
            f"{unread[0]}: cannot be read within {memory // MEBIBYTE} MiB of memory and {seconds} seconds ({ended}); "
            "a table of a submission is small."
        )
    return problems


def _text(output: bytes | str | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


def _answers(output: str) -> dict[str, str]:
    """What the child has said of each table; a line that it did not finish counts for nothing."""
    found: dict[str, str] = {}
    for line in output.splitlines():
        try:
            name, problem = json.loads(line)
        except (ValueError, TypeError):
            continue
        found[name] = problem
    return found


def main() -> None:
    """Be the child: read the order from standard input, and answer a line a table."""
    import resource

    order = json.loads(sys.stdin.read())
    limits = order["limits"]
    resource.setrlimit(resource.RLIMIT_AS, (limits["memory"], limits["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["seconds"], limits["seconds"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for plain in order["tables"]:
        one = Wanted(**plain)
        try:
            _copy(one)
            problem = ""
        except MemoryError:
            problem = (
                f"{one.name}: does not fit into {limits['memory'] // MEBIBYTE} MiB; a submission's table is small."
            )
        except (TemperError, ValueError, TypeError, KeyError, OverflowError) as error:
            # pyarrow raises what it likes for what no table of Temper holds.
            problem = printable(" ".join(str(error).replace(one.path, one.name).split()))[:600]
            problem = problem if problem.startswith(one.name) else f"{one.name}: cannot be read ({problem})."
        sys.stdout.write(json.dumps([one.name, problem]) + "\n")
        sys.stdout.flush()


def _copy(one: Wanted) -> None:
    from benchmark.evaluation import tables

    path, copy = Path(one.path), Path(one.copy)
    _look_at_footer(one)
    copy.parent.mkdir(parents=True, exist_ok=True)
    if one.kind == "attack":
        tables.write_attack(copy, tables.read_attack(path))
    elif one.kind == "inspect":
        tables.write_inspection(copy, tables.read_inspection(path))
    else:
        tables.write_predictions(copy, tables.read_predictions(path))


def _look_at_footer(one: Wanted) -> None:
    """Refuse what the footer already says is too large, before any page is unpacked.

    Raises:
        IntegrityError: says what it is.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = pq.read_metadata(one.path)
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(f"{one.name}: is no parquet file ({str(error)[:200]}).") from error
    if found.num_rows != one.rows:
        raise IntegrityError(f"{one.name}: has {found.num_rows} rows; the suite's data has {one.rows}.")
    if found.metadata:
        raise IntegrityError(f"{one.name}: carries metadata of its own; `temper submit` writes tables without.")
    unpacked = sum(_sizes(found))
    if unpacked > LARGEST_UNPACKED or found.num_row_groups > 16 or found.num_columns > 32:
        raise IntegrityError(
            f"{one.name}: unpacks to {unpacked} bytes in {found.num_row_groups} groups of {found.num_columns} columns; "
            f"a table of a submission has at most {LARGEST_UNPACKED} bytes."
        )


def _sizes(found: Any) -> Iterable[int]:
    groups = (found.row_group(number) for number in range(min(found.num_row_groups, 17)))
    return (group.column(number).total_uncompressed_size for group in groups for number in range(group.num_columns))


if __name__ == "__main__":
    main()
