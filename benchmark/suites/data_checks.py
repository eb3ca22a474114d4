"""What must hold between the keys of one data table."""

from collections.abc import Iterator
from typing import Final

from benchmark.data.spec import LINES_COLUMN, DataSpec, LabelSpec, Thresholds
from benchmark.schema.errors import nearest
from benchmark.suites.convert import Problem

_HUB_KEYS: Final = ("repository", "split", "rows")
_REQUIRED: Final = {
    "artifact": ("resource", "member", "format"),
    "file": ("path", "format"),
    "hub": _HUB_KEYS,
    "mirror": _HUB_KEYS,
}
_FOREIGN: Final = {
    "artifact": ("repository", "configuration", "split", "revision", "path"),
    "file": ("resource", "member", "repository", "configuration", "split", "revision"),
    "hub": ("resource", "member", "path", "format", "columns"),
    "mirror": ("resource", "member", "path", "format", "columns", "revision"),
}


def check_data(spec: DataSpec) -> Iterator[Problem]:
    """The keys that a source needs and those that mean nothing to it, and columns that must agree."""
    for key in _REQUIRED[spec.source]:
        if getattr(spec, key) is None:
            yield key, f"missing; source = {spec.source!r} needs it."
    for key in _FOREIGN[spec.source]:
        if getattr(spec, key):
            yield key, f"means nothing with source = {spec.source!r}; remove it."
    yield from _check_columns(spec)
    for column, allowed in spec.where.items():
        if not allowed:
            yield f"where.{column}", "allows no value, so no row would be left; list the allowed values."
    if spec.limit is not None and spec.rows is not None and spec.limit > spec.rows:
        yield "limit", f"{spec.limit} is more than the {spec.rows} declared in `rows`; lower it or remove it."


def _check_columns(spec: DataSpec) -> Iterator[Problem]:
    if len(set(spec.text)) < len(spec.text):
        yield "text", f"column {spec.text[0]!r} is named twice; name the two columns of the pair."
    if spec.columns and spec.format not in ("csv", "tsv"):
        yield "columns", "only csv and tsv files without a header line need them; remove it."
        return
    known = (LINES_COLUMN,) if spec.format == "lines" else spec.columns
    for column in spec.needed if known else ():
        if column not in known:
            yield "columns" if spec.columns else "text", f"there is no column {column!r}. {nearest(column, known)}"


def check_label(label: LabelSpec) -> Iterator[Problem]:
    """One way of labelling, not two."""
    if label.map is not None and label.thresholds is not None:
        yield "thresholds", "stands beside `map`; keep one of the two."


def check_thresholds(thresholds: Thresholds) -> Iterator[Problem]:
    """Two ends apart, with two classes."""
    if thresholds.at_most >= thresholds.at_least:
        yield "at_most", f"{thresholds.at_most:g} is not below at_least = {thresholds.at_least:g}; lower it."
    if thresholds.low == thresholds.high:
        yield "high", "is the same class as `low`; name the other class."
