"""Publish a verified submission: write its records with their verification level for the leaderboard."""

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.execution.cards import write_card
from benchmark.execution.method_source import class_texts
from benchmark.execution.records import flipped_texts, method_card, require_recordable, write_attachments, write_records
from benchmark.schema import Record, UsageError, read_records, record_key, record_path
from benchmark.schema.trial import TRIALS_FILE, trial_line
from benchmark.submission.method_checks import registered_texts
from benchmark.submission.verify import Verification


@dataclass(frozen=True)
class PublishReport:
    """The record files that were written, those that replaced other content, and stale ones that were removed."""

    files: list[Path]
    replaced: list[Path]
    removed: list[Path]


def publish(verification: Verification, results: Path, rerun: Collection[int]) -> PublishReport:
    """Write a verified submission to a results folder, as "rescored", or "rerun" for seeds that were trained again.

    Next to its records are the method's description and some texts that its attacks flipped. A record that is there
    and is equal keeps a higher level. Nothing is written until everything is ready.

    Raises:
        UsageError: the folder holds another state of the suite or another row in this one's place, or is not writable.
        IntegrityError: a part of the submission is not valid on the leaderboard.
    """
    submission = verification.submission
    by_seed = {seed: submission.records(seed) for seed in submission.runs}
    places = {seed: record_path(records[0]) for seed, records in by_seed.items()}
    home = results / Path(places[min(places)]).parent
    stale = sorted(set(home.glob("seed-*.jsonl")) - {results / place for place in places.values()})
    require_recordable([seed.row for seed in verification.seeds.values()], verification.card, results)
    try:
        levelled = [_levelled(by_seed[seed], results / place, rerun=seed in rerun) for seed, place in places.items()]
        attachments = list(_attachments(verification, places))
        before = [_text_at(results / place) for place in places.values()]
        write_card(results, verification.card, [*places.values(), *(str(path.relative_to(results)) for path in stale)])
        write_attachments(results, attachments)
        files = [write_records(results, records) for records in levelled]
        for path in stale:
            path.unlink()
    except OSError as error:
        raise UsageError(f"{results} cannot be written to: {error.strerror} ({error.filename}).") from error
    replaced = [path for path, text in zip(files, before, strict=True) if text not in ("", _text_at(path))]
    return PublishReport(files, replaced, stale)


def _levelled(records: list[Record], path: Path, *, rerun: bool) -> list[Record]:
    """Return the records at their new level, or at "rerun" if an equal record at `path` has it already."""
    held = {record_key(record): record for record in (read_records(path) if path.is_file() else [])}
    again = [{**record, "verification": "rerun"} for record in records]
    return [one if rerun or held.get(record_key(one)) == one else {**one, "verification": "rescored"} for one in again]


def _attachments(verification: Verification, places: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    name = verification.submission.manifest.method.name
    # Use a registered method's own docstring, since the hash of a submitted source does not cover docstrings.
    texts = registered_texts(name) or verification.submission.sources
    yield method_card(places[min(places)], name, *description(name, texts))
    home = Path(places[min(places)]).parent
    if trials := verification.submission.trials:
        yield str(home / TRIALS_FILE), "".join(map(trial_line, trials))
    for seed, place in places.items():
        yield from flipped_texts(verification.seeds[seed].cells, place, verification.work.suite)


def description(name: str, texts: Mapping[str, Any]) -> tuple[str, str]:
    """Read the docstring and the paper of a method from its source texts, as its class would give them."""
    if isinstance(members := texts.get("members"), Mapping):
        parts = name.split("+")
        papers = dict.fromkeys(description(part, members[part])[1] for part in parts)
        return f"{' and '.join(parts)}, composed.", "; ".join(papers)
    doc = paper = ""
    # The texts of the classes are numbered in the method resolution order.
    numbered = [key for key in texts if key.partition(":")[0].isdecimal()]
    for key in sorted(numbered, key=lambda key: int(key.partition(":")[0])):
        try:
            body = ast.parse(texts[key]).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        name = key.rpartition(":")[2].rpartition(".")[2]
        for node in (node for node in body if isinstance(node, ast.ClassDef) and node.name == name):
            doc = doc or ast.get_docstring(node) or ""
            paper = paper or next(class_texts(node, "paper"), "")
    return doc, paper


def _text_at(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
