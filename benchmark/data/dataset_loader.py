"""Load a `Dataset` from a `DataSpec`: read, filter, normalise, label, deduplicate, limit and check."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from pathlib import Path

from benchmark.data.dataset import Dataset, Example, LoadReport
from benchmark.data.readers import Row
from benchmark.data.selection import Unique, canonical, deduplicate, stratified
from benchmark.data.spec import DataSpec, LabelSpec, Thresholds, how_to_get, source_rows
from benchmark.data.text_normalisation import first_words, is_blank, normalise, text_key
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class PartialDataError(IntegrityError, UnavailableError):
    """The local copy of a Hub data set has fewer rows than the suite declares, so the declared set is unavailable."""


def load(
    spec: DataSpec,
    *,
    name: str = "",
    classes: Sequence[str] = (),
    base: Path | None = None,
    exclude: Collection[str] = frozenset(),
) -> Dataset:
    """Load a data set.

    Args:
        spec: source, columns, filters, and the declared rows and content.
        name: the data set's name in messages; the source's own if empty.
        classes: names of the classes; empty leaves the range of labels unchecked.
        base: folder that a relative path starts at.
        exclude: text keys of examples that are dropped before the limit.

    Returns:
        Examples in canonical order with a `LoadReport` of what was dropped and why; without labels, no label names.

    Raises:
        UnavailableError: the data is not on this machine; the message says how to get it.
        UsageError: a column, member, configuration or class does not exist.
        IntegrityError: rows or content differ from the declared ones, or the source is damaged; a `PartialDataError`,
            which is also an UnavailableError, if a Hub data set lacks rows.
        TemperError: no row is left.
    """
    converter = _Converter(spec, classes)
    examples = converter.examples(source_rows(spec, base))
    check_rows(spec, converter.rows)
    unique = deduplicate(examples) if spec.deduplicate else Unique(canonical(examples), 0, 0)
    new = [example for example in unique.kept if text_key(example.texts) not in exclude] if exclude else unique.kept
    kept = stratified(new, spec.limit)
    report = converter.report(unique, len(new), len(kept))
    if not report.rows:
        raise TemperError(f"{spec.place} has no rows. Use another file, or get this one again.")
    if not kept:
        raise TemperError(
            f"{spec.place}: none of the {report.rows} rows is left ({_losses(report)}). Correct the filters or the "
            "label map."
        )
    dataset = Dataset(name or spec.place, kept, tuple(classes) if spec.label else (), report)
    check_content(spec, dataset)
    return dataset


class _Converter:
    """Converts rows to examples in one pass and counts the dropped rows."""

    def __init__(self, spec: DataSpec, classes: Sequence[str]) -> None:
        self.spec, self.classes = spec, classes
        self.where = {column: {plain_number(value) for value in allowed} for column, allowed in spec.where.items()}
        self.rows = self.filtered = self.empty = 0
        self.unmapped: Counter[str] = Counter()

    def examples(self, rows: Iterable[Row]) -> list[Example]:
        """Convert rows to examples, in the source's order."""
        examples = (self._example(number, row) for number, row in enumerate(rows))
        return [example for example in examples if example is not None]

    def report(self, unique: Unique, new: int, kept: int) -> LoadReport:
        """Return all counts, once the later steps are done."""
        losses = (self.filtered, self.empty, dict(self.unmapped), unique.duplicates, unique.conflicts, new - kept)
        return LoadReport(self.rows, *losses, kept, len(unique.kept) - new)

    def _example(self, number: int, row: Row) -> Example | None:
        self.rows += 1
        if any(plain_number(value_text(row.get(column))) not in allowed for column, allowed in self.where.items()):
            self.filtered += 1
            return None
        texts = tuple(self._text(number, row, column) for column in self.spec.text)
        if any(map(is_blank, texts)):
            self.empty += 1
            return None
        label = self._label(number, row)
        if isinstance(label, str):
            self.unmapped[label] += 1
            return None
        if label is not None:
            check_range(label, self.classes, f"{self.spec.place}, row {number}")
        group = value_text(row.get(self.spec.group)) if self.spec.group else ""
        return Example(str(number), texts, label, group or None)

    def _label(self, number: int, row: Row) -> int | str | None:
        spec = self.spec.label
        return None if spec is None else class_of(spec, self._cell(number, row, spec.column, "label"))

    def _text(self, number: int, row: Row, column: str) -> str:
        text = normalise(value_text(self._cell(number, row, column, "text")))
        # JSON can hold half a character, which would fail much later, when the text is hashed or stored.
        if _HALF_CHARACTER.search(text):
            raise IntegrityError(
                f"{self.spec.place}, row {number}, column {column!r} holds half of a surrogate pair, which is not a "
                "character. Correct the source."
            )
        return first_words(text, self.spec.words)

    def _cell(self, number: int, row: Row, column: str, kind: str) -> object:
        value = row.get(column)
        if isinstance(value, list | dict | bytes):
            type_ = "bytes" if isinstance(value, bytes) else "a list" if isinstance(value, list) else "a table"
            raise IntegrityError(
                f"{self.spec.place}, row {number}, column {column!r} holds {type_} instead of a {kind}. Name another "
                "column."
            )
        return value


def check_rows(spec: DataSpec, rows: int) -> None:
    """Refuse a source whose number of rows differs from the declared one.

    Raises:
        IntegrityError: a `PartialDataError` if a Hub data set lacks rows.
    """
    if spec.rows is not None and rows != spec.rows:
        counts = f"{spec.place} has {rows} rows here, but the suite declares {spec.rows}"
        if rows < spec.rows and spec.origin.can_be_partial:
            raise PartialDataError(f"{counts}: the data set is incomplete. Get all of it with {how_to_get(spec)}.")
        raise IntegrityError(
            f"{counts}: this is another version of the data set. Get the declared one, or declare this one in a suite "
            "of your own."
        )


def check_content(spec: DataSpec, dataset: Dataset) -> None:
    """Refuse examples whose hash differs from the declared one.

    Raises:
        IntegrityError: texts, labels or class names differ.
    """
    if spec.content_hash is not None and dataset.content_hash != spec.content_hash:
        raise IntegrityError(
            f"{spec.place} has the content {dataset.content_hash}, but {spec.content_hash} is declared. "
            "Get the declared version, or declare this one in a suite of your own."
        )


def _losses(report: LoadReport) -> str:
    unmapped = ", ".join(f"{value!r} {count}" for value, count in Counter(report.unmapped).most_common(5))
    counts = f"filtered {report.filtered}, empty {report.empty}, conflicting {report.conflicts}"
    excluded = f", in training {report.excluded}" if report.excluded else ""
    return f"{counts}, label outside the map: {unmapped or 0}{excluded}"


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
