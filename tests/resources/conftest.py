"""Fixtures of the resource tests: a manifest of one tiny archive, an empty cache, and a transport that counts."""

import hashlib
import io
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.resources import manifest
from benchmark.resources.cache import content_fingerprint
from benchmark.resources.checksum import Digest

FILES = {
    "pkg/data/a.txt": b"alpha\n" * 40,
    "pkg/data/deep/b.bin": bytes(range(256)),
    "pkg/code.py": b"raise SystemExit\n",
}
MEMBERS = ("data/a.txt", "data/deep/*")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make_wheel(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for info, data in entries:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


class Shelf:
    """A folder of archives, the manifest that pins them, and a transport that serves them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.manifest, self.cache = folder / "shelf", folder / "manifest.toml", folder / "cache"
        self.folder.mkdir()
        self.manifest.write_text("")
        self.requests: list[str] = []
        self._tables: list[str] = []
        monkeypatch.setattr(manifest, "MANIFEST", self.manifest)
        monkeypatch.setenv("TEMPER_CACHE", str(self.cache))
        for name in ("TEMPER_OFFLINE", "TEMPER_RESOURCES_DIR"):
            monkeypatch.delenv(name, raising=False)

    def pin(self, name: str, archive: Path, extracted: dict[str, bytes], **fields: object) -> None:
        digests = {path: Digest(sha(data), len(data)) for path, data in extracted.items()}
        values = {
            "kind": "pypi", "version": "1.0", "description": "d", "requirement": f"{name}==1.0", "file": archive.name,
            "sha256": sha(archive.read_bytes()), "size": archive.stat().st_size, "root": "pkg",
            "members": list(MEMBERS), "content": content_fingerprint(digests),
            "unpacked": sum(map(len, extracted.values())), "licence": "MIT", "source": "s",
        } | fields  # fmt: skip
        lines = [f"{key} = {toml(value)}" for key, value in values.items() if value is not None]
        self._tables.append("\n".join([f"[{name}]", *lines]))
        self.manifest.write_text("\n\n".join(self._tables) + "\n")
        manifest._parse.cache_clear()

    def pin_wheel(self, name: str, files: dict[str, bytes] = FILES, **fields: object) -> Path:
        archive = make_wheel(self.folder / f"{name}-1.0-py3-none-any.whl", files)
        self.pin(
            name,
            archive,
            {"data/a.txt": FILES["pkg/data/a.txt"], "data/deep/b.bin": FILES["pkg/data/deep/b.bin"]},
            **fields,
        )
        return archive

    def transport(self, resource: object, carrier: manifest.Carrier, folder: Path) -> Path:
        self.requests.append(carrier.requirement)
        return Path(shutil.copy(self.folder / carrier.file, folder / carrier.file))

    def leftovers(self) -> list[str]:
        return sorted(path.name for path in self.cache.rglob(".part-*")) if self.cache.exists() else []


def toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + "}"
    return str(value) if isinstance(value, int) else '"' + str(value).replace("\\", "\\\\") + '"'


class Recorder:
    """A `Progress` that remembers tasks as [name, total, advanced, finished]."""

    def __init__(self) -> None:
        self.tasks: list[list[object]] = []
        self._lock = threading.Lock()

    def start(self, task: str, total: int) -> None:
        self.tasks.append([task, total, 0, False])

    def advance(self, amount: int) -> None:
        self.tasks[-1][2] += amount

    def finish(self) -> None:
        self.tasks[-1][3] = True


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(tmp_path, monkeypatch)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tar() -> Callable[[Path, list[tuple[tarfile.TarInfo, bytes]]], Path]:
    return make_tar


@pytest.fixture
def wheel() -> Callable[[Path, dict[str, bytes]], Path]:
    return make_wheel
