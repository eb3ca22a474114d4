"""Claims on a store: one owner at a time, also across machines, and nothing lost if that guess was wrong."""

import errno
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmark.execution import claims
from benchmark.execution.claims import ClaimedError, Claims
from benchmark.execution.store import SCRATCH, Store
from benchmark.schema import fingerprint
from benchmark.schema.errors import TemperError, UsageError

SPEC = {"kind": "predict", "data": "x"}
KEY = fingerprint(SPEC)


class Clock:
    """A monotonic clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture()
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(claims.time, "monotonic", clock)
    return clock


@contextmanager
def on(machine: str) -> Iterator[None]:
    """Act as a process of another machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(claims, "machine", lambda: machine)
        yield


def begin(store: Store, machine: str, text: str = "result") -> tuple[object, Path]:
    """Start a cell as a process of a machine, and write a journal and a result."""
    block = store.work("predict", SPEC)
    with on(machine):
        folder = block.__enter__()
    assert folder is not None
    (folder / SCRATCH / "journal").write_text(f"of {machine}")
    (folder / "result.txt").write_text(text)
    return block, folder


def result(root: Path) -> str:
    artifact = Store(root).find("predict", KEY)
    assert artifact is not None
    return (artifact.folder / "result.txt").read_text()


def attempts(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root / "attempts")) for path in (root / "attempts").glob("*/*"))


def _hold(root: str, ready, done) -> None:
    with Store(Path(root)).work("predict", SPEC) as folder:
        (folder / "result.txt").write_text("result")
        (folder / SCRATCH / "journal").write_text("kept")
        ready.set()
        done.wait(20)


@pytest.fixture(name="other")
def _other(tmp_path: Path) -> Iterator[tuple]:
    """Another process that has started the cell, and the event that ends it."""
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path), ready, done))
    process.start()
    assert ready.wait(20)
    yield process, done
    process.kill()
    process.join(20)


def test_two_processes_never_work_on_one_cell(tmp_path: Path, other: tuple) -> None:
    process, done = other
    message = rf"^predict is being computed by process {process.pid} on .+, since .+\. Wait until it ends, then run"
    with pytest.raises(ClaimedError, match=message), Store(tmp_path).work("predict", SPEC):
        pass
    owner = Store(tmp_path).owner("predict", KEY)
    assert isinstance(owner, claims.Owner)
    assert owner.process == process.pid
    done.set()
    process.join(20)
    assert Store(tmp_path).owner("predict", KEY) is None
    assert result(tmp_path) == "result"
    assert not attempts(tmp_path)


def test_a_killed_process_leaves_its_work_and_no_claim(tmp_path: Path, other: tuple) -> None:
    process, _ = other
    process.kill()
    process.join(20)
    store = Store(tmp_path)
    assert store.owner("predict", KEY) is None
    assert store.is_partial("predict", KEY)
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "kept"
        assert not (tmp_path / "attempts" / f"predict-{KEY[7:]}" / "0" / "work").exists()


def test_a_claim_that_was_given_up_is_free_at_once_on_another_machine(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Store(tmp_path).work("predict", SPEC) as folder:
        (folder / SCRATCH / "journal").write_text("kept")
        raise KeyboardInterrupt
    with on("elsewhere"), Store(tmp_path).work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "kept"


def test_another_machines_claim_is_taken_over_only_after_its_silence(tmp_path: Path, clock: Clock) -> None:
    block, first = begin(Store(tmp_path), "far")
    beat = first.parent / claims.BEAT
    store = Store(tmp_path)
    for now, number in ((0, 0), (100, 1), (219, 1)):
        clock.now = now
        beat.write_text(str(number))
        with pytest.raises(ClaimedError), store.work("predict", SPEC):
            pass
    clock.now = 221
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "of far"
        # The silent owner may still write to its own files.
        (first / SCRATCH / "journal").write_text("later")
        assert (folder / SCRATCH / "journal").read_text() == "of far"
        (folder / "result.txt").write_text("result")
    assert result(tmp_path) == "result"
    # It notices when it goes on.
    with pytest.raises(ClaimedError, match="another process took it over, as this one was silent"):
        block.__exit__(FileNotFoundError, FileNotFoundError("journal"), None)
    assert not attempts(tmp_path)


def test_a_checkpoint_is_not_cut_by_a_full_disk_when_it_is_copied(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    block, _ = begin(Store(tmp_path), "far")
    store = Store(tmp_path)
    assert store.owner("predict", KEY) is not None
    clock.now = 121
    copy = shutil.copy2

    def full(source: Path, target: Path) -> None:
        target.write_text("of")
        raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(shutil, "copy2", full)
    with pytest.raises(TemperError, match="No space left on device"), store.work("predict", SPEC):
        pass
    monkeypatch.setattr(shutil, "copy2", copy)
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").read_text() == "of far"
    with pytest.raises(ClaimedError):
        block.__exit__(FileNotFoundError, FileNotFoundError("journal"), None)


@pytest.mark.parametrize("gone", ["a file", "everything"])
def test_files_that_the_silent_owner_removes_meanwhile_are_not_missed(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    block, first = begin(Store(tmp_path), "far")
    store = Store(tmp_path)
    assert store.owner("predict", KEY) is not None
    clock.now = 121
    (first / SCRATCH / "half").write_text("replaced")
    copy = shutil.copy2

    def racing(source: Path, target: Path) -> None:
        if gone == "everything":
            shutil.rmtree(first, ignore_errors=True)
        elif source.name == "half":
            source.unlink()
        copy(source, target)

    monkeypatch.setattr(shutil, "copy2", racing)
    with store.work("predict", SPEC) as folder:
        assert (folder / SCRATCH / "journal").exists() == (gone == "a file")
        (folder / "result.txt").write_text("result")
    assert result(tmp_path) == "result"
    with pytest.raises(ClaimedError):
        block.__exit__(FileNotFoundError, FileNotFoundError("journal"), None)


@pytest.mark.parametrize(("text", "notes"), [("result", 0), ("another", 1)])
def test_of_two_results_the_first_is_kept_and_a_difference_is_noted(
    tmp_path: Path, clock: Clock, text: str, notes: int
) -> None:
    slow = Store(tmp_path)
    block, _ = begin(slow, "far", text)
    store = Store(tmp_path)
    assert store.owner("predict", KEY) is not None
    clock.now = 121
    with store.work("predict", SPEC) as folder:
        # The silent owner ends first.
        block.__exit__(None, None, None)
        (folder / "result.txt").write_text("result")
    assert result(tmp_path) == text
    assert len(store.notes) == notes
    assert not slow.notes
    assert not attempts(tmp_path)


def test_no_two_clocks_are_compared(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner whose clock is an hour behind, on a disk whose clock is an hour ahead, is as alive as any."""
    hour = 3600
    with monkeypatch.context() as patch:
        patch.setattr(claims.time, "time", lambda: time.monotonic() - hour)
        _, first = begin(Store(tmp_path), "far")
    store = Store(tmp_path)
    for number in range(3):
        clock.now += 119
        (first.parent / claims.BEAT).write_text(str(number))
        os.utime(first.parent / claims.BEAT, (hour * number, hour * number))
        assert store.owner("predict", KEY) is not None


def test_an_owner_that_died_before_writing_its_name_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "attempts" / f"predict-{KEY[7:]}" / "0").mkdir(parents=True)
    store = Store(tmp_path)
    assert store.owner("predict", KEY) == "unknown"
    with pytest.raises(ClaimedError, match="is being computed by another process"), store.work("predict", SPEC):
        pass
    clock.now = 121
    with store.work("predict", SPEC):
        pass


def test_the_owner_changes_its_beat_until_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BEAT_SECONDS", 0.01)
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.work("predict", SPEC) as folder:
        beat, seen = folder.parent / claims.BEAT, set()
        deadline = time.monotonic() + 20
        while len(seen) < 3 and time.monotonic() < deadline:
            seen.add(claims._read(beat))
        raise KeyboardInterrupt
    assert len(seen) == 3
    last = beat.read_text()
    time.sleep(0.05)
    assert beat.read_text() == last


def race(root: Path, cell: str) -> list[str]:
    """Let four threads claim a cell at the same moment; the winner holds it until all others have lost."""
    start, held, outcomes = threading.Barrier(4), threading.Barrier(4), list[str]()

    def claim() -> None:
        start.wait(20)
        try:
            with Claims(root).claim(cell, "the cell"):
                held.wait(20)
                outcomes.append("won")
        except ClaimedError:
            held.wait(20)
            outcomes.append("lost")

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return sorted(outcomes)


def test_one_of_many_racers_wins(tmp_path: Path) -> None:
    for number in range(20):
        assert race(tmp_path, str(number)) == ["lost"] * 3 + ["won"]


def test_a_claim_that_cannot_be_written_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = Store(tmp_path)
    with monkeypatch.context() as patch, pytest.raises(TemperError, match="No space left"):
        patch.setattr(claims, "_write", full)
        with store.work("predict", SPEC):
            pass
    assert store.owner("predict", KEY) is None
    with store.work("predict", SPEC) as folder:
        assert folder is not None


def test_the_time_of_silence_can_be_set(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    block, _ = begin(Store(tmp_path), "far")
    monkeypatch.setenv("TEMPER_STALE_SECONDS", "30")
    store = Store(tmp_path)
    assert store.owner("predict", KEY) is not None
    clock.now = 29
    assert store.owner("predict", KEY) is not None
    clock.now = 31
    assert store.owner("predict", KEY) is None
    block.__exit__(None, None, None)


@pytest.mark.parametrize("text", ["soon", "1", "inf", "nan"])
def test_a_time_of_silence_that_is_none_is_refused(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPER_STALE_SECONDS", text)
    with pytest.raises(UsageError, match=f"TEMPER_STALE_SECONDS is '{text}'; write a number of at least 2 seconds"):
        Store(tmp_path)
