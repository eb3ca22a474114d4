"""Tests that tables round-trip, are written deterministically, and are read strictly."""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.evaluation.parquet import (
    FeatureTable,
    PredictionTable,
    read_attack,
    read_features,
    read_predictions,
    write_attack,
    write_columns,
    write_features,
    write_predictions,
)
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import IntegrityError, TemperError

TABLE = PredictionTable(
    ("7", "a/ä"), np.array([0, 1], np.int32), np.array([[1.5, -2.25, 0.1], [3.0, np.nan, np.inf]], np.float32)
)
ROWS = [
    AttackRow("1", 0, "flipped", 3, "a 🙂 b", "a c b", 3, 1, 0.5, None, (1.0, 2.0), (3.0, 1.0)),
    AttackRow("2", 1, "error", 0, "", None, 0, 0, None, "ValueError: x", (), None),
]


def test_predictions_round_trip(tmp_path):
    path = tmp_path / "seed=0" / "predictions.parquet"
    path.parent.mkdir()
    write_predictions(path, TABLE)
    back = read_predictions(path)
    assert back.ids == TABLE.ids
    np.testing.assert_array_equal(back.labels, TABLE.labels)
    np.testing.assert_array_equal(back.logits, TABLE.logits)
    assert (back.labels.dtype, back.logits.dtype) == (np.int32, np.float32)
    assert [file.name for file in path.parent.iterdir()] == ["predictions.parquet"]


def test_unlabelled_predictions_round_trip(tmp_path):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, PredictionTable(TABLE.ids, None, TABLE.logits))
    assert read_predictions(path).labels is None


@pytest.mark.parametrize("labels", [np.array([0, 1], np.int32), None])
@pytest.mark.parametrize("width", [3, 0])
def test_features_round_trip(tmp_path, labels, width):
    features = np.array([[1.5, -65504, 6e-8], [0.1, np.inf, np.nan]], np.float16)[:, :width]
    path = tmp_path / "features.parquet"
    write_features(path, FeatureTable(TABLE.ids, labels, features))
    back = read_features(path)
    assert back.ids == TABLE.ids
    np.testing.assert_array_equal(back.features, features)
    assert back.features.dtype == np.float16
    assert (back.labels is None) if labels is None else (back.labels.tolist() == [0, 1])
    with pytest.raises(IntegrityError, match="not a prediction table"):
        read_predictions(path)


def test_features_take_two_bytes_each(tmp_path):
    random = np.random.default_rng(0)
    ids = tuple(map(str, range(1000)))
    write_features(tmp_path / "f", FeatureTable(ids, None, random.normal(size=(1000, 100)).astype(np.float16)))
    assert (tmp_path / "f").stat().st_size < 2.1 * 100 * 1000


def test_broken_feature_tables_are_refused(tmp_path):
    path, lists = tmp_path / "features.parquet", pa.list_(pa.field("element", pa.float16(), nullable=False))
    for features, labels, problem in (
        ([[1.0], [1.0, 2.0]], [0, 1], "features of different lengths"),
        ([[1.0], [2.0]], [0, None], "labels for only a part of its rows"),
    ):
        column = pa.array([[np.float16(x) for x in row] for row in features], lists)
        write_columns(path, {"id": ["a", "b"], "label": labels, "features": column}, "feature")
        with pytest.raises(IntegrityError, match=f"{problem}; delete the file and compute it again"):
            read_features(path)
    with pytest.raises(TemperError, match="must be float16 of shape"):
        FeatureTable(("a",), None, np.ones((1, 2), np.float32))


def test_attacks_round_trip(tmp_path):
    path = tmp_path / "attack.parquet"
    write_attack(path, ROWS)
    assert read_attack(path) == ROWS
    write_attack(path, [])
    assert read_attack(path) == []


def test_equal_tables_are_equal_files(tmp_path):
    for name in ("first", "second"):
        write_predictions(tmp_path / name, TABLE)
        write_attack(tmp_path / f"{name}-attack", ROWS)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert (tmp_path / "first-attack").read_bytes() == (tmp_path / "second-attack").read_bytes()
    assert pq.read_metadata(tmp_path / "first").metadata is None


@pytest.mark.parametrize("kept", [0, 10, -1])
def test_a_cut_file_is_refused(tmp_path, kept):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, TABLE)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(IntegrityError, match=r"predictions\.parquet: not a readable prediction table"):
        read_predictions(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match="not a readable attack table"):
        read_attack(tmp_path / "none")


def test_a_flipped_byte_is_refused(tmp_path):
    path = tmp_path / "attack.parquet"
    write_attack(path, ROWS)
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        read_attack(path)


LISTS = pa.list_(pa.field("element", pa.float32(), nullable=False))


def predictions(**change):
    columns = {
        "id": pa.array(["1", "2"]),
        "label": pa.array([0, 1], pa.int32()),
        "logits": pa.array([[0.0, 1.0], [1.0, 0.0]], LISTS),
    }
    return pa.table({name: value for name, value in (columns | change).items() if value is not None})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (predictions(label=None), "columns are id, logits and not id, label, logits"),
        (predictions(extra=pa.array([1, 2])), "columns are id, label, logits, extra"),
        (predictions(label=pa.array([0, 1], pa.int64())), "'label' is int64 and not int32"),
        (predictions(id=pa.array(["1", None])), "'id' has 1 nulls"),
        (predictions(logits=pa.array([[0.0], [1.0]], pa.list_(pa.float32()))), "'logits' is list"),
        (predictions(id=pa.array(["1", "1"])), "Duplicate example '1'"),
        (predictions(label=pa.array([0, None], pa.int32())), "labels for only a part"),
        (predictions(logits=pa.array([[0.0], [1.0, 0.0]], LISTS)), "logits of different lengths"),
    ],
)
def test_other_tables_are_refused(tmp_path, table, message):
    path = tmp_path / "predictions.parquet"
    pq.write_table(table, path, store_schema=False)
    with pytest.raises(IntegrityError, match=message):
        read_predictions(path)


def test_an_attack_row_that_contradicts_itself_is_refused(tmp_path):
    path = tmp_path / "attack.parquet"
    write_attack(path, ROWS)
    table = pq.ParquetFile(path).read()
    pq.write_table(table.set_column(2, "outcome", pa.array(["won", "error"])), path, store_schema=False)
    with pytest.raises(IntegrityError, match=r"attack\.parquet.*example '1' has the outcome 'won'"):
        read_attack(path)
    pq.write_table(table.set_column(1, "label", pa.array([None, 1], pa.int32())), path, store_schema=False)
    with pytest.raises(IntegrityError, match="'label' has nulls"):
        read_attack(path)


@pytest.mark.parametrize(
    ("ids", "labels", "logits", "message"),
    [
        (("1", "2"), None, np.zeros((1, 2), np.float32), "must be float32"),
        (("1",), None, np.zeros((1, 2)), "must be float32"),
        (("1",), np.zeros(2, np.int32), np.zeros((1, 2), np.float32), "must be int32"),
        (("1", "1"), None, np.zeros((2, 2), np.float32), "Duplicate example '1'"),
    ],
)
def test_parts_that_do_not_fit_are_refused(ids, labels, logits, message):
    with pytest.raises(TemperError, match=message):
        PredictionTable(ids, labels, logits)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "predictions.parquet"
    write_predictions(path, TABLE)
    before = path.read_bytes()

    def full_disk(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(TemperError, match=r"cannot write the attack table.*No space left"):
        write_attack(path, ROWS)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["predictions.parquet"]
