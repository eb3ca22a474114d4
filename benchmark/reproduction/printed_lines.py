"""The lines of a CSV of published numbers: text that may be anything, refused or split into cells."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.schema import UsageError, nearest
from benchmark.schema.errors import printable
from benchmark.suites import Suite

COLUMNS = ("paper", "table", "row", "column", "suite", "backbone", "method", "probe", "metric", "value")
MOST_BYTES, MOST_LINES, MOST_CHARACTERS = 4_000_000, 5_000, 100_000


class PrintedError(UsageError):
    """A CSV with mistakes; its text is one sentence a mistake."""


@dataclass
class Reading:
    """What is known while the lines of a file are read."""

    place: str
    complaints: list[str] = field(default_factory=list)
    suites: dict[str, Suite] = field(default_factory=dict)
    seen: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def complain(self, line: int, column: str, sentence: str) -> None:
        """Note a mistake; without a column it is the line's."""
        where = f", column {column}" if column else ""
        self.complaints.append(f"{self.place}: line {line}{where}: {sentence}")


def lines_of(path: Path, reading: Reading) -> Iterator[tuple[int, dict[str, str]]]:
    """Lines with their numbers; an empty line is skipped."""
    lines = _text(path).splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        # The reader's own limit on a field is the whole process's, and other libraries lift it.
        if len(line) > MOST_CHARACTERS:
            raise PrintedError(f"{path.name}: line {number}: is no CSV (over {MOST_CHARACTERS} characters).")
    reader = csv.reader(lines, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, reading)
        for cells in reader:
            if reader.line_num > MOST_LINES:
                raise PrintedError(f"{path.name} has more than {MOST_LINES} lines; import it in parts.")
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                reading.complain(reader.line_num, "", f"has {len(cells)} cells where the header has {len(header)}.")
                continue
            yield reader.line_num, dict(zip(header, (cell.strip() for cell in cells), strict=True))
    except csv.Error as error:
        raise PrintedError(f"{path.name}: line {reader.line_num}: is no CSV ({error}); correct the quotes.") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; name a CSV file.") from error
    if len(data) > MOST_BYTES:
        raise PrintedError(f"{path.name} has {len(data):,} bytes; import at most {MOST_BYTES:,} at once.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise PrintedError(f"{path.name}: line {line}: is not UTF-8; save the file as UTF-8.") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise PrintedError(f"{path.name}: line {line}: holds a NUL character, so it is no text; remove it.")
    return text


def _check_header(header: list[str], reading: Reading) -> None:
    """The header alone decides whether the lines can be read."""
    for name in header:
        if name not in COLUMNS:
            reading.complain(1, printable(name[:60]), f"is unknown. {nearest(name[:60], COLUMNS)}")
        elif header.count(name) > 1:
            reading.complain(1, name, "stands there twice; keep one.")
    if missing := [name for name in COLUMNS if name not in header]:
        reading.complain(1, "", f"lacks {', '.join(missing)}; the first line names the columns {','.join(COLUMNS)}.")
    if reading.complaints:
        raise PrintedError("\n".join(dict.fromkeys(reading.complaints)))
