"""A suite of a user's own runs from local files of every format and from a set in the Hub's layout, without code."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.execution.cards import suite_card
from benchmark.execution.workload import Workload, materialise
from benchmark.schema import read_results
from benchmark.suites import load_suite
from tests.support.command import temper
from tests.support.tiny_suite import write_tiny_suite

Rows = list[dict[str, object]]


def _csv(rows: Rows, path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["label", "text"])
        writer.writeheader()
        writer.writerows(rows)


def _tsv(rows: Rows, path: Path) -> None:
    path.write_text("text\tlabel\n" + "".join(f"{row['text']}\t{row['label']}\n" for row in rows))


def _jsonl(rows: Rows, path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _parquet(rows: Rows, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)


def _gzipped(rows: Rows, path: Path) -> None:
    _csv(rows, path)
    path.write_bytes(gzip.compress(path.read_bytes()))


FORMATS: dict[str, tuple[Callable[[Rows, Path], None], str, str]] = {
    "csv": (_csv, "{name}.csv", 'source = "file", path = "{name}.csv", format = "csv"'),
    "csv.gz": (_gzipped, "{name}.csv.gz", 'source = "file", path = "{name}.csv.gz", format = "csv"'),
    "tsv": (_tsv, "{name}.tsv", 'source = "file", path = "{name}.tsv", format = "tsv"'),
    "jsonl": (_jsonl, "{name}.jsonl", 'source = "file", path = "{name}.jsonl", format = "jsonl"'),
    "parquet": (_parquet, "{name}.parquet", 'source = "file", path = "{name}.parquet", format = "parquet"'),
    "hub": (
        _parquet,
        "me/{name}/train-00000-of-00001.parquet",
        'source = "hub", repository = "me/{name}", split = "train", rows = {count}',
    ),
}


def rewritten(suite: Path, train: str, away: str) -> Path:
    """The tiny suite with its training data and its task in other formats; the json lines files are gone."""
    text = suite.read_text()
    for name, kind in (("train", train), ("away", away)):
        source = suite.parent / f"{name}.jsonl"
        rows = [json.loads(line) for line in source.read_text().splitlines()]
        source.unlink()
        write, place, keys = FORMATS[kind]
        write(rows, suite.parent / place.format(name=name))
        old = f'source = "file", path = "{name}.jsonl", format = "jsonl"'
        assert old in text
        text = text.replace(old, keys.format(name=name, count=len(rows)))
    suite.write_text(text)
    return suite


def hashes(work: Workload) -> dict[str, str]:
    parts = {"train": work.splits.train, "validation": work.splits.validation, **work.tasks}
    return {name: data.content_hash for name, data in parts.items()}


@pytest.fixture
def suite(tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "suite").mkdir()
    monkeypatch.setenv("TEMPER_MIRROR", str(tmp_path / "suite"))
    return write_tiny_suite(tmp_path / "suite", tiny_backbone)


@pytest.mark.parametrize("kind", FORMATS)
def test_the_same_rows_are_the_same_data_in_every_format(suite: Path, kind: str) -> None:
    expected = hashes(materialise(load_suite(str(suite))))
    assert hashes(materialise(load_suite(str(rewritten(suite, kind, kind))))) == expected


@pytest.mark.parametrize(("train", "away"), [("parquet", "tsv"), ("hub", "csv.gz")])
def test_it_runs_from_the_command_line(suite: Path, tmp_path: Path, train: str, away: str) -> None:
    path = rewritten(suite, train, away)
    checked = temper("suite", "check", str(path))
    assert checked.returncode == 0, checked.stdout
    done = temper("run", str(path), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    (folder,) = read_results(tmp_path / "out/results")
    assert {located.record["status"] for located in folder.records} == {"ok"}


def test_a_missing_set_is_said_once_with_its_command_and_the_run_goes_on(suite: Path, tmp_path: Path) -> None:
    path = rewritten(suite, "csv", "hub")
    (suite.parent / "me/away/train-00000-of-00001.parquet").unlink()
    path.write_text(path.read_text().replace('source = "hub"', 'source = "mirror"'))
    done = temper("run", str(path), "--out", str(tmp_path / "out"), "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("away is left out, with the reason in its records") == 1
    assert "hf download --repo-type dataset me/away --local-dir" in done.stderr
    assert "unavailable" in temper("status", str(path), "--out", str(tmp_path / "out")).stdout
    built = temper("board", "build", "--results", str(tmp_path / "out/results"), "--site", str(tmp_path / "site"))
    assert built.returncode == 0, built.stderr
    assert "unavailable, The data, me/away train with its 24 rows, is missing" in built.stdout


def test_a_package_that_only_a_task_needs_may_be_missing(suite: Path, tmp_path: Path) -> None:
    old = 'source = "file", path = "foreign.txt", format = "lines"'
    text = suite.read_text()
    assert old in text
    new = 'source = "artifact", resource = "vader", member = "README.md", format = "lines"'
    suite.write_text(text.replace(old, new))
    cache = {"TEMPER_CACHE": str(tmp_path / "empty"), "TEMPER_OFFLINE": "1"}
    checked = temper("suite", "check", str(suite), **cache)
    assert checked.returncode == 0
    assert "foreign is unavailable here: `temper resources fetch vader`." in checked.stdout
    done = temper("run", str(suite), "--out", str(tmp_path / "out"), **cache)
    assert done.returncode == 0, done.stderr
    assert "note: foreign is left out" in done.stderr
    (folder,) = read_results(tmp_path / "out/results")
    reasons = {r.record["reason"] for r in folder.records if r.record["task"]["id"] == "foreign"}
    assert reasons == {
        "The data, README.md of resource 'vader', is missing. Get it (`temper resources fetch vader`), then rerun "
        "the same command."
    }


def test_a_weight_is_in_the_card_only_where_it_is_not_1(tmp_path: Path, tiny_backbone: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone)
    path.write_text(path.read_text().replace('id = "away"\n', 'id = "away"\nweight = 0.25\n'))
    tasks = suite_card(materialise(load_suite(str(path))))["tasks"]
    weights = {(task["id"], task["perspective"]): task["weight"] for task in tasks if "weight" in task}
    assert weights == {("away", "shift"): 0.25, ("away", "calibration"): 0.25}
