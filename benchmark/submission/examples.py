"""Tables against the suite's data: every example, its label and its text, and an attack against the predictions."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from benchmark.attacks.text import words_changed, words_of
from benchmark.data import Dataset, Example
from benchmark.evaluation.tables import InspectionTable, PredictionTable
from benchmark.schema.attack_outcome import AttackRow
from benchmark.submission.plain import MARKUP, UNSAFE

SAME_LOGITS = 0.01
"""Largest gap between an attack's first logits, which keep three decimals, and the prediction of the same text."""

GROWTH, MORE_WORDS = 2, 4
"""What swapping words can do to a text: so many times as long, and a margin; so many words for one that changed."""
_MARGIN = 1000


@dataclass(frozen=True)
class Named:
    """A table's name in sentences, and the data that it must be about; of an attack, the most texts that it may ask."""

    name: str
    data: Dataset
    classes: int
    queries: int | None = None


def prediction_problems(table: PredictionTable, named: Named) -> Iterator[str]:
    """Yield a sentence for every way in which a prediction table is not about the data."""
    yield from _same_examples(table.ids, named)
    if table.logits.shape[1] != named.classes:
        yield f"{named.name}: has logits of {table.logits.shape[1]} classes; the task has {named.classes}."
    elif not np.isfinite(table.logits).all():
        index = int(np.argwhere(~np.isfinite(table.logits))[0][0])
        yield f"{named.name}: the logits of example {table.ids[index]!a} are not finite; a diverged run is no result."
    truth = {example.id: example.label for example in named.data.examples}
    labels = [None] * len(table.ids) if table.labels is None else table.labels.tolist()
    yield from _same_labels(dict(zip(table.ids, labels, strict=True)), truth, named)


def inspection_problems(table: InspectionTable, named: Named) -> Iterator[str]:
    """Yield a sentence for every way in which an inspection is not about the data; what is no number hides a flag."""
    yield from prediction_problems(table.predictions, named)
    for what, values in (("second logits", table.again), ("input gradient", table.gradients)):
        if not np.isfinite(values).all():
            index = int(np.argwhere(~np.isfinite(values))[0][0])
            yield f"{named.name}: the {what} of example {table.predictions.ids[index]!a} are not finite."


def attack_problems(rows: list[AttackRow], named: Named, predictions: PredictionTable | None) -> Iterator[str]:
    """Yield a sentence for every way in which an attack table is not about the data or contradicts itself.

    Args:
        rows: The attack table.
        named: Its name and the attacked examples.
        predictions: The same model's predictions on the probe that was attacked.
    """
    yield from _same_examples([row.id for row in rows], named)
    truth = {example.id: example for example in named.data.examples}
    yield from _same_labels(
        {row.id: row.label for row in rows}, {name: example.label for name, example in truth.items()}, named
    )
    known = {} if predictions is None else dict(zip(predictions.ids, predictions.logits, strict=True))
    for row in rows:
        if row.id in truth:
            for problem in (*_row_problems(row, truth[row.id], named), *_first_logits(row, known)):
                yield f"{named.name}: example {row.id!a} {problem}"


def _same_examples(ids: "tuple[str, ...] | list[str]", named: Named) -> Iterator[str]:
    wanted = [example.id for example in named.data.examples]
    missing, extra = sorted(set(wanted) - set(ids)), sorted(set(ids) - set(wanted))
    if missing:
        yield f"{named.name}: lacks example {missing[0]!r} of the suite's data, and {len(missing) - 1} more."
    if extra:
        yield f"{named.name}: has example {extra[0]!a}, which the suite's data has not, and {len(extra) - 1} more."
    if not missing and not extra and list(ids) != wanted:
        yield f"{named.name}: has its examples in another order than the suite's data."


def _same_labels(stated: Mapping[str, int | None], truth: Mapping[str, int | None], named: Named) -> Iterator[str]:
    wrong = [name for name, label in stated.items() if name in truth and truth[name] != label]
    if wrong:
        first = wrong[0]
        yield (
            f"{named.name}: says that example {first!r} has the label {stated[first]}, the suite's data says "
            f"{truth[first]}; and {len(wrong) - 1} more."
        )


def _row_problems(row: AttackRow, example: Example, named: Named) -> Iterator[str]:
    if row.original != example.texts[-1]:
        yield "has another text than the suite's data."
        return
    # Only an error may come before the model has answered.
    asked = [row.logits_original] if row.logits_original or row.outcome != "error" else []
    widths = {len(logits) for logits in (*asked, row.logits_final) if logits is not None}
    if widths - {named.classes}:
        yield f"has logits of {min(widths - {named.classes})} classes; the task has {named.classes}."
        return
    values = [*row.logits_original, *(row.logits_final or ()), row.similarity or 0.0]
    if not np.isfinite(values).all():
        yield "has a number that is not finite."
        return
    yield from _outcome_problems(row)
    yield from _search_problems(row, named.queries)
    yield from _text_problems(row, example)


def _outcome_problems(row: AttackRow) -> Iterator[str]:
    """Hold the outcome against the logits that stand beside it."""
    right = _is_right(row.logits_original, row.label)
    if row.outcome != "error" and right == (row.outcome == "skipped"):
        yield f"is {row.outcome!r} although its first logits are {'right' if right else 'wrong'}."
    if row.logits_final is not None and _is_right(row.logits_final, row.label) == (row.outcome != "survived"):
        yield f"is {row.outcome!r} although its last logits say otherwise."


def _search_problems(row: AttackRow, most: int | None) -> Iterator[str]:
    """What no search leaves behind, whatever the model."""
    if row.outcome == "skipped" and row.queries != 1:
        yield f"is 'skipped' after {row.queries} texts were asked about; that takes one."
    if most is None and row.outcome == "budget":
        yield "has used up its queries, of which the suite sets no number."
    if most is not None and row.queries > most:
        yield f"has asked about {row.queries} texts; the suite allows {most}."
    if row.similarity is not None and not -1.01 <= row.similarity <= 1.01:
        yield f"has the similarity {row.similarity:g}, which no cosine is."
    if (row.similarity is None) == (row.outcome == "flipped"):
        yield f"is {row.outcome!r} {'without' if row.similarity is None else 'with'} a similarity."
    if row.perturbed == row.original and row.logits_final is not None:
        gap = float(np.abs(np.array(row.logits_final) - np.array(row.logits_original)).max())
        if row.outcome == "flipped" or gap > SAME_LOGITS:
            yield "ends with the text that it began with and with other logits."


def _text_problems(row: AttackRow, example: Example) -> Iterator[str]:
    """Count the words again, and look for characters that no substitution brings."""
    before = words_of(example.texts[-1])
    words = len(before)
    if row.words != words:
        yield f"says that its text has {row.words} words; it has {words}."
    if row.perturbed is None:
        return
    longest = GROWTH * len(row.original) + _MARGIN
    if len(row.perturbed) > longest:
        yield f"ends with a text of {len(row.perturbed)} characters; swapping words makes at most {longest} of it."
        return
    if added := set(row.perturbed) & UNSAFE - set(row.original):
        yield f"holds the character U+{ord(min(added)):04X} in its changed text, which the original has not."
    if markup := set(MARKUP.findall(row.perturbed)) - set(MARKUP.findall(row.original)):
        yield f"holds markup ({min(markup)!a}) in its changed text, which the original has not."
    after = words_of(row.perturbed)
    changed = words_changed(before, after)
    if row.changed != changed:
        yield f"says that {row.changed} words are changed; {changed} are."
    if len(after) > words + MORE_WORDS * changed:
        yield f"ends with a text of {len(after)} words, out of {words} of which {changed} are changed."


def _first_logits(row: AttackRow, known: Mapping[str, "np.ndarray[tuple[int], np.dtype[np.float32]]"]) -> Iterator[str]:
    """An attack starts from what the model says of the text as it is, which the prediction table has too."""
    logits = known.get(row.id)
    if logits is None or not row.logits_original or len(logits) != len(row.logits_original):
        return
    gap = float(np.abs(logits - np.array(row.logits_original)).max())
    if gap > SAME_LOGITS:
        yield f"starts from logits that differ by {gap:.2g} from the prediction of the same text: two models."


def _is_right(logits: tuple[float, ...], label: int) -> bool | None:
    """Whether the label's logit is the highest; None for a tie, which the table's three decimals may have made."""
    if not 0 <= label < len(logits):
        return False
    others = max((value for number, value in enumerate(logits) if number != label), default=-math.inf)
    return None if logits[label] == others else logits[label] > others
