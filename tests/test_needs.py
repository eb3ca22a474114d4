"""A test is skipped only for what a machine lacks, and not even for that with --no-skips."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.schema import UsageError
from tests.support.command import REPOSITORY
from tests.support.needs import missing

TESTS = """
import pytest
from tests.support.needs import require

@pytest.fixture
def data():
    require("shared/absent")

def test_fixture(data):
    raise AssertionError

@pytest.mark.needs("shared/absent")
def test_marked():
    raise AssertionError

@pytest.mark.xfail(reason="known")
def test_expected():
    raise AssertionError

def test_sound():
    pass
"""


def summary(folder: Path, *options: str) -> str:
    """Run the tests above in a process of their own; return pytest's last line."""
    (folder / "conftest.py").write_text("from tests.conftest import *")
    (folder / "test_needy.py").write_text(TESTS)
    (folder / "test_module.py").write_text("import pytest\npytest.importorskip('absent_module')\n")
    script = "import sys, pytest; sys.path.insert(0, sys.argv.pop(1)); pytest.main(sys.argv[1:])"
    command = [
        sys.executable,
        "-c",
        script,
        str(REPOSITORY),
        "-q",
        "-W",
        "ignore::pytest.PytestUnknownMarkWarning",
        *options,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


def test_a_skip_is_a_failure_with_no_skips(tmp_path: Path) -> None:
    assert summary(tmp_path).startswith("1 passed, 3 skipped, 1 xfailed")
    assert summary(tmp_path, "--no-skips").startswith("1 error")
    assert summary(tmp_path, "--no-skips", "--ignore=test_module.py").startswith("1 passed, 1 xfailed, 2 errors")


def test_tests_of_shared_data_can_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "test_shared.py").write_text("def test_one(shared): pass\n")
    assert summary(tmp_path, "-m", "not shared", "test_shared.py").startswith("1 deselected")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "absent does not exist; set TEMPER_SHARED" in missing("shared/absent")
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path))
    assert "temper resources fetch minilm" in missing("shared/absent", "minilm")
    with pytest.raises(UsageError, match="Did you mean 'minilm'"):
        missing("minlm")
