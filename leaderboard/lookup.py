"""Rows by name or by path, for comparing two of them."""

from dataclasses import dataclass
from pathlib import Path

from benchmark.schema import UsageError, method_slug, nearest
from leaderboard.load import Contest, Entrant, load


@dataclass(frozen=True, slots=True)
class Found:
    """A row; `seeds` are the only ones that were asked for, None for all."""

    contest: Contest
    entrant: Entrant
    seeds: tuple[int, ...] | None


def one_pair(first: str, second: str, results: Path, suite: str | None, backbone: str | None) -> tuple[Found, Found]:
    """Find the two rows that are meant.

    Raises:
        UsageError: no such row, several of them, or rows of different suites or backbones.
        IntegrityError: a record is refused.
    """
    one = _candidates(first, results, suite, backbone)
    other = _candidates(second, results, suite, backbone)
    pairs = [(a, b) for a in one for b in other if _place(a) == _place(b)]
    if len(pairs) != 1:
        raise UsageError(_not_one(first, second, one, other, len(pairs)))
    return pairs[0]


def _place(found: Found) -> tuple[str, int, str]:
    return found.contest.card["name"], found.contest.card["version"], found.contest.backbone


def _candidates(text: str, results: Path, suite: str | None, backbone: str | None) -> list[Found]:
    """Find the rows that a text may mean."""
    path = Path(text)
    if "/" in text or path.is_file() or path.suffix == ".jsonl":
        return _at_path(path)
    text = _as_slug(text)
    _, contests = load(results)
    kept = [contest for contest in contests if _is_suite(contest, suite) and backbone in (None, contest.backbone)]
    rows = [(contest, entrant) for contest in kept for entrant in contest.entrants if entrant.kind == "measured"]
    found = [Found(contest, entrant, None) for contest, entrant in rows if text in _names(entrant)]
    if not found:
        known = {_slug(entrant) for _, entrant in rows}
        raise UsageError(f"There is no row {text!r} in {results}{_where(suite, backbone)}. {nearest(text, known)}")
    return found


def _as_slug(text: str) -> str:
    """Read ``roast:variant=released:alpha=0.6`` as ``roast~alpha=0.6,variant=released``."""
    name, *settings = text.split(":")
    return f"{name}~{','.join(sorted(settings))}" if settings else name


def _at_path(path: Path) -> list[Found]:
    """Find the row of a record file, or of a folder that holds one row's files."""
    home = next((parent for parent in (path, *path.parents) if (parent / "suite.json").is_file()), None)
    if home is None or not path.exists() or home == path:
        raise UsageError(
            f"{path} is not a record file or a row below a folder with a suite.json; name one, or a method."
        )
    place = path.resolve().relative_to(home.parent.resolve()).as_posix()
    _, contests = load(home.parent)
    found = []
    for contest in contests:
        for entrant in contest.entrants:
            if entrant.kind == "measured" and any(f"{file}/".startswith(f"{place}/") for file in entrant.files):
                found.append(Found(contest, entrant, _seed_of(path)))
    if not found:
        raise UsageError(f"{path} holds no measured row; name a record file, a row's folder or a method.")
    return found


def _seed_of(path: Path) -> tuple[int, ...] | None:
    return (int(path.stem.removeprefix("seed-")),) if path.suffix == ".jsonl" else None


def _slug(entrant: Entrant) -> str:
    return method_slug(entrant.name, entrant.configuration, entrant.protocol)


def _names(entrant: Entrant) -> set[str]:
    return {_slug(entrant), f"{entrant.name}~{entrant.configuration}" if entrant.configuration else entrant.name}


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
