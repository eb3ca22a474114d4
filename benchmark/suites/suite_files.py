"""Find and read the files of suites, and of groups, which list suites."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, with_config
from pydantic.json_schema import SkipJsonSchema

from benchmark.evaluation.default_metrics import ATTACK_METRICS, TASK_METRICS
from benchmark.resources import expanded
from benchmark.schema.base import CLOSED, Schema, Words, doc
from benchmark.schema.errors import UsageError, key_path, nearest
from benchmark.suites.config import SUITE, Count, Id, Problem, Suite, Text
from benchmark.suites.validation import check_suite

_FOLDER = Path(__file__).parent
_VERSIONED = re.compile(r"(?P<name>[a-z0-9-]+)@(?P<version>[0-9]+)")
_GROUP = re.compile(r"^suites\s*=", re.MULTILINE)


class SuiteError(UsageError):
    """A suite file with mistakes; the message has one sentence per mistake.

    Attributes:
        problems: every mistake as (key path, sentence).
    """

    def __init__(self, place: str, problems: list[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{place}: {where}: {sentence}" for where, sentence in problems))


def available_suites() -> dict[str, Path]:
    """Return the files of the packaged suites by name, sorted."""
    return {name: path for name, path in _packaged().items() if not _is_group(path)}


def available_groups() -> dict[str, Path]:
    """Return the files of the packaged groups by name, sorted."""
    return {name: path for name, path in _packaged().items() if _is_group(path)}


def suite_argument(suite: Suite) -> str:
    """Return the argument with which a command names a suite: its name if it is packaged, else its file's path."""
    return suite.name if available_suites().get(suite.name) == suite.path else str(suite.path)


def load_suite(name_or_path: str | Path) -> Suite:
    """Load a suite.

    Args:
        name_or_path: a packaged suite (``demo``, or ``demo@3`` to insist on a version) or the path of a TOML file.

    Raises:
        UsageError: there is no such suite or file, or not in that version.
        SuiteError: the file has mistakes, as `parse_suite` lists them.
    """
    text = str(name_or_path)
    if is_path(name_or_path):
        return _read(expanded(text), text)
    name, version = split_version(text)
    if name in available_groups():
        raise UsageError(f"{name} is a group; name one of its suites, which `temper suite show {name}` lists.")
    suites = available_suites()
    if name not in suites:
        raise UsageError(f"There is no suite {name!r}. {nearest(name, suites)} A path to a suite file ends in .toml.")
    suite = _read(suites[name], f"{name}.toml")
    require_asked(suite.name, suite.version, name, version)
    return suite


def is_path(name_or_path: str | Path) -> bool:
    """Return whether a suite or group is given as a file instead of a name."""
    text = str(name_or_path)
    return isinstance(name_or_path, Path) or text.endswith(".toml") or "/" in text or "\\" in text


def split_version(text: str) -> tuple[str, int | None]:
    """Split ``demo@3`` into name and version; the version is None if there is none."""
    versioned = _VERSIONED.fullmatch(text)
    return (versioned["name"], int(versioned["version"])) if versioned else (text, None)


def require_asked(name: str, version: int, asked: str, asked_version: int | None, kind: str = "Suite") -> None:
    """Compare the name and version in a packaged file with the requested ones.

    Raises:
        UsageError: the file has another name or version.
    """
    if name != asked:
        raise UsageError(f"{asked}.toml: name: {name!r} is not the file's name; rename one of the two.")
    if asked_version not in (None, version):
        raise UsageError(
            f"{kind} {name} is at version {version} here, not {asked_version}; "
            f"ask for {name}@{version}, or install the release of Temper that has {name}@{asked_version}."
        )


def parse_suite(text: str, *, path: Path, place: str = "") -> Suite:
    """Read the text of a suite file.

    Args:
        text: TOML.
        path: the path of the file; data files are relative to its folder.
        place: the name of the file in messages; its path if empty.

    Raises:
        SuiteError: the file has mistakes. All invalid keys are listed, and all broken rules between valid keys.
        UsageError: the text is not TOML.
    """
    place = place or str(path)
    raw = parse_toml(text, place)
    suite, problems = read_table(SUITE, raw, path, {"classes": _classes(raw)})
    if problems:
        # Read the fields without the rules inside tables, so that the rules between tables are checked too.
        whole, _ = read_table(SUITE, raw, path, {"classes": _classes(raw), "fields_only": True})
        problems += [] if whole is None else list(check_suite(whole))
    else:
        problems = list(check_suite(suite))
    if problems:
        raise SuiteError(place, problems)
    tasks = (p if p.metrics else replace(p, metrics=TASK_METRICS[p.perspective]) for p in suite.tasks)
    attacks = (a if a.metrics else replace(a, metrics=ATTACK_METRICS) for a in suite.attacks)
    complete: Suite = replace(suite, tasks=tuple(tasks), attacks=tuple(attacks))
    return complete


def read_table(
    schema: Schema, raw: dict[str, Any], path: Path, context: Mapping[str, Any] | None = None
) -> tuple[Any, list[Problem]]:
    """Read a whole TOML file as its type, which also holds the file's path, and list every mistake in its tables."""
    known = schema.json_schema["properties"] if "path" in raw else ()
    problems = [("path", f"is an unknown key; remove it. {nearest('path', known)}")] if "path" in raw else []
    table, others = schema.read({**raw, "path": path}, context=context, pointer=key_path)
    return table, problems + [(problem.pointer, problem.message) for problem in others]


def parse_toml(text: str, place: str) -> dict[str, Any]:
    """Read TOML.

    Raises:
        UsageError: the text is not TOML; the message has the line.
    """
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{place}: not TOML: {error}; correct that line.") from error


def read_text(path: Path, place: str) -> str:
    """Read the text of a suite or group file.

    Raises:
        UsageError: there is no such file, or it is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        known = ", ".join(_packaged())
        raise UsageError(f"There is no suite file {place}; correct it, or name a packaged suite: {known}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{place}: byte {error.start} is not UTF-8; save the file as UTF-8.") from error


def _read(path: Path, place: str) -> Suite:
    return parse_suite(read_text(path, place), path=path, place=place)


def _packaged() -> dict[str, Path]:
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def _is_group(path: Path) -> bool:
    """Return whether a packaged file is a group. Searching the text is much faster than parsing every suite."""
    return _GROUP.search(path.read_text(encoding="utf-8")) is not None


def _classes(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the class names, which are needed first because label maps refer to them."""
    training = raw.get("training")
    classes = training.get("classes") if isinstance(training, Mapping) else None
    return tuple(item for item in classes if isinstance(item, str)) if isinstance(classes, list) else ()


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Group:
    """The tasks of one paper: a file that only lists suites, which are run in its order."""

    name: Annotated[Id, doc("Name on the command line; a packaged group's file has the same name.")]
    version: Annotated[Count, doc("Increases when a member is changed, added or removed.")]
    title: Annotated[Text, doc("One line for lists.")]
    note: Annotated[Text, doc("Common ground of its members, and what is left out.")]
    suites: Annotated[
        tuple[Words, ...],
        Field(min_length=1),
        doc("The members, each a packaged suite with its version, or the path of a suite file next to this one."),
    ]
    path: SkipJsonSchema[Path]

    @property
    def full_name(self) -> str:
        """Return the name with the version: ``mirror@2``."""
        return f"{self.name}@{self.version}"


GROUP = Schema(Group)


def load_suites(name_or_path: str | Path) -> tuple[Suite, ...]:
    """Load the suites of a group, or a single suite.

    Args:
        name_or_path: a packaged suite or group (``mirror``, or ``mirror@2`` to insist on a version) or the path of a
            TOML file of either.

    Raises:
        UsageError: there is no such suite, group or file, or not in that version; or a member is missing.
        SuiteError: a file has mistakes, as `parse_suite` lists them.
    """
    group = find_group(name_or_path)
    return (load_suite(name_or_path),) if group is None else members(group)


def find_group(name_or_path: str | Path) -> Group | None:
    """Load the group of a name or path; return None if it is not a group.

    Raises:
        UsageError: the group has mistakes, or another version.
    """
    text = str(name_or_path)
    if is_path(name_or_path):
        path = expanded(text)
        return _group(path, text) if _lists_suites(path, text) else None
    name, version = split_version(text)
    if name in available_groups():
        path = available_groups()[name]
        group = _group(path, path.name)
        require_asked(group.name, group.version, name, version, "Group")
        return group
    if name not in available_suites():
        known = {**available_suites(), **available_groups()}
        raise UsageError(f"There is no suite {name!r}. {nearest(name, known)} A path to a suite file ends in .toml.")
    return None


def members(group: Group) -> tuple[Suite, ...]:
    """Load the suites of a group, in its order.

    Raises:
        UsageError: a member is missing, has no version or another one, is a duplicate or is a group.
    """
    for member in group.suites:
        if group.suites.count(member) > 1:
            raise _refused(group, f"{member!r} is a duplicate; remove one.")
    return tuple(_member(group, name) for name in group.suites)


def _member(group: Group, member: str) -> Suite:
    if is_path(member):
        path = group.path.parent / expanded(member)
        if _lists_suites(path, str(path)):
            raise _refused(group, f"{member!r} is a group, and a group holds suites only; name its members instead.")
        return load_suite(path)
    name, version = split_version(member)
    if name in available_groups():
        raise _refused(group, f"{member!r} is a group, and a group holds suites only; name its members instead.")
    if version is None and name in available_suites():
        raise _refused(group, f"{member!r} has no version; write {name}@{load_suite(name).version}.")
    try:
        return load_suite(member)
    except SuiteError:
        raise
    except UsageError as error:
        raise _refused(group, str(error)) from error


def _refused(group: Group, sentence: str) -> UsageError:
    return UsageError(f"{group.path.name}: suites: {sentence}")


def _group(path: Path, place: str) -> Group:
    table, problems = read_table(GROUP, parse_toml(read_text(path, place), place), path)
    if problems:
        raise SuiteError(place, problems)
    group: Group = table
    return group


def _lists_suites(path: Path, place: str) -> bool:
    return "suites" in parse_toml(read_text(path, place), place)
