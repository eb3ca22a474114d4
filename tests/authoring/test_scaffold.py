"""`temper new` writes files that lint, pass their own tests and are found, and overwrites nothing."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmark.authoring.scaffold import (
    MARK,
    begin_in_tree,
    begin_package,
    class_name,
    require_free_name,
    with_entry_point,
)
from benchmark.schema import UsageError
from tests.support.command import temper
from tests.support.processes import python

REPOSITORY = Path(__file__).resolve().parents[2]
SECTION = '[project.entry-points."temper.methods"]'


def tree(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture()
def checkout(tmp_path: Path) -> Path:
    """Create the files of a checkout that `temper new` reads."""
    for folder in ("methods", "tests/methods"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    for linked in ("benchmark", "tests/support"):
        (tmp_path / linked).symlink_to(REPOSITORY / linked)
    return tmp_path


def linted(*paths: Path) -> str:
    command = [sys.executable, "-m", "ruff"]
    named = list(map(str, paths))
    runs = [[*command, "check", *named], [*command, "format", "--check", *named]]
    # Next to the folders of the checkout, so that their names sort as its own.
    options = {"cwd": paths[0].parent, "capture_output": True, "text": True}
    return "".join(subprocess.run(run, check=False, **options).stdout for run in runs)


def test_in_tree_it_writes_a_method_its_test_and_the_entry_point(checkout: Path) -> None:
    before, before_files = tomllib.loads((checkout / "pyproject.toml").read_text()), tree(checkout)
    begun = begin_in_tree("my_method", checkout)
    assert tree(checkout) == before_files | {"methods/my_method.py", "tests/methods/test_my_method.py"}
    after = tomllib.loads((checkout / "pyproject.toml").read_text())
    points = after["project"]["entry-points"]["temper.methods"]
    assert points.pop("my_method") == "methods.my_method:MyMethod"
    assert points == before["project"]["entry-points"]["temper.methods"]
    assert any("pip install --no-deps -e ." in step for step in begun.steps)
    assert all(MARK in (checkout / path).read_text() for path in begun.written[:2])


def test_the_entry_points_stay_in_order(checkout: Path) -> None:
    lines = (checkout / "pyproject.toml").read_text().split("\n")
    for name in ("aardvark", "my_method", "zebra"):
        text = with_entry_point("\n".join(lines), name, f"methods.{name}:X")
        names = list(tomllib.loads(text)["project"]["entry-points"]["temper.methods"])
        assert names == sorted(names)
        assert name in names
        assert len(text.split("\n")) == len(lines) + 1


def test_what_is_written_lints(checkout: Path) -> None:
    begin_in_tree("my_method", checkout)
    begin_package("other_method", checkout)
    said = linted(checkout / "methods", checkout / "tests", checkout / "temper-other-method/temper_other_method")
    assert said == "All checks passed!\n4 files already formatted\n"


def test_a_package_has_its_own_entry_point(tmp_path: Path) -> None:
    begun = begin_package("my_method", tmp_path)
    folder = tmp_path / "temper-my-method"
    assert tree(folder) == {
        "pyproject.toml",
        "README.md",
        "temper_my_method/__init__.py",
        "temper_my_method/method.py",
        "tests/test_my_method.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["temper.methods"] == {"my_method": "temper_my_method.method:MyMethod"}
    assert any("pip install --no-deps -e temper-my-method" in step for step in begun.steps)


@pytest.mark.slow()
@pytest.mark.parametrize("package", [False, True])
def test_what_is_written_passes_its_own_tests(tmp_path: Path, package: bool) -> None:
    """As it is, before anything is filled in: the example that a template holds is a method that runs."""
    (begin_package if package else _begin_beside)("my_method", tmp_path)
    path = tmp_path / ("temper-my-method" if package else "")
    test = next(path.rglob("test_my_method.py"))
    command = ["-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", test]
    done = python(*command, folder=path, PYTHONPATH=f"{path}:{REPOSITORY}", PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stdout
    assert ("11 passed" if package else "12 passed") in done.stdout


def _begin_beside(name: str, root: Path) -> None:
    """An in-tree method in a copy of what its test needs."""
    for folder in ("methods", "tests/methods"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text((REPOSITORY / "pyproject.toml").read_text())
    for copied in ("tests/__init__.py", "tests/conftest.py", "tests/methods/__init__.py", "methods/__init__.py"):
        (root / copied).write_text((REPOSITORY / copied).read_text())
    (root / "tests/support").symlink_to(REPOSITORY / "tests/support")
    begin_in_tree(name, root)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("roast", "There is a method 'roast' already, methods.roast:RoAST"),
        ("My", "cannot be a method's name"),
        ("a", "cannot be a method's name"),
        ("a-b", "cannot be a method's name"),
        ("a+b", "cannot be a method's name"),
        ("1st", "cannot be a method's name"),
        ("a__b", "cannot be a method's name"),
        ("ab_", "cannot be a method's name"),
        ("../x", "cannot be a method's name"),
        ("naïve", "cannot be a method's name"),
        ("x" * 41, "cannot be a method's name"),
        ("lambda", "has another meaning"),
        ("all", "has another meaning"),
        ("method", "has another meaning"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        require_free_name(name)
    assert sentence in str(caught.value)


def test_a_class_is_called_after_its_method() -> None:
    assert class_name("my_third_method") == "MyThirdMethod"


@pytest.mark.parametrize("taken", ["methods/my_method.py", "tests/methods/test_my_method.py"])
def test_nothing_is_overwritten_and_nothing_half_written(checkout: Path, taken: str) -> None:
    (checkout / taken).write_text("mine")
    before = {name: (checkout / name).read_text() for name in tree(checkout)}
    with pytest.raises(UsageError, match="exists already"):
        begin_in_tree("my_method", checkout)
    assert {name: (checkout / name).read_text() for name in tree(checkout)} == before


def test_an_entry_point_that_is_there_is_not_written_twice(checkout: Path) -> None:
    begin_in_tree("my_method", checkout)
    for path in ("methods/my_method.py", "tests/methods/test_my_method.py"):
        (checkout / path).unlink()
    with pytest.raises(UsageError, match="has 'my_method' already"):
        begin_in_tree("my_method", checkout)
    assert tree(checkout) == {"pyproject.toml"}


def test_a_folder_that_is_no_checkout_is_refused_from_the_command_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a checkout of Temper. Change to one, or add --package"):
        begin_in_tree("my_method", tmp_path)
    done = temper("new", "roast")
    assert done.returncode == 2
    assert done.stderr.startswith("temper: There is a method 'roast' already")
