"""Finding and reading suite files."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.schema.errors import UsageError, nearest
from benchmark.suites.checks import CHECKS, check_suite
from benchmark.suites.convert import Converter, Missing, Problem, Problems
from benchmark.suites.spec import Suite
from benchmark.suites.vocabulary import PROBE_METRICS

_FOLDER = Path(__file__).parent
_VERSIONED = re.compile(r"(?P<name>[a-z0-9-]+)@(?P<version>[0-9]+)")


class SuiteError(UsageError):
    """A suite file with mistakes; its text is one sentence a mistake.

    Attributes:
        problems: every mistake as (key path, sentence).
    """

    def __init__(self, place: str, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{place}: {where}: {sentence}" for where, sentence in problems))


def available_suites() -> dict[str, Path]:
    """The packaged suites: name -> file, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def load_suite(name_or_path: str | Path) -> Suite:
    """Load a suite.

    Args:
        name_or_path: a packaged suite (``demo``, or ``demo@2`` to insist on a version) or the path of a TOML file.

    Raises:
        UsageError: there is no such suite or file, or not in that version.
        SuiteError: the file has mistakes; all of them are listed.
    """
    text = str(name_or_path)
    if isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text:
        return _read(Path(text).expanduser(), text)
    versioned = _VERSIONED.fullmatch(text)
    name = versioned["name"] if versioned else text
    suites = available_suites()
    if name not in suites:
        raise UsageError(f"There is no suite {name!r}. {nearest(name, suites)} A path to a suite file ends in .toml.")
    suite = _read(suites[name], f"{name}.toml")
    if suite.name != name:
        raise UsageError(f"{name}.toml: name: {suite.name!r} is not the file's name; rename one of the two.")
    if versioned and int(versioned["version"]) != suite.version:
        raise UsageError(
            f"Suite {name} is at version {suite.version} here, not {versioned['version']}; "
            f"ask for {name}@{suite.version}, or install the release of Temper that has {text}."
        )
    return suite


def parse_suite(text: str, *, path: Path, place: str = "") -> Suite:
    """Read the text of a suite file.

    Args:
        text: TOML.
        path: where the file stands; data files are found relative to its folder.
        place: how messages call the file; its path if empty.

    Raises:
        SuiteError: with every mistake that could be found.
        UsageError: the text is no TOML.
    """
    place = place or str(path)
    try:
        raw = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{place}: not TOML: {error}; correct that line.") from error
    problems = Problems()
    reader = Converter(problems, classes=_classes(raw), checks=CHECKS)
    suite = reader.table(Suite, raw, "", path=path)
    if not isinstance(suite, Missing):
        problems.found.extend(check_suite(suite))
    if problems.found or isinstance(suite, Missing):
        raise SuiteError(place, problems.found)
    return replace(suite, probes=tuple(_with_metrics(probe) for probe in suite.probes))


def _read(path: Path, place: str) -> Suite:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        known = ", ".join(available_suites())
        raise UsageError(f"There is no suite file {place}; correct it, or name a packaged suite: {known}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: byte {error.start} is not UTF-8; save the file as UTF-8.") from error
    return parse_suite(text, path=path, place=place)


def _classes(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Class names, needed before anything else is read, since label maps name them."""
    training = raw.get("training")
    classes = training.get("classes") if isinstance(training, Mapping) else None
    return tuple(item for item in classes if isinstance(item, str)) if isinstance(classes, list) else ()


def _with_metrics(probe: Any) -> Any:
    return probe if probe.metrics else replace(probe, metrics=PROBE_METRICS[probe.perspective])
