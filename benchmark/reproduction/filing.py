"""Putting published records into their folder: one file a paper, in one order, nothing twice, nothing by halves."""

import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.schema import Located, Record, UsageError, line_order, read_published, record_key, record_line
from benchmark.schema.atomic_io import sync


@dataclass(frozen=True, slots=True)
class Filed:
    """What an import did: rows that are new, rows that were there, and the files that changed."""

    added: int
    known: int
    files: tuple[Path, ...]


def file_records(records: Sequence[Record], published: Path) -> Filed:
    """Add records to the papers' files.

    Raises:
        UsageError: a number is there already with another value, or the folder cannot be written; nothing is changed.
        IntegrityError: a file that is there is not what it must be.
    """
    there = {record_key(located.record): located for located in read_published(published)}
    new = [record for record in records if record_key(record) not in there]
    _refuse_others(records, there)
    papers = {located.record["source"]["paper"]: located.file.partition("/")[2] for located in there.values()}
    files: dict[str, list[Record]] = {}
    for record in new:
        paper = record["source"]["paper"]
        name = papers.setdefault(paper, _name(paper, set(papers.values())))
        files.setdefault(name, []).append(record)
    for located in there.values():
        if (name := located.file.partition("/")[2]) in files:
            files[name].append(located.record)
    texts = {published / name: _text(found) for name, found in sorted(files.items())}
    try:
        _replace_all(texts)
    except OSError as error:
        raise UsageError(f"{published} cannot be written to: {error.strerror}; nothing was imported.") from error
    return Filed(len(new), len(records) - len(new), tuple(texts))


def _refuse_others(records: Sequence[Record], there: Mapping[tuple[str | int, ...], Located]) -> None:
    clashes = []
    for record in records:
        located = there.get(record_key(record))
        if located is not None and located.record != record:
            stands = f"{located.record['value']} from {' / '.join(located.record['source'].values())}"
            what = f"{record['method']['name']}, {record['probe']['id']}, {record['metric']['id']}"
            clashes.append(f"{what}: {located} has {stands}; remove that line, or correct the CSV.")
    if clashes:
        raise UsageError("\n".join(clashes))


def _name(paper: str, taken: Collection[str]) -> str:
    """A file name out of a paper's: letters, digits and hyphens, with a number where it is taken."""
    slug = re.sub("[^a-z0-9]+", "-", paper.lower()).strip("-")[:60].rstrip("-") or "paper"
    numbered = (f"{slug}{'' if number == 1 else f'-{number}'}.jsonl" for number in range(1, len(taken) + 2))
    return next(name for name in numbered if name not in taken)


def _text(records: Sequence[Record]) -> str:
    def order(record: Record) -> tuple[object, ...]:
        suite, method = record["suite"], record["method"]
        row = (suite["name"], suite["version"], record["backbone"]["name"], method["name"], method["configuration"])
        return (*row, line_order(record))

    return "".join(record_line(record) for record in sorted(records, key=order))


def _replace_all(texts: Mapping[Path, str]) -> None:
    """Write all new files beside the old ones first, so that a full disk changes none of them."""
    fresh: dict[Path, Path] = {}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh[path] = path.with_name(f".{path.name}.{os.getpid()}.partial")
            fresh[path].write_text(text, encoding="utf-8")
            sync(fresh[path])
        for path, partial in fresh.items():
            partial.replace(path)
    finally:
        for partial in fresh.values():
            partial.unlink(missing_ok=True)
