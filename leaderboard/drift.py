"""Drift: where the files of a site differ from what their records say."""

import difflib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_WIDTH = 160
# A long line is broken at the first separator after 60 characters, so that an edit moves only the breaks next to it.
_PIECE = re.compile(rf".{{60,{_WIDTH - 1}}}?[|,;>]|.{{1,{_WIDTH}}}")
# What the further pieces of a long line begin with: how the line begins, which names the row.
_LABEL = 40


def drift(expected: Mapping[str, str], site: Path) -> str:
    """Compare files with their expected text.

    Args:
        expected: text by file name.
        site: the folder that should hold exactly these bytes; its other files do not matter.

    Returns:
        A unified diff from what is there to what should be, long lines folded; empty when every byte is equal.
    """
    return "".join(line for name in sorted(expected) for line in _differences(name, expected[name], site / name))


def _differences(name: str, expected: str, path: Path) -> Iterator[str]:
    found = path.read_bytes() if path.is_file() else None
    if found == expected.encode():
        return
    if found is None:
        yield f"--- {name} (missing)\n"
    lines = _folded((found or b"").decode("utf-8", errors="backslashreplace"))
    origin = f"{name} (in the site)" if found is not None else "/dev/null"
    differences = list(difflib.unified_diff(lines, _folded(expected), origin, f"{name} (from the records)", n=2))
    yield from differences or [f"{name}: the bytes differ in what a diff does not show; build the board again.\n"]


def _folded(text: str) -> list[str]:
    """Split text into lines that end in a newline, and those that are too long to read into labelled pieces."""
    lines = text.split("\n")
    last = lines.pop()
    folded = [piece + "\n" for line in lines for piece in _pieces(line)]
    return [*folded, f"{last}\n", "\\ No newline at end of file\n"] if last else folded


def _pieces(line: str) -> list[str]:
    if len(line) <= _WIDTH:
        return [line]
    first, *rest = _PIECE.findall(line)
    return [first, *(f"{line[:_LABEL]} … {piece}" for piece in rest)]
