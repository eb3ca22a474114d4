"""What a run writes beside a row's records: what the method is, and texts that each attack flipped."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmark.evaluation.tables import read_attack
from benchmark.execution.cells import ATTACKED, Cell
from benchmark.schema import MOST_EXAMPLES, attack_example_line, method_card_text, printable
from benchmark.schema.attack_rows import AttackRow


def companions_of(cells: list[Cell], place: str) -> Iterator[tuple[str, str]]:
    """The companions of a finished row.

    Args:
        cells: The row's cells.
        place: Where its records stand below the results folder: ``<suite>/<method>/<backbone>/seed-<n>.jsonl``.

    Yields:
        Path below the results folder, and text. Attacked texts are the first flipped ones of seed 0's table.
    """
    row, home = cells[0].row, Path(place).parent
    cls = row.method.cls
    summary = " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split()) or "No description."
    yield str(home.parent / "method.json"), method_card_text(cls.name, printable(summary), printable(cls.paper)[:400])
    if row.seed != 0:
        return
    for cell in cells:
        if cell.kind == "score" and cell.scored == "attack":
            yield str(home / "attacks" / f"{cell.subject}.jsonl"), _examples(cell)


def _examples(cell: Cell) -> str:
    artifact = cell.reads["table"]
    flipped = [row for row in read_attack(artifact.folder / ATTACKED) if row.outcome == "flipped"]
    shown = [_example(row, cell.row.seed, artifact.files[ATTACKED]) for row in flipped[:MOST_EXAMPLES]]
    return "".join(map(attack_example_line, shown))


def _example(row: AttackRow, seed: int, table: str) -> dict[str, Any]:
    logits = row.logits_final or ()
    return {
        "seed": seed,
        "table": table,
        "id": printable(row.id),
        "outcome": row.outcome,
        "label": row.label,
        "predicted": logits.index(max(logits)),
        "queries": row.queries,
        "similarity": None if row.similarity is None else round(row.similarity, 4),
        "original": printable(row.original),
        "perturbed": printable(row.perturbed or ""),
    }
