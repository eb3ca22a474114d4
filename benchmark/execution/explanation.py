"""The states of cells, and why an expected cell is missing."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.execution.attack_parts import owners
from benchmark.execution.cells import PART, TABLES, Cell, Kind, Row, cells_of, weights_hash
from benchmark.execution.store import Artifact, Store
from benchmark.execution.workload import Workload
from benchmark.schema import IntegrityError, canonical_json

State = Literal["done", "broken", "running", "begun", "missing", "waiting"]


@dataclass(frozen=True)
class Difference:
    """One field in which two specs differ.

    Attributes:
        pointer: JSON pointer of the field.
        expected: Its value in the requested cell, as JSON; empty if that has no such field.
        actual: Its value in the nearest finished cell, likewise.
    """

    pointer: str
    expected: str
    actual: str


@dataclass(frozen=True)
class Explanation:
    """A missing cell.

    Attributes:
        label: The cell's name.
        nearest: Key of the finished cell of its kind with the fewest differences; empty if there is none.
        nearest_row: Method and seed of that cell; empty if they are unknown.
        differences: The fields in which the two cells differ.
    """

    label: str
    nearest: str
    nearest_row: str
    differences: tuple[Difference, ...]


def state_of(cell: Cell, store: Store) -> State:
    """Return whether a cell is done, corrupt, being computed, interrupted, missing, or waiting for another cell."""
    if cell.key is None:
        return "waiting"
    try:
        if store.peek(cell.kind, cell.key) is not None:
            return "done"
    except IntegrityError:
        return "broken"
    if any(owners(cell, store)):
        return "running"
    begun = store.is_partial(cell.kind, cell.key) or any(
        store.is_partial(PART, part.key) or store.folder(PART, part.key).is_dir() for part in cell.parts
    )
    return "begun" if begun else "missing"


def explain(rows: Sequence[Row], work: Workload, store: Store) -> Iterator[Explanation]:
    """Explain every cell that has a spec and no artifact."""
    for row in rows:
        for cell in cells_of(row, work, store):
            if cell.spec is not None and state_of(cell, store) != "done":
                yield _explain(cell, store)


def _explain(cell: Cell, store: Store) -> Explanation:
    candidates = [(tuple(differences(cell.spec or {}, spec)), key, spec) for key, spec in store.specs(cell.kind)]
    if not candidates:
        return Explanation(cell.label, "", "", ())
    fewest, key, spec = min(candidates, key=lambda candidate: (len(candidate[0]), candidate[1]))
    return Explanation(cell.label, key, _row_of(cell.kind, spec, store), fewest)


def _row_of(kind: Kind, spec: Mapping[str, Any], store: Store) -> str:
    """Name the method and seed of a finished cell, by following the hashes of inputs in its spec."""
    if kind == "train":
        return f"{spec['method']['name']}, seed {spec['seed']}"
    if kind == "score":
        tables = (
            (table, other)
            for table, file in TABLES.items()
            for key, other in store.specs(table)
            if store.receipt(table, key).get(file) == spec["tables"]["table"]
        )
        return next((_row_of(table, other, store) for table, other in tables), "")
    models = (
        other
        for key, other in store.specs("train")
        if weights_hash(Artifact(store.root, store.receipt("train", key))) == spec["weights"]
    )
    return next((_row_of("train", other, store) for other in models), "")


def differences(expected: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield the fields in which two specs differ, sorted by pointer."""
    left, right = dict(_leaves(expected, "")), dict(_leaves(actual, ""))
    for pointer in sorted(left | right):
        if left.get(pointer) != right.get(pointer):
            yield Difference(pointer, left.get(pointer, ""), right.get(pointer, ""))


def _leaves(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{pointer}/{key}")
    else:
        yield pointer, canonical_json(value)
