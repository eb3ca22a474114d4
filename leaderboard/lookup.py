"""Rows by name or by path, for comparing two of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.schema import UsageError, method_slug, nearest
from leaderboard.load import Contest, Entrant, load


@dataclass(frozen=True, slots=True)
class Found:
    """A row, the results folder that it is in, and the only seeds that were asked for; None for all."""

    contest: Contest
    entrant: Entrant
    results: Path
    seeds: tuple[int, ...] | None


def one_pair(
    first: str, second: str, results: Sequence[Path], suite: str | None, backbone: str | None
) -> tuple[Found, Found]:
    """Find the two rows that are meant; `leaderboard.compare` describes the arguments.

    Raises:
        UsageError: no such row, several of them, or rows of different suites or backbones.
        IntegrityError: a record is refused.
    """
    folders = _Folders(tuple(results), suite, backbone)
    one, other = folders.rows(first), folders.rows(second)
    together = [path for path in dict.fromkeys(found.results for found in one) if any(o.results == path for o in other)]
    home, there = (together[0], together[0]) if together else (one[0].results, other[0].results)
    one, other = [found for found in one if found.results == home], [found for found in other if found.results == there]
    pairs = [(a, b) for a in one for b in other if _place(a) == _place(b)]
    if len(pairs) != 1:
        raise UsageError(_not_one(first, second, one, other, len(pairs)))
    return pairs[0]


def _place(found: Found) -> tuple[str, int, str]:
    return found.contest.card["name"], found.contest.card["version"], found.contest.backbone


@dataclass(slots=True)
class _Folders:
    """Results folders, each read once."""

    default: tuple[Path, ...]
    suite: str | None
    backbone: str | None
    _read: dict[Path, tuple[Contest, ...]] = field(default_factory=dict)

    def rows(self, text: str) -> list[Found]:
        """Find the rows that a text may mean, folder by folder."""
        path = Path(text)
        if "/" in text or path.is_file() or path.suffix == ".jsonl":
            return self._at_path(path)
        rows = [
            Found(contest, entrant, results, None)
            for results in self.default
            for contest in self._contests(results)
            if _is_suite(contest, self.suite) and self.backbone in (None, contest.backbone)
            for entrant in contest.entrants
            if entrant.kind == "measured"
        ]
        found = [row for row in rows if _is_named(text, row.entrant)]
        if not found:
            known = {_slug(row.entrant) for row in rows}
            where = " or ".join(map(str, self.default))
            raise UsageError(
                f"There is no row {text!r} in {where}{_where(self.suite, self.backbone)}. {nearest(text, known)}"
            )
        return found

    def _contests(self, results: Path) -> tuple[Contest, ...]:
        key = results.resolve()
        if key not in self._read:
            self._read[key] = load(results)[1]
        return self._read[key]

    def _at_path(self, path: Path) -> list[Found]:
        """Find the row of a record file, or of a folder that holds one row's files."""
        home = next((parent for parent in (path, *path.parents) if (parent / "suite.json").is_file()), None)
        if home is None or not path.exists() or home == path:
            raise UsageError(
                f"{path} is not a record file or a row below a folder with a suite.json; name one, or a method."
            )
        place = path.resolve().relative_to(home.parent.resolve()).as_posix()
        found = [
            Found(contest, entrant, home.parent, _seed_of(path))
            for contest in self._contests(home.parent)
            for entrant in contest.entrants
            if entrant.kind == "measured" and any(f"{file}/".startswith(f"{place}/") for file in entrant.files)
        ]
        if not found:
            raise UsageError(f"{path} holds no measured row; name a record file, a row's folder or a method.")
        return found


def _seed_of(path: Path) -> tuple[int, ...] | None:
    return (int(path.stem.removeprefix("seed-")),) if path.suffix == ".jsonl" else None


def _slug(entrant: Entrant) -> str:
    return method_slug(entrant.name, entrant.configuration, entrant.protocol)


def _is_named(text: str, entrant: Entrant) -> bool:
    """Whether a text names a row: by its folder, as ``method~configuration`` or as ``method:key=value:key=value``."""
    if text == _slug(entrant):
        return True
    name, _, settings = text.replace("~", ":", 1).partition(":")
    return name == entrant.name and not entrant.protocol and _settings(settings) == _settings(entrant.configuration)


def _settings(text: str) -> dict[str, str | float]:
    """Read settings in any order; numbers are equal however they are written."""
    pairs = (part.partition("=") for part in re.split("[:,]", text) if part)
    return {key: _number(value) for key, _, value in pairs}


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _is_suite(contest: Contest, suite: str | None) -> bool:
    name = contest.card["name"]
    return suite in (None, name, f"{name}@{contest.card['version']}")


def _where(suite: str | None, backbone: str | None) -> str:
    return "".join(f" {word} {value}" for word, value in (("of suite", suite), ("on", backbone)) if value)


def _not_one(first: str, second: str, one: list[Found], other: list[Found], pairs: int) -> str:
    """Say why two texts do not name one pair of rows."""
    if pairs:
        places = sorted({f"{name}@{version} on {backbone}" for name, version, backbone in map(_place, one)})
        return f"{first} and {second} are in {', '.join(places)}; choose with --suite and --backbone."
    shown = [", ".join(sorted({f"{n}@{v} on {b}" for n, v, b in map(_place, found)})) for found in (one, other)]
    return f"{first} is in {shown[0]}, {second} in {shown[1]}; rows of different suites or backbones do not compare."
