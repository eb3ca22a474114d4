"""From the value of a label column to a class number."""

import math
from collections.abc import Sequence

from benchmark.data.spec import LabelSpec, Thresholds
from benchmark.schema.errors import UsageError

BETWEEN = "(between the thresholds)"
NOT_A_NUMBER = "(not a number)"
MISSING = "(missing)"


def value_text(value: object) -> str:
    """A cell as text: ``true`` and ``false`` for booleans, whole floats without the point, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def class_of(spec: LabelSpec, value: object) -> int | str:
    """Class number of a cell; a cell outside the map gives, as text, the name under which it is counted."""
    text = value_text(value)
    if not text:
        return MISSING
    if spec.thresholds is not None:
        return _by_threshold(spec.thresholds, text)
    if spec.map is not None:
        return spec.map.get(text, text)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else text


def check_range(label: int, classes: Sequence[str], place: str) -> None:
    """Refuse a class number that the training task does not have.

    Raises:
        UsageError: `classes` is not empty and `label` is not the number of one of them.
    """
    if classes and label >= len(classes):
        raise UsageError(
            f"{place}: class number {label}, but the task has {len(classes)} classes ({', '.join(classes)}); "
            "correct the label map, or map the column's values with `map`."
        )


def _by_threshold(thresholds: Thresholds, text: str) -> int | str:
    try:
        rating = float(text)
    except ValueError:
        return NOT_A_NUMBER
    if math.isnan(rating):
        return NOT_A_NUMBER
    if rating <= thresholds.at_most:
        return thresholds.low
    return thresholds.high if rating >= thresholds.at_least else BETWEEN
