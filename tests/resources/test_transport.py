"""Tests of downloads with pip and from the Hub, without a network."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.resources import download as transport
from benchmark.resources import fetch, locate
from benchmark.resources.manifest import find_resource
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError

METADATA = b"Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n"


@pytest.fixture
def pip_reads(monkeypatch):
    """Let pip see one local folder and nothing else."""

    def choose(folder):
        for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    return choose


def installable(shelf, wheel, name="toy"):
    record = {
        f"{name}-1.0.dist-info/METADATA": METADATA % name.encode(),
        f"{name}-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/RECORD": b"",
    }
    files = {"pkg/data/a.txt": b"alpha\n" * 40, "pkg/data/deep/b.bin": bytes(range(256))}
    return shelf.pin_wheel(name, files | record)


@pytest.mark.slow
def test_real_pip_finds_a_wheel_in_a_local_folder(shelf, wheel, pip_reads):
    installable(shelf, wheel)
    pip_reads(shelf.folder)
    fetch(["toy"])
    assert (locate("toy") / "data/a.txt").read_bytes() == b"alpha\n" * 40
    assert shelf.leftovers() == []


@pytest.mark.slow
def test_real_pip_without_a_match_is_one_sentence(shelf, wheel, pip_reads, tmp_path):
    installable(shelf, wheel)
    pip_reads(tmp_path)
    with pytest.raises(UnavailableError) as caught:
        fetch(["toy"])
    assert "pip could not download toy==1.0 for toy: No matching distribution found for toy==1.0." in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_real_pip_refuses_a_file_with_another_hash(shelf, wheel, pip_reads):
    installable(shelf, wheel)
    shelf._tables.clear()
    shelf.pin("toy", shelf.folder / "toy-1.0-py3-none-any.whl", {"data/a.txt": b"a"}, sha256="0" * 64)
    pip_reads(shelf.folder)
    with pytest.raises(IntegrityError, match=r"pip received a toy-1\.0-py3-none-any\.whl for toy"):
        fetch(["toy"])


class FakePip:
    """Replace subprocess.run: write files, return a status and a text on stderr, and store the commands."""

    def __init__(self, *answers, leaves=()):
        self.answers, self.leaves, self.commands, self.requirements = list(answers), leaves, [], []

    def __call__(self, command, **_):
        status, says = self.answers.pop(0)
        self.commands.append(command)
        self.requirements.append(Path(command[command.index("--requirement") + 1]).read_text())
        folder = Path(command[command.index("--dest") + 1])
        for name in self.leaves:
            (folder / name).write_bytes(b"x")
        return subprocess.CompletedProcess(command, status, None, says)


def ask(shelf, monkeypatch, tmp_path, pip, **fields):
    shelf.pin_wheel("toy", **fields)
    monkeypatch.setattr(transport.subprocess, "run", pip)
    resource = find_resource("toy")
    folder = tmp_path / "downloads"
    folder.mkdir()
    return transport.pip_download(resource, resource.carriers[0], folder)


def test_pip_command_pins_hash_and_wheel(shelf, monkeypatch, tmp_path):
    pip = FakePip((0, ""), leaves=["toy-1.0-py3-none-any.whl"])
    assert ask(shelf, monkeypatch, tmp_path, pip).name == "toy-1.0-py3-none-any.whl"
    (command,) = pip.commands
    assert command[:5] == [sys.executable, "-P", "-m", "pip", "download"]
    assert command[command.index("--only-binary") + 1] == ":all:"
    assert "--no-deps" in command
    assert not any("index" in part for part in command)
    assert pip.requirements == [f"toy==1.0 --hash=sha256:{find_resource('toy').sha256}\n"]


def test_source_distribution_falls_back_to_installed_tools(shelf, monkeypatch, tmp_path):
    pip = FakePip((1, "ERROR: installing build dependencies did not run"), (0, ""), leaves=["toy-1.0.tar.gz"])
    assert ask(shelf, monkeypatch, tmp_path, pip, file="toy-1.0.tar.gz").name == "toy-1.0.tar.gz"
    assert [command[command.index("--no-binary") + 1] for command in pip.commands] == ["toy", "toy"]
    assert ["--no-build-isolation" in command for command in pip.commands] == [False, True]


def test_file_under_another_name_is_accepted(shelf, monkeypatch, tmp_path):
    pip = FakePip((0, ""), leaves=["Toy-1.0-py3-none-any.whl"])
    assert ask(shelf, monkeypatch, tmp_path, pip).name == "toy-1.0-py3-none-any.whl"


def test_several_unexpected_files_are_named(shelf, monkeypatch, tmp_path):
    with pytest.raises(UnavailableError, match=r"left a\.whl, b\.whl"):
        ask(shelf, monkeypatch, tmp_path, FakePip((0, ""), leaves=["a.whl", "b.whl"]))


@pytest.mark.parametrize(
    ("says", "sentence"),
    [
        (
            "WARNING: Retrying after connection broken by 'X'\nERROR: No match.\n",
            r"index does not answer \(No match\)\. Check",
        ),
        ("\x1b[31mERROR: First\x1b[0m\nERROR: Last one.\n[notice] A new release\n", r"for toy: Last one\. Check"),
        ("Traceback\nValueError: odd\n\n", r"for toy: ValueError: odd\. Check"),
        ("", r"for toy: it printed no reason\. Check"),
    ],
)
def test_the_last_meaningful_line_of_pip(shelf, monkeypatch, tmp_path, says, sentence):
    with pytest.raises(UnavailableError, match=sentence) as caught:
        ask(shelf, monkeypatch, tmp_path, FakePip((1, says)))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_pip_on_a_full_disk(shelf, monkeypatch, number):
    shelf.pin_wheel("toy")
    error = f"ERROR: [Errno {number}] {os.strerror(number)}"
    monkeypatch.setattr(transport.subprocess, "run", FakePip((1, error)))
    with pytest.raises(TemperError, match="The disk is full"):
        fetch(["toy"])


def test_a_python_without_pip(shelf, monkeypatch):
    shelf.pin_wheel("toy")
    monkeypatch.setattr(transport.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"has no pip to fetch toy with: run `.* -m ensurepip`"):
        fetch(["toy"])


def hub(shelf, **fields):
    digest = find_content(shelf)
    shelf.pin_wheel(
        "toy", kind="hub", requirement=f"owner/toy@{'a' * 40}", file=None, content=None, unpacked=None, root="pkg",
        size=496, sha256=digest, **fields,
    )  # fmt: skip


def find_content(shelf):
    shelf.pin_wheel("toy")
    digest = find_resource("toy").content.removeprefix("sha256:")
    shelf._tables.clear()
    return digest


def test_hub_download_asks_for_members_at_a_revision(shelf, monkeypatch):
    hub(shelf)
    asked = {}

    def snapshot(repository, *, revision, allow_patterns, local_dir):
        asked.update(repository=repository, revision=revision, patterns=allow_patterns)
        for name, data in {
            "data/a.txt": b"alpha\n" * 40,
            "data/deep/b.bin": bytes(range(256)),
            "data/deep/.x": b"",
        }.items():
            path = local_dir / ("pkg" if not name.endswith(".x") else ".cache") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    fetch(["toy"])
    assert asked == {"repository": "owner/toy", "revision": "a" * 40, "patterns": ["pkg/data/a.txt", "pkg/data/deep/*"]}
    assert (locate("toy") / "data/deep/b.bin").read_bytes() == bytes(range(256))
    assert find_resource("toy").content == f"sha256:{find_resource('toy').sha256}"


@pytest.mark.parametrize(
    "error", [ConnectionError("no route\nmore"), ValueError("no route"), FileNotFoundError("no route.")]
)
def test_hub_failure_is_one_sentence(shelf, monkeypatch, error):
    hub(shelf)

    def snapshot(*_, **__):
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    with pytest.raises(UnavailableError, match=r"did not serve owner/toy@a{40} for toy: no route\. Check"):
        fetch(["toy"])
