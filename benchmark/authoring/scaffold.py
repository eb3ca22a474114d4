"""`temper new`: write a new method from templates, into the checkout or as a package of its own."""

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from benchmark.execution.method_registry import registered
from benchmark.execution.plugins import place_of
from benchmark.schema import UsageError

MARK = "FILL IN"
"""Mark in a template for text that the author has to write; `temper check` lists the marks that are left."""

SECTION = '[project.entry-points."temper.methods"]'
_ENTRY = re.compile(r'\s*"?(?P<name>[A-Za-z0-9_.-]+)"?\s*=')

IN_TREE = {"methods/{name}.py": "method.py.txt", "tests/methods/test_{name}.py": "test_in_tree.py.txt"}
PACKAGE = {
    "temper-{dashed}/pyproject.toml": "pyproject.toml.txt",
    "temper-{dashed}/README.md": "readme.md.txt",
    "temper-{dashed}/temper_{name}/__init__.py": "init.py.txt",
    "temper-{dashed}/temper_{name}/method.py": "method.py.txt",
    "temper-{dashed}/tests/test_{name}.py": "test_package.py.txt",
}
"""Path of each file by the template that it is made from."""


@dataclass(frozen=True)
class NewMethod:
    """A new method.

    Attributes:
        written: Files, relative to the folder.
        steps: What to do next, in order.
    """

    written: tuple[str, ...]
    steps: tuple[str, ...]


def begin_in_tree(name: str, root: Path) -> NewMethod:
    """Write a method and its test into a checkout, and add its entry point to ``pyproject.toml``.

    Raises:
        UsageError: the name is invalid, a file exists, or the folder is not a checkout; nothing is written.
    """
    require_free_name(name)
    project = root / "pyproject.toml"
    text = project.read_text(encoding="utf-8") if project.is_file() else ""
    if SECTION not in text or not (root / "methods").is_dir():
        raise UsageError(
            f"{root} is not a checkout of Temper. Change to one, or add --package for a package of your own."
        )
    entered = with_entry_point(text, name, f"methods.{name}:{class_name(name)}")
    written = _write(root, name, IN_TREE)
    project.write_text(entered, encoding="utf-8")
    return NewMethod((*written, "pyproject.toml (the entry point)"), _steps(name, written[0], written[1], "."))


def begin_package(name: str, root: Path) -> NewMethod:
    """Write a package of its own, with the entry point by which Temper finds it.

    Raises:
        UsageError: the name is invalid, or a file exists; nothing is written.
    """
    require_free_name(name)
    written = _write(root, name, PACKAGE)
    folder = written[0].partition("/")[0]
    return NewMethod(tuple(written), _steps(name, written[3], written[4], folder))


def with_entry_point(text: str, name: str, value: str) -> str:
    """Return the text of a ``pyproject.toml`` with one more method, sorted by name.

    Raises:
        UsageError: it has the name already.
    """
    lines = text.split("\n")
    place = lines.index(SECTION) + 1
    while place < len(lines) and (entry := _ENTRY.match(lines[place])):
        if entry["name"] == name:
            raise UsageError(f"pyproject.toml: {SECTION} has {name!r} already; choose another name.")
        if entry["name"] > name:
            break
        place += 1
    return "\n".join([*lines[:place], f'{name} = "{value}"', *lines[place:]])


def _write(root: Path, name: str, templates: Mapping[str, str]) -> list[str]:
    """Write files; if one exists already, write none."""
    words = {"name": name, "cls": class_name(name), "dashed": name.replace("_", "-"), "mark": MARK}
    texts = {path.format(**words): _template(file).substitute(words) for path, file in templates.items()}
    taken = [path for path in texts if (root / path).exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already. Choose another name, or move the file away.")
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(texts)


def _template(file: str) -> Template:
    return Template((Path(__file__).parent / "templates" / file).read_text(encoding="utf-8"))


def _steps(name: str, method: str, test: str, folder: str) -> tuple[str, ...]:
    return (
        f"{method}: the paper, the first sentence, the hyper-parameters and their source, and the hooks; see {MARK}",
        f"{test}: the equation of a step in float64, written by hand and not with the method's code",
        f"pip install --no-deps -e {folder}",
        f"temper check {name}",
    )


_NAME = re.compile("[a-z][a-z0-9_]{1,39}")
_SPOKEN_FOR = frozenset({"all", "method", "methods", "batch", "classifier", "context", "tensor", "conftest"})
"""Reserved names: `all` of `--methods all`, and names imported by or next to a method's file."""


def require_free_name(name: str) -> None:
    """Refuse a name that cannot be a module, a class and an entry point, or that is taken.

    Raises:
        UsageError: the name is invalid or taken.
    """
    if not _NAME.fullmatch(name) or name.endswith("_") or "__" in name:
        raise UsageError(
            f"{name!r} cannot be a method's name; write 2 to 40 small letters, digits and single _, like my_method."
        )
    if keyword.iskeyword(name) or name in _SPOKEN_FOR:
        raise UsageError(f"{name!r} has another meaning to Python or to Temper; choose another name, like my_{name}.")
    if name in registered():
        raise UsageError(f"There is a method {name!r} already, {place_of(registered()[name])}; choose another name.")


def class_name(name: str) -> str:
    """Return the class name of a method: ``MyMethod`` for ``my_method``."""
    return "".join(part.capitalize() for part in name.split("_"))
