"""Submissions with features: anomaly metrics and retention are scored again, and hostile tables are refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmark.evaluation.parquet import FeatureTable
from benchmark.execution.local import run_rows
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.execution.workload import BEFORE, TRAINING_PART, materialise
from benchmark.schema import TemperError
from benchmark.submission import build as building
from benchmark.submission.read import MEBIBYTE, read_submission
from benchmark.submission.replay import replay_problems
from benchmark.submission.table_checks import MOST_FEATURES
from benchmark.submission.verify import Verification
from benchmark.suites import load_suite
from tests.execution.test_features import LISTED, row_of
from tests.execution.test_retention import suite_of
from tests.submission.conftest import Ran
from tests.submission.forging import Forgery, assert_refused, copy_of, edited
from tests.submission.test_tables import with_column

PART = f"features/{TRAINING_PART}"


@pytest.fixture(scope="module")
def featured(tiny_backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Two seeds of a suite with two metrics of features and a retention task."""
    folder = tmp_path_factory.mktemp("featured")
    suite = suite_of(folder, tiny_backbone)
    suite.write_text(suite.read_text().replace('id = "foreign"\n', LISTED))
    work = materialise(load_suite(str(suite)))
    rows = [row_of(work, "worddrop").with_seed(seed) for seed in range(2)]
    report = run_rows(rows, work, Store(folder / "out/store"), folder / "out/results", Quiet())
    assert not report.failures
    summary = building.build(rows, work, Store(folder / "out/store"), folder / "out/results", folder / "submissions")
    return Ran(suite, work, rows, folder / "out", summary.folder)


@pytest.fixture()
def forgery(featured: Ran, tmp_path: Path) -> Forgery:
    return copy_of(featured.submission, tmp_path, featured.work)


def values(forgery: Forgery) -> dict[str, Any]:
    records = read_submission(forgery.folder).records(0)
    return {record["metric"]["id"]: record["value"] for record in records}


def test_an_honest_submission_holds_every_feature_and_is_scored_again(forgery: Forgery) -> None:
    names = {path.name for path in (forgery.folder / "tables/seed-1/features").iterdir()}
    subjects = (TRAINING_PART, "home", "foreign", "other", f"other{BEFORE}")
    assert names == {f"{subject}.parquet" for subject in subjects}
    assert forgery.problems() == []
    before = values(forgery)
    assert None not in [before[name] for name in ("auroc_knn", "auroc_mahalanobis", "probe_change")]
    forgery.reforge()
    assert forgery.problems() == []
    assert values(forgery) == before


@pytest.mark.parametrize(
    ("subject", "metric"), [("foreign", "foreign, auroc_knn"), ("home", "foreign, auroc_"), ("other", "other, probe_")]
)
def test_better_features_under_the_old_records(forgery: Forgery, subject: str, metric: str) -> None:
    forgery.edit_features(lambda t: edited(t, features=np.roll(t.features, 1, axis=1) * np.float16(-3)), subject)
    if subject == "other":
        forgery.edit_features(lambda t: edited(t, features=t.features * np.float16(0)), subject)
    forgery.reseal()
    assert_refused(forgery, f"seed 0, {metric}")


def first(value: float) -> Callable[[FeatureTable], FeatureTable]:
    def change(table: FeatureTable) -> FeatureTable:
        features = table.features.copy()
        features[0, 0] = value
        return replace(table, features=features)

    return change


def test_features_that_are_not_numbers(forgery: Forgery) -> None:
    forgery.edit_features(first(np.nan), TRAINING_PART)
    forgery.reforge()
    assert_refused(forgery, "training part.parquet: the features of example")


def test_features_beyond_16_bits_give_no_value(forgery: Forgery) -> None:
    forgery.edit_features(first(np.inf), "foreign")
    forgery.edit_features(first(-np.inf), "other")
    forgery.reforge()
    assert forgery.problems() == []
    measured = values(forgery)
    assert [measured[name] for name in ("auroc_knn", "auroc_mahalanobis", "probe_change")] == [None] * 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: edited(t, ids=lambda x: x[::-1]), "training part.parquet: row 0 is example"),
        (lambda t: edited(t, labels=lambda x: 1 - x), "training part.parquet: row 0 is example"),
        (lambda t: edited(t, labels=None), "with the label None; the suite's data has"),
        (
            lambda t: edited(t, features=lambda x: x[:, 1:]),
            "do not fit together; compute all with the same model and examples.",
        ),
        (
            lambda t: edited(t, features=lambda x: np.zeros((len(x), MOST_FEATURES + 1), np.float16)),
            f"training part.parquet: has {MOST_FEATURES + 1} features of each text; at most {MOST_FEATURES} are read.",
        ),
    ],
)
def test_features_that_do_not_fit_the_data(forgery: Forgery, change: Callable[..., Any], reason: str) -> None:
    forgery.edit_features(change, TRAINING_PART)
    forgery.reseal()
    assert_refused(forgery, reason)


def lists(table: pa.Table, lengths: list[int], type_: pa.DataType) -> pa.ListArray:
    ends = pa.array(np.cumsum([0, *lengths]), pa.int32())
    values = pa.array(np.zeros(sum(lengths)), pa.float64()).cast(pa.float32()).cast(type_)
    return pa.ListArray.from_arrays(ends, values, type=pa.list_(pa.field("element", type_, nullable=False)))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (lambda t: lists(t, [8] * t.num_rows, pa.float32()), "its column 'features' is list<element: float not null>"),
        (lambda t: pa.array(["x"] * t.num_rows), "its column 'features' is string"),
        (lambda t: pa.nulls(t.num_rows, t.column("features").type), "not a feature table, its column 'features'"),
        (lambda t: pa.array([[None] * 8] * t.num_rows, pa.list_(pa.float16())), "its column 'features' is list<"),
        (lambda t: lists(t, [7] + [8] * (t.num_rows - 1), pa.float16()), "has features of different lengths"),
        (lambda t: lists(t, [290_000] * t.num_rows, pa.float16()), "values; a table has at most"),
    ],
)
def test_features_of_another_type_or_shape(forgery: Forgery, column: Callable[..., Any], reason: str) -> None:
    forgery.rewrite(with_column("features", column), PART, compression="zstd")
    forgery.reseal()
    assert_refused(forgery, reason)


def test_another_encoder_before_training_in_one_seed(forgery: Forgery) -> None:
    forgery.edit_features(lambda t: edited(t, features=t.features * np.float16(0)), f"other{BEFORE}", seed=1)
    forgery.reforge()
    assert_refused(forgery, f"seed 1: the features of other{BEFORE} differ from another seed's with the same key.")


@pytest.mark.parametrize(("subject", "kind"), [("away", "features"), ("home before training", "predict")])
def test_features_that_the_suite_does_not_have(forgery: Forgery, subject: str, kind: str) -> None:
    def change(manifest: dict[str, Any]) -> None:
        (table,) = (t for t in manifest["runs"][0]["tables"] if (t["kind"], t["subject"]) == ("features", "home"))
        table.update(subject=subject, kind=kind)

    forgery.edit_manifest(change)
    folder = "features/" if kind == "features" else ""
    forgery.table("features/home").rename(forgery.table(f"{folder}{subject}"))
    forgery.reseal()
    assert_refused(forgery, f"the suite has no {kind} table of {subject!r}; remove it.")


def test_features_that_are_too_large_are_refused_with_the_way_out(
    featured: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(building.LARGEST, ".parquet", MEBIBYTE // 1000)
    with pytest.raises(TemperError) as caught:
        building.build(featured.rows, featured.work, featured.store, featured.out / "results", tmp_path)
    first_line, second = str(caught.value).split("\n")
    assert "with the features for auroc_knn, auroc_mahalanobis, other its tables have 0.0 MiB" in first_line
    assert second.startswith("Remove these metrics and retention tasks from a copy of the suite")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow()
@pytest.mark.parametrize("subject", ["", TRAINING_PART, "other", f"other{BEFORE}"])
def test_the_stated_weights_give_the_features(featured: Ran, forgery: Forgery, subject: str, tmp_path: Path) -> None:
    if subject:
        for seed in range(2):
            forgery.edit_features(lambda t: edited(t, features=t.features + np.float16(0.5)), subject, seed)
        forgery.reforge()
    verification = Verification(read_submission(forgery.folder), forgery.work, tmp_path / "scratch")
    assert not [problem for _, problems in verification.checks() for problem in problems]
    models = {
        seed: featured.store.folder("train", row_key(verification, seed)) / "model" for seed in verification.seeds
    }
    problems = list(replay_problems(verification, models, salt=7))
    expected = [f"seed {seed}, {subject}: the weights give example" for seed in range(2) if subject]
    assert [problem.startswith(start) for problem, start in zip(problems, expected, strict=True)] == [True] * len(
        expected
    )


def row_key(verification: Verification, seed: int) -> str:
    return verification.seeds[seed].cells[0].key or ""
