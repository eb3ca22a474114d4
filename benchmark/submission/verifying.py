"""Verification: what a submission says, held against the suite, its data and its own tables, one check after another.

Nothing of the submission is executed: its method is neither imported nor made, its tables are read by a child process.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from benchmark.data import Dataset
from benchmark.evaluation.tables import PredictionTable, read_attack, read_inspection, read_predictions
from benchmark.execution.cards import suite_card
from benchmark.execution.cells import Cell
from benchmark.execution.explaining import differences
from benchmark.execution.registry import MethodRequest
from benchmark.execution.workload import VALIDATION, Workload
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import TemperError, card_fingerprint, fingerprint
from benchmark.submission.declared import declaration_problems
from benchmark.submission.examples import Named, attack_problems, inspection_problems, prediction_problems
from benchmark.submission.gathering import require_whole
from benchmark.submission.intake import Submission
from benchmark.submission.layout import table_path
from benchmark.submission.reading import Wanted, read_tables
from benchmark.submission.rescoring import record_problems, rescore
from benchmark.submission.sources import name_problems, source_problems
from benchmark.submission.stated import StatedStore, stated_row
from benchmark.submission.twins import twins
from benchmark.suites import Attack

Problems = Iterator[str]

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        problems: A sentence for everything that is wrong; empty where it holds.
    """

    name: str
    problems: tuple[str, ...]


@dataclass
class Verification:
    """A submission under verification; use `checks`, which ends with the first check that does not hold.

    Attributes:
        submission: As it was read.
        work: The suite's data on this machine.
        scratch: An empty folder.
        cells: The cells of each seed, once its records have been scored again.
    """

    submission: Submission
    work: Workload
    scratch: Path
    cells: dict[int, list[Cell]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_whole(self.work, "verified")
        self.card = suite_card(self.work)
        files = self.submission.manifest["files"]
        self.stores = {
            seed: StatedStore(self.scratch / f"seed-{seed}", run, files) for seed, run in self.submission.runs.items()
        }

    def checks(self) -> Iterator[Check]:
        """Run the checks in order; a later one may rely on what an earlier one has found."""
        steps: Sequence[tuple[str, Callable[[], Problems]]] = (
            ("suite version, fingerprint and data hashes", self._suite),
            ("seeds", self._seeds),
            ("method source, read and not run", self._source),
            ("backbone", self._backbone),
            ("tables, read by a child process", self._read),
            ("examples, labels and outcomes", self._examples),
            ("training, keys and every record, scored again", self._records),
        )
        for name, step in steps:
            check = Check(name, tuple(_told(step)))
            yield check
            if check.problems:
                return

    def _suite(self) -> Problems:
        theirs, results = self.submission.manifest["suite"], self.submission.results
        mine = {"name": self.card["name"], "version": self.card["version"]}
        for part in ("name", "version"):
            if theirs[part] != mine[part]:
                versions = f"{theirs['name']}@{theirs['version']}, and this is {mine['name']}@{mine['version']}"
                yield f"The submission is of {versions}."
                return
        if theirs["fingerprint"] != card_fingerprint(self.card):
            found = list(differences(_by_id(self.card), _by_id(results.card)))
            for one in found[:5]:
                here, there = (text[:120] or "nothing" for text in (one.found, one.wanted))
                yield f"suite.json: {one.pointer} is {here}; the suite here says {there}."
            if not found:
                yield "suite.json: the order of its probes is not the suite's; run with this version of Temper."

    def _seeds(self) -> Problems:
        suite, runs = self.work.suite, self.submission.runs
        least = suite.minimum_seeds if suite.ranked else 1
        # Counted by how many there are: a seed may be any number that a stranger writes.
        wanted = set(range(max(least, len(runs))))
        for seed in sorted(wanted - runs.keys()):
            yield f"seed {seed} is missing; {suite.name} needs {least} seeds, counted from 0, and none left out."
        held = {found.record["seed"] for found in self.submission.results.records}
        for seed in sorted(runs.keys() - held):
            yield f"seed {seed} has no records."
        for one, other in combinations(sorted(runs), 2):
            yield from self._same(one, other)
        identities = {fingerprint(_identity(found.record)) for found in self.submission.results.records}
        if len(identities) > 1:
            yield "The records are of more than one method version, source, hyper-parameters or backbone: submit one."
        failed = [found for found in self.submission.results.records if found.record["status"] == "failed"]
        if failed:
            yield f"{failed[0]}: the row failed; a submission holds finished rows only."

    def _same(self, one: int, other: int) -> Problems:
        """Two seeds that state one and the same outcome are one run under two names."""
        runs, files = self.submission.runs, self.submission.manifest["files"]
        weights = [runs[seed]["weights"].get(WEIGHTS) for seed in (one, other)]
        if weights[0] == weights[1] and weights[0] is not None:
            yield f"seeds {one} and {other} state the same weights; a seed is a run of its own."
        for table in runs[one]["tables"]:
            paths = [table_path(seed, table["subject"]) for seed in (one, other)]
            if table["kind"] == "predict" and files[paths[0]] == files.get(paths[1]):
                yield f"seeds {one} and {other} have the same table of {table['subject']}; a seed is a run of its own."
                return

    def _source(self) -> Problems:
        record = self._any()
        name = self.submission.manifest["method"]["name"]
        yield from name_problems(name)
        yield from source_problems(name, record["method"]["source"], self.submission.sources)
        overrides = MethodRequest.parse(name).overrides_of(self.work.suite.hyperparameters)
        yield from declaration_problems(record["method"], overrides, self.submission.sources)

    def _backbone(self) -> Problems:
        """The suite's own backbone is known here; another one is as the submission states it."""
        stated = self._any()["backbone"]
        mine = resolve_backbone(self.work.suite.backbone).identity()
        if stated["name"] == mine["name"] and stated != mine:
            theirs = f"{stated['source']} {stated['revision']}"
            yield f"The backbone {mine['name']} is {mine['source']} {mine['revision']} here; the records say {theirs}."

    def _read(self) -> Problems:
        wanted = []
        for seed, store in self.stores.items():
            for table in store.run["tables"]:
                data, name = self.data_of(table["subject"], table["kind"]), table_path(seed, table["subject"])
                if data is None:
                    yield f"{name}: the suite has no {table['kind']} table of {table['subject']!r}; remove it."
                    continue
                path = str((self.submission.folder / name).resolve())
                wanted.append(Wanted(name, path, table["kind"], len(data), str(store.copy_of(table).resolve())))
        yield from read_tables(wanted)

    def _examples(self) -> Problems:
        classes = len(self.work.suite.training.classes)
        for seed, store in self.stores.items():
            tables = {table["subject"]: table for table in store.run["tables"]}
            for subject, table in sorted(tables.items()):
                data = self.data_of(subject, table["kind"])
                if data is None:
                    continue
                named = Named(table_path(seed, subject), data, classes)
                copy = store.copy_of(table)
                if table["kind"] == "predict":
                    yield from prediction_problems(read_predictions(copy), named)
                elif table["kind"] == "inspect":
                    yield from inspection_problems(read_inspection(copy), named)
                else:
                    attack = next(one for one in self.work.suite.attacks if one.id == subject)
                    on = tables.get(attack.on)
                    same = None if on is None else predictions_of(store, on)
                    yield from attack_problems(read_attack(copy), replace(named, queries=most_queries(attack)), same)
        yield from twins(self.stores)

    def _records(self) -> Problems:
        for seed, store in self.stores.items():
            stated = self.submission.records(seed)
            row = stated_row(stated[0], store.run)
            self.cells[seed], computed = rescore(row, self.work, self.card, store)
            yield from record_problems(stated, computed)

    def data_of(self, subject: str, kind: str) -> Dataset | None:
        """The examples that a table must be about; None for a subject that the suite has not."""
        if kind == "attack":
            return self.work.attacked.get(subject)
        if (kind == "inspect") != (subject in self.work.inspected):
            return None
        return self.work.splits.validation if subject == VALIDATION else self.work.probes.get(subject)

    def _any(self) -> Mapping[str, Any]:
        return self.submission.results.records[0].record


def predictions_of(store: StatedStore, table: Mapping[str, Any]) -> PredictionTable:
    """What the model said first, of a prediction or an inspection."""
    copy = store.copy_of(table)
    return read_inspection(copy).predictions if table["kind"] == "inspect" else read_predictions(copy)


def most_queries(attack: Attack) -> int | None:
    """How many texts an attack may ask about for an example; None where the suite leaves that open."""
    budget = attack.parameters.get("query_budget", attack.parameters.get("queries"))
    return budget if isinstance(budget, int) else None


def _told(step: Callable[[], Problems]) -> Problems:
    """What a step yields, and what it raises, a sentence a line."""
    try:
        yield from step()
    except TemperError as error:
        yield from str(error).split("\n")


def _identity(record: Mapping[str, Any]) -> dict[str, Any]:
    return {part: record[part] for part in ("suite", "method", "backbone")}


def _by_id(card: Mapping[str, Any]) -> dict[str, Any]:
    """A card with its probes by name, so that a difference names the probe."""
    probes = {f"{probe['id']} ({probe['perspective']})": probe for probe in card["probes"]}
    overlap = {entry["probe"]: entry for entry in card["overlap"]}
    return {**card, "probes": probes, "overlap": overlap}


def scratch_folder() -> "tempfile.TemporaryDirectory[str]":
    """An empty folder for copies and scores, gone at the end of a ``with``."""
    return tempfile.TemporaryDirectory(prefix="temper-verify-")
