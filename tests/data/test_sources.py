"""Tests of artifacts, the local mirror and the Hub's loader."""

import io
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import benchmark.data.sources.hub as hub_module
import benchmark.resources
from benchmark.data import DataSpec, LabelSpec, load
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError

REACH = hub_module._hub_in_reach
HUB = DataSpec(
    source="hub", repository="own/set", configuration="small", split="test", text=("text",), label=LabelSpec("label")
)


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "resource"
    (root / "data").mkdir(parents=True)
    with tarfile.open(root / "data" / "outer.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("in/a.txt")
        info.size = 22
        archive.addfile(info, io.BytesIO(b"1\t2.5\tgood\n2\t-2.5\tbad\n"))
    monkeypatch.setattr(benchmark.resources, "locate", lambda name: root)
    return root


def artifact_spec(member: str) -> DataSpec:
    return DataSpec(
        source="artifact", resource="r", member=member, format="tsv", columns=("id", "rating", "text"), text=("text",)
    )


@pytest.mark.usefixtures("artifact")
def test_artifact_member_of_a_nested_archive() -> None:
    dataset = load(artifact_spec("data/outer.tar.gz!in/a.txt"))
    assert {example.texts for example in dataset.examples} == {("good",), ("bad",)}
    assert dataset.name == "data/outer.tar.gz!in/a.txt of resource 'r'"


@pytest.mark.parametrize("member", ["data/outr.tar.gz!in/a.txt", "../secret.txt", "data"])
def test_artifact_member_missing_or_outside(artifact: Path, member: str) -> None:
    (artifact.parent / "secret.txt").write_text("1\t2\tkey\n")
    with pytest.raises(UsageError, match=r"Resource 'r' has no member .* Known: data/outer.tar.gz"):
        load(artifact_spec(member))


def mirror(root: Path, name: str, texts: list[str]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"text": texts, "label": [n % 2 for n in range(len(texts))]}), path)
    return path


@pytest.fixture
def mirror_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEMPER_MIRROR", str(tmp_path))
    return tmp_path


def test_hub_id_is_read_from_the_mirror(mirror_root: Path) -> None:
    mirror(mirror_root, "own/set/small/test-00000-of-00002.parquet", ["a", "b"])
    mirror(mirror_root, "own/set/small/test-00001-of-00002.parquet", ["c"])
    dataset = load(HUB)
    assert {(example.id, *example.texts, example.label) for example in dataset.examples} == {
        ("0", "a", 0),
        ("1", "b", 1),
        ("2", "c", 0),
    }


def test_mirror_without_configuration_searches_top_and_data(mirror_root: Path) -> None:
    spec = DataSpec(source="mirror", repository="own/set", split="test", text=("text",))
    path = mirror(mirror_root, "own/set/data/test-00000-of-00001.parquet", ["a"])
    assert len(load(spec)) == 1
    path.rename(mirror_root / "own/set" / path.name)
    assert len(load(spec)) == 1


def test_mirror_with_a_file_missing_is_refused(mirror_root: Path) -> None:
    mirror(mirror_root, "own/set/small/test-00001-of-00002.parquet", ["c"])
    with pytest.raises(IntegrityError, match=r"small holds 1 of the 2 files of split 'test'\. Get the others"):
        load(HUB)


def test_mirror_with_fewer_rows_than_declared_names_both_counts(mirror_root: Path) -> None:
    mirror(mirror_root, "own/set/small/test-00000-of-00001.parquet", ["a", "b", "c"])
    spec = replace(HUB, rows=9815, limit=2)
    with pytest.raises(IntegrityError, match="own/set small test has 3 rows here, but the suite declares 9815"):
        load(spec)


def test_mirror_without_the_split_names_the_command(mirror_root: Path) -> None:
    spec = DataSpec(source="mirror", repository="own/set", configuration="small", split="test", text=("text",))
    command = r'`hf download --repo-type dataset own/set --local-dir "\$TEMPER_MIRROR/own/set"`'
    with pytest.raises(UnavailableError, match=rf"does not hold own/set small test\. Get it with {command}"):
        load(spec)
    mirror(mirror_root, "own/set/small/tests-00000-of-00001.parquet", ["a"])
    with pytest.raises(UnavailableError, match=f"Did you mean 'tests'. Known: tests. Get it with {command}"):
        load(spec)


def test_no_mirror_and_a_mirror_that_is_not_a_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spec = DataSpec(source="mirror", repository="own/set", split="test", text=("text",))
    with pytest.raises(
        UnavailableError, match="own/set test is not on this machine: set TEMPER_MIRROR to a folder and run `hf"
    ):
        load(spec)
    monkeypatch.setenv("TEMPER_MIRROR", str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match=r"which is not a folder\. Correct it or unset it"):
        load(spec)


class FakeHub(ModuleType):
    """Replace the library `datasets`: record the call and its offline switch, then answer or fail."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__("datasets")
        self.config = SimpleNamespace(HF_HUB_OFFLINE=False)
        self.error, self.calls = error, list[Any]()

    def load_dataset(self, *args: object, **keys: object) -> "FakeHub":
        self.calls.append((args, keys, self.config.HF_HUB_OFFLINE))
        if self.error:
            raise self.error
        return self

    column_names = ("text", "label", "idx")

    def select_columns(self, names: list[str]) -> "FakeHub":
        assert names == ["text", "label"]
        return self

    def with_format(self, name: str) -> "FakeHub":
        assert name == "arrow"
        return self

    def iter(self, batch_size: int) -> Iterator[Any]:
        import pyarrow as pa

        assert batch_size > 1
        yield pa.table({"text": ["a", "b"], "label": [0, 1]})
        yield pa.table({"text": ["c"], "label": [-1]})


@pytest.fixture(autouse=True)
def _hub_in_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests ask no network, not even whether it is there."""
    monkeypatch.setattr(hub_module, "_hub_in_reach", lambda: True)


def test_unreachable_hub_is_not_tried_per_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    library = FakeHub(ConnectionError("Couldn't reach 'own/set' on the Hub (OfflineModeIsEnabled)"))
    monkeypatch.setitem(sys.modules, "datasets", library)
    monkeypatch.setattr(hub_module, "_hub_in_reach", lambda: False)
    with pytest.raises(UnavailableError, match="OfflineModeIsEnabled"):
        load(HUB)
    assert library.calls[0][2] is True
    assert library.config.HF_HUB_OFFLINE is False


def test_endpoint_is_tested_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def refuse(address: tuple[str, int], timeout: float) -> None:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(hub_module.socket, "create_connection", refuse)
    monkeypatch.setattr(hub_module, "getproxies", dict)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example:8080")
    REACH.cache_clear()
    try:
        assert [REACH() for _ in range(3)] == [False] * 3
        assert asked == [("hub.example", 8080)]
        REACH.cache_clear()
        monkeypatch.setattr(hub_module, "getproxies", lambda: {"https": "http://proxy"})
        assert REACH()
    finally:
        REACH.cache_clear()


def test_cache_with_another_configuration_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    said = "Couldn't find cache for own/set for config 'small'\nAvailable configs in the cache: ['large']"
    monkeypatch.setitem(sys.modules, "datasets", FakeHub(ValueError(said)))
    with pytest.raises(UnavailableError, match="own/set small test is not on this machine"):
        load(HUB)


def test_hub_is_asked_for_one_split_of_one_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub()
    monkeypatch.setitem(sys.modules, "datasets", hub)
    spec = replace(HUB, revision="abc")
    dataset = load(spec)
    assert hub.calls == [(("own/set", "small"), {"split": "test", "revision": "abc"}, False)]
    assert {example.texts[0]: example.label for example in dataset.examples} == {"a": 0, "b": 1}
    assert dataset.report is not None
    assert dataset.report.unmapped == {"-1": 1}


def test_offline_setting_reaches_the_hub_loader_and_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = FakeHub(ConnectionError("Couldn't reach 'own/set' on the Hub (OfflineModeIsEnabled)"))
    monkeypatch.setitem(sys.modules, "datasets", hub)
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    with pytest.raises(
        UnavailableError, match=r"own/set small test is not on this machine: .* `hf download .*OfflineModeIsEnabled"
    ):
        load(HUB)
    assert hub.calls[0][2] is True
    assert hub.config.HF_HUB_OFFLINE is False


def test_unknown_configuration_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", FakeHub(ValueError("BuilderConfig 'small' not found.\nAvailable: x")))
    with pytest.raises(
        UsageError, match=r"own/set small test: BuilderConfig 'small' not found\. Correct configuration or split"
    ):
        load(HUB)


def test_missing_column_on_the_hub_names_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", FakeHub())
    with pytest.raises(UsageError, match=r"own/set test has no column 'txt'\. Did you mean 'text'"):
        load(DataSpec(source="hub", repository="own/set", split="test", text=("txt",)))


def test_split_missing_in_the_mirror_comes_from_the_hub(mirror_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror(mirror_root, "own/set/small/train-00000-of-00001.parquet", ["a"])
    hub = FakeHub()
    monkeypatch.setitem(sys.modules, "datasets", hub)
    load(HUB)
    assert len(hub.calls) == 1
