"""A stranger's folder, looked at from outside in: files, hashes, manifest, records; nothing is executed or unpacked."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark.schema import (
    IntegrityError,
    Problem,
    SuiteFolder,
    UsageError,
    file_fingerprint,
    nearest,
    parse_json,
    printable,
    read_results,
)
from benchmark.schema.base import Schema
from benchmark.submission.layout import (
    LARGEST,
    LARGEST_FOLDER,
    MANIFEST,
    MOST_FILES,
    MOST_PARTS,
    RECORDS,
    SOURCE,
    SUBMISSION,
    SUBMISSION_SCHEMA_VERSION,
    expected_files,
    row_folder,
    sources_schema,
)
from benchmark.submission.plain import strange_texts

_MOST, _LONGEST, _SUGGESTED = 50, 600, 5
"""Most sentences, most characters of one, and for how many unknown names the nearest is looked up."""


@dataclass(frozen=True)
class Submission:
    """A submission whose files are what its manifest says, and whose records are valid.

    Attributes:
        folder: Where it lies.
        manifest: As `SUBMISSION` has it.
        sources: The method's source texts.
        results: Card and records.
    """

    folder: Path
    manifest: Mapping[str, Any]
    sources: Mapping[str, Any]
    results: SuiteFolder

    @property
    def runs(self) -> dict[int, Mapping[str, Any]]:
        """What the manifest says of each seed."""
        return {run["seed"]: run for run in self.manifest["runs"]}

    def records(self, seed: int) -> list[dict[str, Any]]:
        """The records of a seed, in the order of their file."""
        return [found.record for found in self.results.records if found.record["seed"] == seed]


def read_submission(folder: Path) -> Submission:
    """Read a submission.

    Raises:
        UsageError: there is no such folder.
        IntegrityError: it is not what it must be; one sentence a line.
    """
    if folder.is_symlink() or not folder.is_dir():
        what = "is a link" if folder.is_symlink() else "is a file" if folder.exists() else "is not there"
        raise UsageError(f"{folder} {what}; name the folder that `temper submit` made.")
    found = scan(folder)
    manifest = _read(folder, MANIFEST, lambda _: SUBMISSION, found)
    if manifest["schema"] != SUBMISSION_SCHEMA_VERSION:
        stated = manifest["schema"]
        raise IntegrityError(f"{MANIFEST}: /schema: is {stated}; this version reads {SUBMISSION_SCHEMA_VERSION}.")
    _refuse(f"{MANIFEST}: {problem}" for problem in (*_twice(manifest), *strange_texts(_without_files(manifest))))
    _refuse(_file_problems(folder, manifest, found))
    sources = _read(folder, SOURCE, sources_schema, found)
    return Submission(folder, manifest, sources, _read_records(folder, manifest))


def scan(folder: Path) -> dict[str, int]:
    """Every file below a folder with its size; links, special files, odd names and excess are refused.

    Raises:
        IntegrityError: one sentence a line.
    """
    found: dict[str, int] = {}
    problems = list(_walk(folder, PurePosixPath(), found))
    if sum(found.values()) > LARGEST_FOLDER:
        problems.append(f"The folder holds {sum(found.values())} bytes; a submission has at most {LARGEST_FOLDER}.")
    _refuse(problems)
    return found


def _walk(folder: Path, inner: PurePosixPath, found: dict[str, int]) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda one: one.name):
        path = inner / entry.name
        name = ascii(str(path))
        if len(found) >= MOST_FILES or len(path.parts) > MOST_PARTS:
            yield f"{name}: is more than {MOST_FILES} files or {MOST_PARTS} folders deep; remove what is no part."
            return
        if entry.is_symlink():
            yield f"{name}: is a link; a submission holds plain files only."
        elif entry.is_dir(follow_symlinks=False):
            if not any(os.scandir(folder / entry.name)):
                yield f"{name}: is an empty folder; remove it."
                return
            yield from _walk(folder / entry.name, path, found)
        elif not entry.is_file(follow_symlinks=False):
            yield f"{name}: is neither a file nor a folder; remove it."
        else:
            size = entry.stat(follow_symlinks=False).st_size
            yield from _too_large(name, path.suffix, size)
            found[str(path)] = size


def _too_large(name: str, suffix: str, size: int) -> Iterator[str]:
    if suffix not in LARGEST:
        yield f"{name}: has no place in a submission, which holds {', '.join(LARGEST)} only; remove it."
    elif size > LARGEST[suffix]:
        yield f"{name}: has {size} bytes; a {suffix} file has at most {LARGEST[suffix]}."


def _read(folder: Path, name: str, schema_of: Callable[[object], Schema], found: Mapping[str, int]) -> Any:
    if name not in found:
        raise IntegrityError(f"{name}: is missing; `temper submit` writes it.")
    value, problems = parse_json((folder / name).read_bytes())
    _refuse(f"{name}: {problem}" for problem in problems or schema_of(value).problems(value))
    return value


def _twice(manifest: Mapping[str, Any]) -> Iterator[Problem]:
    seeds = [run["seed"] for run in manifest["runs"]]
    if len(set(seeds)) != len(seeds):
        yield Problem("/runs", f"names a seed twice ({', '.join(map(str, sorted(seeds)))}); keep one run of each.")
    for number, run in enumerate(manifest["runs"]):
        subjects = [table["subject"] for table in run["tables"]]
        if len(set(subjects)) != len(subjects):
            yield Problem(f"/runs/{number}/tables", "names a subject twice; keep one table of each.")


def _file_problems(folder: Path, manifest: Mapping[str, Any], found: Mapping[str, int]) -> Iterator[str]:
    """Compare what is there, what is listed, and what the rest of the manifest asks for."""
    listed, wanted = manifest["files"], expected_files(manifest)
    for number, name in enumerate(sorted(set(listed) - wanted)):
        # Looking for the nearest name takes long, and a stranger may list thousands.
        near = nearest(name, wanted) if number < _SUGGESTED else ""
        yield f"{MANIFEST}: /files: lists {name!a}, which is no part of this submission. {near}"
    for name in sorted(found.keys() - wanted - {MANIFEST}):
        yield f"{name!a}: is no part of this submission; remove it."
    for name in sorted(wanted - found.keys()):
        yield f"{name}: is missing; run `temper submit` again."
    for name in sorted(wanted & found.keys()):
        yield from _hash_problem(folder, name, listed.get(name), found[name])


def _hash_problem(folder: Path, name: str, listed: Mapping[str, Any] | None, size: int) -> Iterator[str]:
    if listed is None:
        yield f"{MANIFEST}: /files: does not list {name}; run `temper submit` again."
    elif listed["size"] != size or listed["sha256"] != file_fingerprint(folder / name):
        ends = " Its lines end in CR LF: let git leave it as it is." if b"\r\n" in _beginning(folder / name) else ""
        yield f"{name}: is not the file that {MANIFEST} lists: its size or hash differs.{ends}"


def _beginning(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(1 << 16)


def _read_records(folder: Path, manifest: Mapping[str, Any]) -> SuiteFolder:
    try:
        (results,) = read_results(folder / RECORDS)
    except IntegrityError as error:
        _refuse(str(error).replace(f"{folder}/", "").split("\n"))
        raise
    problems = [f"{RECORDS}/{drop.where}: {drop.reason}." for drop in results.dropped]
    if results.fingerprint != manifest["suite"]["fingerprint"]:
        problems.append(f"{MANIFEST}: /suite/fingerprint: is not that of the suite card beside the records.")
    for located in results.records:
        record = located.record
        if record["kind"] != "measured":
            problems.append(f"{located}: /kind: is {record['kind']}; a submission holds measured records only.")
        if record["verification"] != "self-reported":
            level = record["verification"]
            problems.append(f"{located}: /verification: says {level}; only `temper verify` may write that.")
        problems += [f"{located}: {problem}" for problem in strange_texts(record)]
    _refuse(problems)
    return results


def _without_files(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in manifest.items() if key != "files"}


def _refuse(problems: Iterator[str] | list[str]) -> None:
    """Raise what was found, a sentence a line; a flood is cut short."""
    found = list(problems)
    if found:
        sentences = [printable(" ".join(shorten(problem).split())) for problem in found[:_MOST]]
        more = [f"And {len(found) - _MOST} more."] if len(found) > _MOST else []
        raise IntegrityError("\n".join((*sentences, *more)))


def shorten(sentence: str) -> str:
    """A sentence without its middle where it is long: a stranger's key may have a million characters."""
    half = _LONGEST // 2
    return sentence if len(sentence) <= _LONGEST else f"{sentence[:half]} … {sentence[-half:]}"


def destination(root: Path, manifest: Mapping[str, Any]) -> Path:
    """Where a submission lies below a folder of submissions."""
    return root / row_folder(manifest)
