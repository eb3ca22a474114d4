"""Edit a submission as a forger would: change anything, and make hashes, keys and records follow."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmark.evaluation.parquet import (
    FeatureTable,
    InspectionTable,
    PredictionTable,
    read_attack,
    read_features,
    read_inspection,
    read_predictions,
    write_attack,
    write_features,
    write_inspection,
    write_predictions,
)
from benchmark.execution.cards import suite_card
from benchmark.execution.workload import Workload
from benchmark.schema import TemperError, canonical_json, card_fingerprint, file_fingerprint
from benchmark.schema.attack_outcome import AttackRow
from benchmark.submission.read import read_submission
from benchmark.submission.record_checks import Seed, key_problems, rescore, stated_seed
from benchmark.submission.verify import Verification


@dataclass
class Forgery:
    """A copy of an honest submission.

    Attributes:
        folder: The copy.
        work: The suite's data.
        scratch: For verifications.
    """

    folder: Path
    work: Workload
    scratch: Path

    @property
    def row(self) -> str:
        (folder,) = {path.parent for path in (self.folder / "records").rglob("seed-*.jsonl")}
        return folder.relative_to(self.folder).as_posix()

    def table(self, subject: str = "home", seed: int = 0) -> Path:
        return self.folder / f"tables/seed-{seed}/{subject}.parquet"

    def records(self, seed: int = 0) -> Path:
        return self.folder / self.row / f"seed-{seed}.jsonl"

    # -- editing ----------------------------------------------------------------------------------------------

    def edit_manifest(self, change: Callable[[dict[str, Any]], None]) -> None:
        path = self.folder / "submission.json"
        manifest = json.loads(path.read_text())
        change(manifest)
        path.write_text(json.dumps(manifest))

    def edit_records(
        self, change: Callable[[dict[str, Any]], None], *, only: Callable[..., bool] | None = None
    ) -> None:
        """Change the records of all seeds, or those for which `only` says so."""
        for path in (self.folder / self.row).glob("seed-*.jsonl"):
            records = [json.loads(line) for line in path.read_text().splitlines()]
            for record in records:
                if only is None or only(record):
                    change(record)
            path.write_text("".join(json.dumps(record) + "\n" for record in records))

    def edit_predictions(
        self, change: Callable[[PredictionTable], PredictionTable], subject: str = "home", seed: int = 0
    ) -> None:
        path = self.table(subject, seed)
        write_predictions(path, change(read_predictions(path)))

    def edit_inspection(self, change: Callable[[InspectionTable], InspectionTable], seed: int = 0) -> None:
        path = self.table("known", seed)
        write_inspection(path, change(read_inspection(path)))

    def edit_features(self, change: Callable[[FeatureTable], FeatureTable], subject: str, seed: int = 0) -> None:
        path = self.table(f"features/{subject}", seed)
        write_features(path, change(read_features(path)))

    def edit_attack(self, change: Callable[[AttackRow], AttackRow], *, only: str = "", seed: int = 0) -> None:
        """Change the first row of an outcome, or the first row."""
        path = self.table("textfooler", seed)
        rows = read_attack(path)
        index = next(number for number, row in enumerate(rows) if not only or row.outcome == only)
        rows[index] = change(rows[index])
        write_attack(path, rows)

    def rewrite(self, change: Callable[[pa.Table], pa.Table], subject: str = "home", **options: Any) -> None:
        """Write a table with columns, types or options that the product would not write."""
        path = self.table(subject)
        options = {"store_schema": False, "use_dictionary": False, **options}
        pq.write_table(change(pq.ParquetFile(path).read()), path, **options)

    # -- covering the tracks ----------------------------------------------------------------------------------

    def reseal(self) -> None:
        """Give every file that is there the hash and size that it has now."""
        files = sorted(path for path in self.folder.rglob("*") if path.is_file() and path.name != "submission.json")

        def change(manifest: dict[str, Any]) -> None:
            manifest["files"] = {
                path.relative_to(self.folder).as_posix(): {
                    "sha256": file_fingerprint(path),
                    "size": path.stat().st_size,
                }
                for path in files
            }

        self.edit_manifest(change)

    def reforge(self) -> None:
        """Score the edited tables with the product's own code, and write the records and keys that come out."""
        self.reseal()
        self.rekey()
        card = suite_card(self.work)
        for number, seed in self._seeds().items():
            list(key_problems(seed, self.work))
            made = rescore(seed, self.work, card)
            self.records(number).write_text("".join(canonical_json(record) + "\n" for record in made))
        self.reseal()

    def rekey(self) -> None:
        """State every table under the key that the stated weights and the suite's data give."""
        keys = {}
        for number, seed in self._seeds().items():
            list(key_problems(seed, self.work))
            keys |= {(number, cell.kind, cell.subject): cell.key for cell in seed.cells}

        def change(manifest: dict[str, Any]) -> None:
            for run in manifest["runs"]:
                for table in run["tables"]:
                    table["key"] = keys.get((run["seed"], table["kind"], table["subject"]), table["key"])

        self.edit_manifest(change)

    def _seeds(self) -> dict[int, Seed]:
        submission, scratch = read_submission(self.folder), Path(tempfile.mkdtemp(dir=self.scratch))
        return {seed: stated_seed(submission, seed, scratch / f"seed-{seed}") for seed in submission.runs}

    def recard(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the suite card, and give records and manifest its new fingerprint."""
        (path,) = (self.folder / "records").glob("*/suite.json")
        card = json.loads(path.read_text())
        change(card)
        path.write_text(canonical_json(card) + "\n")
        stated = card_fingerprint(card)
        self.edit_records(lambda record: record["suite"].update(fingerprint=stated))
        self.edit_manifest(lambda manifest: manifest["suite"].update(fingerprint=stated))
        self.reseal()

    # -- the verdict ------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        """Every sentence that a verification has about it; empty where it holds."""
        try:
            submission = read_submission(self.folder)
        except TemperError as error:
            return str(error).split("\n")
        verification = Verification(submission, self.work, Path(tempfile.mkdtemp(dir=self.scratch)))
        return [problem for _, problems in verification.checks() for problem in problems]


def copy_of(honest: Path, folder: Path, work: Workload) -> Forgery:
    """A copy to do anything to."""
    shutil.copytree(honest, folder / "submission")
    return Forgery(folder / "submission", work, folder)


def without_row(table: PredictionTable, index: int) -> PredictionTable:
    """A prediction table that lacks an example."""
    kept = [number for number in range(len(table.ids)) if number != index]
    labels = None if table.labels is None else table.labels[kept]
    return PredictionTable(tuple(table.ids[number] for number in kept), labels, table.logits[kept])


def hardest(table: PredictionTable) -> int:
    """The example that the model has most wrong."""
    assert table.labels is not None
    margins = [row[label] - row[1 - label] for row, label in zip(table.logits, table.labels, strict=True)]
    return min(range(len(margins)), key=margins.__getitem__)


def relabelled(table: PredictionTable) -> PredictionTable:
    """The hardest example with the label that the model gives it."""
    assert table.labels is not None
    labels = table.labels.copy()
    index = hardest(table)
    labels[index] = 1 - labels[index]
    return replace(table, labels=labels)


def edited(table: Any, **fields: Any) -> Any:
    """A table with other fields; a function is given the old value."""
    return replace(table, **{name: f(getattr(table, name)) if callable(f) else f for name, f in fields.items()})


def assert_refused(forgery: Forgery, reason: str) -> None:
    """Expect the reason among the sentences, each of which must be safe to print."""
    problems = forgery.problems()
    assert any(reason in problem for problem in problems), problems
    for problem in problems:
        assert problem.isprintable(), "a terminal would obey it"
        assert len(problem) < 1500
