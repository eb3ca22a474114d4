"""Convert the value of a label column to a class number."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal

from benchmark.data.spec import LabelSpec, Thresholds
from benchmark.schema.errors import UsageError

BETWEEN = "(between the thresholds)"
NOT_A_NUMBER = "(not a number)"
MISSING = "(missing)"
_WHOLE = re.compile(r"(-?[0-9]+)[.]0*")


def value_text(value: object) -> str:
    """Write a cell as text: ``true`` or ``false``, whole numbers without a point, and empty for None and NaN."""
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float | Decimal) and math.isfinite(value) and value == int(value):
        return str(int(value))
    return str(value).strip()


def plain_number(text: str) -> str:
    """Write a whole number without its point, so that ``1.0`` in a csv file equals 1 in a parquet file."""
    whole = _WHOLE.fullmatch(text)
    return str(int(whole[1])) if whole else text


def class_of(spec: LabelSpec, value: object) -> int | str:
    """Return the class number of a cell, or for an unmapped cell the text under which it is counted."""
    text = value_text(value)
    if not text:
        return MISSING
    if spec.thresholds is not None:
        return _by_threshold(spec.thresholds, text)
    number = plain_number(text)
    if spec.map is not None:
        if text in spec.map:
            return spec.map[text]
        return next((label for key, label in spec.map.items() if plain_number(key) == number), text)
    return int(number) if number.isascii() and number.isdigit() and len(number) < 5 else text


def check_range(label: int, classes: Sequence[str], place: str) -> None:
    """Refuse a class number that the training task lacks.

    Raises:
        UsageError: `classes` is not empty and `label` is not the number of one of them.
    """
    if classes and label >= len(classes):
        raise UsageError(
            f"{place}: class number {label}, but the task has {len(classes)} classes ({', '.join(classes)}). "
            "Correct the label map, or map the column's values with `map`."
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
