"""Hostile submissions: tables of predictions and inspections. Each is refused with its reason."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmark.evaluation.parquet import PredictionTable
from tests.submission.forging import Forgery, assert_refused, edited, hardest, relabelled, without_row


def with_column(name: str, column: Callable[[pa.Table], Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, column(table))


def long_texts(table: pa.Table) -> pa.Table:
    return table.set_column(0, "id", pa.array([f"{i}" + "a" * 8_000_000 for i in range(table.num_rows)]))


def one_long_text(table: pa.Table) -> pa.Table:
    return table.set_column(0, "id", pa.array(["a" * 8_000_000] * table.num_rows))


def many_nulls(table: pa.Table) -> pa.Table:
    ends = pa.array([0] + [20_000_000] * table.num_rows, pa.int32())
    nulls = pa.ListArray.from_arrays(ends, pa.nulls(20_000_000, pa.float32()))
    return table.set_column(2, "logits", nulls)


def not_utf8(table: pa.Table) -> pa.Table:
    ids = pa.array([b"\xff%d" % number for number in range(table.num_rows)], pa.binary())
    return table.set_column(0, "id", pa.StringArray.from_buffers(len(ids), *ids.buffers()[1:]))


@pytest.mark.parametrize(
    ("change", "reason", "options"),
    [
        (long_texts, "unpacks to 128", {"compression": "zstd"}),
        (one_long_text, "is encoded as RLE_DICTIONARY; `temper submit` writes plain", {"use_dictionary": True}),
        (many_nulls, "values; a table has at most", {"compression": "zstd"}),
        (lambda t: t.slice(0, 0), "has 0 rows; the suite's data has 16.", {}),
        (lambda t: pa.concat_tables([t] * 100), "has 1600 rows; the suite's data has 16.", {}),
        (lambda t: t, "carries metadata; `temper submit` writes plain values", {"store_schema": True}),
        (lambda t: t.append_column("id", t.column("id")), "home.parquet: not a prediction table, its columns", {}),
        (lambda t: t.append_column("x", pa.array([0] * t.num_rows)), "its columns are id, label", {}),
        (with_column("label", lambda t: t.column("label").cast(pa.int64())), "'label' is int64 and not int32", {}),
        (
            with_column("label", lambda t: pa.array([2**62] * t.num_rows, pa.timestamp("us"))),
            "its column 'label' is timestamp",
            {},
        ),
        (
            with_column("label", lambda t: pa.nulls(t.num_rows, pa.int32())),
            "with the label None; the suite's data has",
            {},
        ),
        (with_column("id", lambda t: pa.array(["0"] * t.num_rows)), "Duplicate example '0'; ids must be unique", {}),
        (with_column("id", lambda t: pa.array([b"\xff"] * t.num_rows, pa.binary())), "its column 'id' is binary", {}),
        (not_utf8, "home.parquet: not a readable prediction table", {}),
    ],
)
def test_a_table_that_temper_does_not_write(
    forgery: Forgery, change: Callable[[pa.Table], pa.Table], reason: str, options: dict[str, Any]
) -> None:
    forgery.rewrite(change, **options)
    forgery.reseal()
    assert_refused(forgery, reason)


@pytest.mark.parametrize("data", [b"PAR1 no table PAR1", b"", b"PK\3\4", b"PAR1"])
def test_a_file_that_is_not_parquet(forgery: Forgery, data: bytes) -> None:
    forgery.table().write_bytes(data)
    forgery.reseal()
    assert_refused(forgery, "tables/seed-0/home.parquet: is not a parquet file")


def test_a_table_cut_short(forgery: Forgery) -> None:
    forgery.table().write_bytes(forgery.table().read_bytes()[:-9])
    forgery.reseal()
    assert_refused(forgery, "is not a parquet file")


def test_a_broken_page(forgery: Forgery) -> None:
    data = bytearray(forgery.table().read_bytes())
    data[40] ^= 255
    forgery.table().write_bytes(bytes(data))
    forgery.reseal()
    assert_refused(forgery, "home.parquet: not a readable prediction table")


def test_a_column_name_that_is_not_utf8(forgery: Forgery) -> None:
    data = forgery.table().read_bytes()
    name = b"\x25\x00\x18\x02id"
    assert data.count(name) == 1
    forgery.table().write_bytes(data.replace(name, name[:-2] + b"\xff\xfe"))
    forgery.reseal()
    assert_refused(forgery, "tables/seed-0/home.parquet: is not a parquet file")


# -- predictions ----------------------------------------------------------------------------------------------------


def renamed(table: PredictionTable) -> PredictionTable:
    ids = list(table.ids)
    ids[hardest(table)] = "easier"
    return replace(table, ids=tuple(ids))


def reversed_rows(table: PredictionTable) -> PredictionTable:
    return edited(table, ids=lambda x: x[::-1], labels=lambda x: x[::-1].copy(), logits=lambda x: x[::-1].copy())


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (renamed, "is example 'easier' with the label"),
        (relabelled, "home.parquet: row "),
        (reversed_rows, "home.parquet: row 0 is example"),
        (
            lambda t: edited(t, logits=t.logits * np.float32("nan")),
            "are not finite; a diverged run is not a result.",
        ),
    ],
)
def test_predictions_that_are_not_about_the_data(forgery: Forgery, change: Callable[..., Any], reason: str) -> None:
    forgery.edit_predictions(change)
    forgery.reforge()
    assert_refused(forgery, reason)


def test_an_example_that_is_left_out(forgery: Forgery) -> None:
    forgery.edit_predictions(lambda t: without_row(t, hardest(t)))
    forgery.reseal()
    assert_refused(forgery, "has 15 rows; the suite's data has 16.")


def test_logits_of_three_classes(forgery: Forgery) -> None:
    for subject in ("home", "away", "foreign", "validation"):
        for seed in (0, 1):
            forgery.edit_predictions(lambda t: edited(t, logits=np.pad(t.logits, ((0, 0), (0, 1)))), subject, seed)
    forgery.reforge()
    assert_refused(forgery, "has logits of 3 classes; the task has 2.")


def test_better_logits_under_the_old_records(forgery: Forgery) -> None:
    forgery.edit_predictions(lambda t: edited(t, logits=np.eye(2, dtype=np.float32)[t.labels]), "away")
    forgery.reseal()
    assert_refused(forgery, "seed 0, away, brier: /value is")


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        (("home", 0), ("away", 0), "home.parquet: has 24 rows; the suite's data has 16."),
        (("away", 0), ("away", 1), "/table is"),
    ],
)
def test_two_tables_that_are_swapped(forgery: Forgery, left: Any, right: Any, reason: str) -> None:
    one, other = forgery.table(*left), forgery.table(*right)
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    forgery.reseal()
    assert_refused(forgery, reason)


# -- inspections ----------------------------------------------------------------------------------------------------


def test_input_gradients_under_the_old_records(forgery: Forgery) -> None:
    forgery.edit_inspection(lambda t: edited(t, gradients=np.zeros_like(t.gradients)))
    forgery.reseal()
    assert_refused(
        forgery, "seed 0, known, zero_gradient_share: /value is 0.0; the manifest, the tables and the suite give 1.0."
    )


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("gradients", np.nan, "known.parquet: the input gradient of example"),
        ("again", np.inf, "known.parquet: the second logits of example"),
    ],
)
def test_an_inspection_with_values_that_hide_a_flag(forgery: Forgery, part: str, value: float, reason: str) -> None:
    def change(table: Any) -> Any:
        values = getattr(table, part).copy()
        values[0] = value
        return replace(table, **{part: values})

    for seed in (0, 1):
        forgery.edit_inspection(change, seed)
    forgery.reforge()
    assert_refused(forgery, reason)


def test_an_inspection_of_other_examples(forgery: Forgery) -> None:
    forgery.edit_inspection(lambda t: edited(t, predictions=renamed))
    forgery.reforge()
    assert_refused(forgery, "known.parquet: row ")


@pytest.mark.parametrize(("subject", "kind"), [("away", "inspect"), ("known", "predict")])
def test_a_table_of_the_wrong_kind(forgery: Forgery, subject: str, kind: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        for table in (table for run in manifest["runs"] for table in run["tables"]):
            table["kind"] = kind if table["subject"] == subject else table["kind"]

    forgery.edit_manifest(change)
    assert_refused(forgery, f"the suite has no {kind} table of {subject!r}; remove it.")


def test_an_inspection_without_labels(forgery: Forgery) -> None:
    forgery.rewrite(with_column("label", lambda t: pa.nulls(t.num_rows, pa.int32())), "known")
    forgery.reseal()
    assert_refused(forgery, "the inspection table has rows without a label")


def test_every_broken_table_is_named_at_once(forgery: Forgery) -> None:
    for subject in ("home", "away"):
        forgery.table(subject).write_bytes(b"PAR1")
    forgery.reseal()
    assert len(forgery.problems()) == 2
