"""The store: atomic, verified and resumable."""

import errno
import json
from pathlib import Path

import pytest

from benchmark.execution.store import SCRATCH, Store
from benchmark.schema import fingerprint
from benchmark.schema.errors import TemperError

SPEC = {"kind": "predict", "data": "x"}
KEY = fingerprint(SPEC)


def make(store: Store, text: str = "hello") -> Path:
    with store.work("predict", SPEC) as folder:
        (folder / "model").mkdir(exist_ok=True)
        (folder / "model" / "file.txt").write_text(text)
        (folder / SCRATCH / "journal").write_text("gone afterwards")
    found = store.find("predict", KEY)
    assert found is not None
    return found.folder


def test_an_artifact_is_found_with_its_hashes_and_without_scratch(tmp_path: Path) -> None:
    folder = make(Store(tmp_path))
    found = Store(tmp_path).find("predict", KEY)
    assert found is not None
    assert sorted(found.files) == ["model/file.txt", "spec.json"]
    assert not (folder / SCRATCH).exists()
    assert not list((tmp_path / "attempts").iterdir())


def test_nothing_is_there_before_the_block_ends_well(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.work("predict", SPEC) as folder:
        (folder / SCRATCH / "journal").write_text("kept")
        raise KeyboardInterrupt
    assert store.find("predict", KEY) is None
    assert store.is_partial("predict", KEY)
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "kept"
    assert store.find("predict", KEY) is not None


@pytest.mark.parametrize("name", [".spec.json.host.1.partial", ".receipt.json.host.1.partial"])
def test_what_a_killed_writer_left_is_not_part_of_the_artifact(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.work("predict", SPEC) as folder:
        (folder / name).write_text("half")
        raise KeyboardInterrupt
    make(store)
    found = Store(tmp_path).find("predict", KEY)
    assert found is not None
    assert sorted(found.files) == ["model/file.txt", "spec.json"]


@pytest.mark.parametrize("victim", ["model/file.txt", "spec.json", "receipt.json"])
def test_one_flipped_byte_sets_the_artifact_aside_and_says_so(tmp_path: Path, victim: str) -> None:
    path = make(Store(tmp_path)) / victim
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    store = Store(tmp_path)
    assert store.find("predict", KEY) is None
    (note,) = store.notes
    assert "quarantined as" in note
    assert len(list((tmp_path / "set-aside").iterdir())) == 1
    make(store)


def test_a_cell_that_another_process_finished_meanwhile_is_not_computed_again(tmp_path: Path) -> None:
    make(Store(tmp_path), "first")
    with Store(tmp_path).work("predict", SPEC) as folder:
        assert folder is None
    found = Store(tmp_path).find("predict", KEY)
    assert found is not None
    assert (found.folder / "model/file.txt").read_text() == "first"


def test_scratch_left_by_a_kill_right_after_the_rename_is_cleaned(tmp_path: Path) -> None:
    folder = make(Store(tmp_path))
    (folder / SCRATCH).mkdir()
    (folder / SCRATCH / "checkpoint").write_text("large")
    assert Store(tmp_path).find("predict", KEY) is not None
    assert not (folder / SCRATCH).exists()


def test_a_spec_that_cannot_be_read_is_noted_and_skipped(tmp_path: Path) -> None:
    (make(Store(tmp_path)) / "spec.json").write_text("{")
    store = Store(tmp_path)
    assert list(store.specs("predict")) == []
    assert "cannot be read" in store.notes[0]


def test_a_missing_or_truncated_file_is_noticed(tmp_path: Path) -> None:
    (make(Store(tmp_path)) / "model/file.txt").unlink()
    assert Store(tmp_path).find("predict", KEY) is None
    path = make(Store(tmp_path)) / "receipt.json"
    path.write_text(path.read_text()[:20])
    assert Store(tmp_path).find("predict", KEY) is None


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(TemperError, match=r"No space left.*same command"), store.work("predict", SPEC) as folder:
        (folder / SCRATCH / "journal").write_text("kept")
        raise OSError(errno.ENOSPC, "No space left on device")
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "kept"


def test_other_os_errors_keep_their_own_words(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Store(tmp_path).work("predict", SPEC):
        Path(tmp_path / "absent").read_text()


def test_specs_are_listed_by_key(tmp_path: Path) -> None:
    make(Store(tmp_path))
    assert list(Store(tmp_path).specs("predict")) == [(KEY, SPEC)]
    assert json.loads((tmp_path / "predict" / KEY.removeprefix("sha256:") / "spec.json").read_text()) == SPEC


def test_an_artifact_under_the_key_of_another_is_quarantined(tmp_path: Path) -> None:
    other = fingerprint({**SPEC, "data": "y"})
    make(Store(tmp_path)).rename(tmp_path / "predict" / other.removeprefix("sha256:"))
    store = Store(tmp_path)
    with pytest.raises(TemperError, match="does not have the key it is stored under"):
        store.peek("predict", other)
    assert store.find("predict", other) is None
    assert "quarantined as" in store.notes[0]


def test_no_artifact_appears_before_its_receipt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = Store(tmp_path)
    with (
        monkeypatch.context() as patched,
        pytest.raises(TemperError, match="No space left"),
        store.work("predict", SPEC),
    ):
        patched.setattr("benchmark.execution.store._write_json", full)
    assert not (tmp_path / "predict").exists()
    assert store.is_partial("predict", KEY)
    make(store)


def test_scratch_is_kept_until_the_artifact_is_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if Path(target).parent.name == "predict":
            raise OSError(errno.ENOSPC, "No space left on device")
        return rename(path, target)

    store = Store(tmp_path)
    with monkeypatch.context() as patched, pytest.raises(TemperError), store.work("predict", SPEC) as folder:
        (folder / SCRATCH / "journal").write_text("kept")
        patched.setattr(Path, "rename", refuse)
    assert (folder / SCRATCH / "journal").read_text() == "kept"
