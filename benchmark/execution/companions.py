"""Files that a run writes next to a row's records: the method's card, and texts that each attack flipped."""

import inspect
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from benchmark.evaluation.tables import read_attack
from benchmark.execution.cells import ATTACKED, Cell
from benchmark.schema import MOST_EXAMPLES, attack_example_line, excerpt, method_card_text
from benchmark.schema.attachments import (
    ATTACKS_FOLDER,
    LONGEST_ID,
    LONGEST_PAPER,
    LONGEST_SUMMARY,
    LONGEST_TEXT,
    METHOD_FILE,
)
from benchmark.schema.attack_outcome import AttackRow


def companions_of(cells: list[Cell], place: str) -> Iterator[tuple[str, str]]:
    """Yield the companion files of a finished row.

    Args:
        cells: The row's cells.
        place: Path of its records below the results folder: ``<suite>/<method>/<backbone>/seed-<n>.jsonl``.

    Yields:
        The path below the results folder, and the text. Attacked texts are the first flipped ones of seed 0's table.
    """
    cls = cells[0].row.method.cls
    yield described(place, cls.name, inspect.getdoc(cls) or "", cls.paper)
    yield from flipped_texts(cells, place)


def described(place: str, name: str, doc: str, paper: str) -> tuple[str, str]:
    """Return path and text of a method's card: the first paragraph of its documentation, and its paper."""
    summary = " ".join(doc.partition("\n\n")[0].split()) or "No description."
    text = method_card_text(name, excerpt(summary, LONGEST_SUMMARY), excerpt(str(paper), LONGEST_PAPER))
    return str(Path(place).parents[1] / METHOD_FILE), text


def flipped_texts(cells: list[Cell], place: str) -> Iterator[tuple[str, str]]:
    """Yield path and text of each attack's examples; yield nothing for a seed other than 0."""
    home = Path(place).parent
    for cell in cells if cells[0].row.seed == 0 else ():
        if cell.kind == "score" and cell.scored == "attack":
            yield str(home / ATTACKS_FOLDER / f"{cell.subject}.jsonl"), _examples(cell)


def _examples(cell: Cell) -> str:
    artifact = cell.reads["table"]
    flipped = [row for row in read_attack(artifact.folder / ATTACKED) if row.outcome == "flipped"]
    shown = [_example(row, cell.row.seed, artifact.files[ATTACKED]) for row in flipped[:MOST_EXAMPLES]]
    return "".join(map(attack_example_line, shown))


def _example(row: AttackRow, seed: int, table: str) -> dict[str, Any]:
    # Exclude the label: rounding to three decimals can make its logit equal to the predicted class's.
    logits = dict(enumerate(row.logits_final or ()))
    logits.pop(row.label, None)
    return {
        "seed": seed,
        "table": table,
        "id": excerpt(row.id, LONGEST_ID),
        "outcome": row.outcome,
        "label": row.label,
        "predicted": max(logits, key=logits.__getitem__),
        "queries": row.queries,
        "similarity": None if row.similarity is None or not isfinite(row.similarity) else round(row.similarity, 4),
        "original": excerpt(row.original, LONGEST_TEXT),
        "perturbed": excerpt(row.perturbed or "", LONGEST_TEXT),
    }
