"""Groups: files that name several suites, so that one command runs the tasks of one paper."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, with_config
from pydantic.json_schema import SkipJsonSchema

from benchmark.schema.base import CLOSED, Schema, Words, doc
from benchmark.schema.errors import UsageError, nearest
from benchmark.suites.config import Count, Id, Suite, Text
from benchmark.suites.loader import (
    SuiteError,
    available_groups,
    available_suites,
    is_path,
    load_suite,
    parse_toml,
    read_table,
    read_text,
    require_asked,
    split_version,
)


@with_config(CLOSED)
@dataclass(frozen=True, slots=True)
class Group:
    """The tasks of one paper: a file that only lists suites, which are run in its order."""

    name: Annotated[Id, doc("What the command line calls it; a packaged group's file has the same name.")]
    version: Annotated[Count, doc("Goes up when a member changes, comes or goes.")]
    title: Annotated[Text, doc("One line for lists.")]
    note: Annotated[Text, doc("What its members have in common, and what is left out.")]
    suites: Annotated[
        tuple[Words, ...],
        Field(min_length=1),
        doc("The members, each a packaged suite with its version, or the path of a suite file beside this one."),
    ]
    path: SkipJsonSchema[Path]


GROUP = Schema(Group)


def load_suites(name_or_path: str | Path) -> tuple[Suite, ...]:
    """Load the suites of a group, or a single suite.

    Args:
        name_or_path: a packaged suite or group (``mirror``, or ``mirror@1`` to insist on a version) or the path of a
            TOML file of either.

    Raises:
        UsageError: there is no such suite, group or file, or not in that version; or a member is missing.
        SuiteError: a file has mistakes; all of them are listed.
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
        path = Path(text).expanduser()
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
        path = group.path.parent / Path(member).expanduser()
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
