"""A row as its submission states it: stands where a run has a method, a backbone and a store, and executes neither."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from benchmark.execution.cells import MODEL, TABLES, TRAINING, Row
from benchmark.execution.explaining import differences
from benchmark.execution.registry import ConfiguredMethod
from benchmark.execution.store import Artifact, Store
from benchmark.models.backbones import Backbone
from benchmark.submission.layout import table_path

if TYPE_CHECKING:
    from benchmark.training.method import Method


class StatedMethod:
    """Has a method's name and version, and says of what it reads what the submission says."""

    name: ClassVar[str]
    version: ClassVar[str]
    stated_reads: ClassVar[Mapping[str, str]]

    def __init__(self, **hyperparameters: object) -> None:
        self.hyperparameters = hyperparameters

    def reads(self, _backbone: Backbone) -> dict[str, str]:
        """What is stated."""
        return dict(self.stated_reads)


def stated_row(record: Mapping[str, Any], run: Mapping[str, Any]) -> Row:
    """The row of a submission's seed.

    Args:
        record: Any record of the seed.
        run: What the manifest says of the seed.
    """
    method, backbone = record["method"], record["backbone"]
    stated = run["training"].get("method") if isinstance(run["training"], dict) else None
    reads = stated.get("reads") if isinstance(stated, dict) else None
    reads = reads if isinstance(reads, dict) else {}
    body = {"name": method["name"], "version": method["version"], "stated_reads": reads}
    cls = cast("type[Method]", type("Stated", (StatedMethod,), body))
    configured = ConfiguredMethod(cls, method["hyperparameters"], method["configuration"], method["source"])
    place = Backbone(backbone["name"], backbone["source"], backbone["revision"], Path())
    return Row(configured, place, run["seed"])


class StatedStore(Store):
    """Holds what a submission says it has: weights by their hashes, tables by their keys; scores are computed into it.

    Attributes:
        run: What the manifest says of the seed.
    """

    def __init__(self, root: Path, run: Mapping[str, Any], files: Mapping[str, Any]) -> None:
        """Take a run.

        Args:
            root: Where scores go and copies of tables lie, see `copy_of`.
            run: What the manifest says of the seed.
            files: The manifest's hashes by path.
        """
        super().__init__(root)
        self.run = run
        self._trained = self._training()
        self._tables = {
            (table["kind"], table["key"]): Artifact(
                self.copy_of(table).parent,
                {TABLES[table["kind"]]: files[table_path(run["seed"], table["subject"])]["sha256"]},
            )
            for table in run["tables"]
        }

    def copy_of(self, table: Mapping[str, Any]) -> Path:
        """Where the copy of a table lies that is safe to read."""
        return self.root / "tables" / str(table["subject"]) / TABLES[table["kind"]]

    def peek(self, kind: str, key: str) -> Artifact | None:
        """What the submission states under a key; a row has one training, whatever its key."""
        if kind == "train":
            return self._trained
        return self._tables.get((kind, key)) if kind in TABLES else super().peek(kind, key)

    def _training(self) -> Artifact:
        folder = self.root / "training"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / TRAINING).write_text(json.dumps(self.run["outcome"], allow_nan=False), encoding="utf-8")
        return Artifact(folder, {f"{MODEL}/{name}": digest for name, digest in self.run["weights"].items()})


def training_problems(stated: Mapping[str, Any], wanted: Mapping[str, Any], *, any_precision: bool) -> Iterator[str]:
    """Yield a sentence for every field in which a stated training is not the one that the suite asks for.

    Args:
        stated: The submission's spec of its training.
        wanted: The spec that the suite and the records give.
        any_precision: Whether the suite leaves the precision to the device.
    """
    for found in differences(wanted, stated):
        if any_precision and found.pointer == "/recipe/precision" and found.found in ('"fp32"', '"bf16"'):
            continue
        here, there = found.found or "nothing", found.wanted or "nothing"
        yield f"was trained with {found.pointer} {here[:200]}; the suite and the records say {there[:200]}."
