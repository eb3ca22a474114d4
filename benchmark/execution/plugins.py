"""Methods in a user's own file, given as ``file.py`` or ``file.py:Class``.

The file may import modules next to it by name, as a script may. Its folder is searched last, not first as a script's
is, so that no file of the user's shadows an installed package. If the two share a name, the plugin is refused.
"""

import importlib.util
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from benchmark.execution.method_source import PLUGIN, local_file, local_imports, origin, read_source
from benchmark.schema.errors import TemperError, UsageError, nearest

if TYPE_CHECKING:
    from benchmark.training.method import Method

GROUP = "temper.methods"

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_numbers = count()
_texts: dict[Path, str] = {}
"""Text of each plugin's file, and of those next to it that it imports, when it was imported."""


def read_plugin(text: str) -> EntryPoint:
    """Run a plugin's file and return an entry point to its class, such as an installed package would have.

    The class may be left out if the file defines one method.

    Raises:
        UsageError: no such file or class, several classes to choose from, an invalid name, or an import of a file next
            to it that has the name of an installed package; or a file has changed since this process imported it.
        TemperError: the file does not import.
    """
    path, name = _split(text)
    module = _import(path, text)
    name = name or _only_class(module, path, text)
    methods = _method_classes(module)
    if name not in methods:
        raise UsageError(f"--plugin {text}: {path.name} has no method class {name!r}. {nearest(name, methods)}")
    cls = methods[name]
    require_usable_name(cls.name, f"--plugin {text}")
    return EntryPoint(name=cls.name, value=f"{module.__name__}:{name}", group=GROUP)


def _split(text: str) -> tuple[Path, str]:
    """Split ``file.py:Class`` into the file and the class; the class is empty if it is left out."""
    if Path(text).is_file():
        return Path(text), ""
    file, _, name = text.rpartition(":")
    if not Path(file).is_file():
        raise UsageError(f"--plugin {text}: file not found: {file or text}. Write file.py or file.py:Class.")
    return Path(file), name


def _method_classes(module: ModuleType) -> "dict[str, type[Method]]":
    """Return the method classes that a module defines or imports, by name."""
    from benchmark.training.method import Method

    values = vars(module).items()
    return {name: v for name, v in values if isinstance(v, type) and issubclass(v, Method) and v is not Method}


def _only_class(module: ModuleType, path: Path, text: str) -> str:
    """Return the name of the one method class that a file defines; a base class without a name does not count."""
    own = {name: cls for name, cls in _method_classes(module).items() if cls.__module__ == module.__name__}
    names = [name for name, cls in own.items() if cls.name] or list(own)
    if not names:
        raise UsageError(
            f"--plugin {text}: {path.name} defines no method. A method is a class that inherits from "
            "benchmark.training.Method."
        )
    if len(names) > 1:
        raise UsageError(
            f"--plugin {text}: {path.name} defines {', '.join(names)}. Write for example {path}:{names[0]}."
        )
    return names[0]


def place_of(point: EntryPoint) -> str:
    """Return where a method comes from: its file if it is a plugin, else its module."""
    module, _, name = point.value.partition(":")
    return f"{inspect.getfile(sys.modules[module])}:{name}" if module.startswith(PLUGIN) else point.value


def require_usable_name(name: str, place: str) -> None:
    """Refuse a name that cannot be a folder or a part of a composition.

    Raises:
        UsageError: names the place.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"{place} calls itself {name!r}. Name it with letters, digits, - and _, like my_method, at most 80 of them."
        )


def _import(path: Path, text: str) -> ModuleType:
    """Run a file as a separate module in `sys.modules`, where dataclasses and the fingerprint look it up."""
    # Replace characters of the file's name that an entry point cannot hold.
    stem = re.sub(r"\W", "_", path.stem)
    spec = importlib.util.spec_from_file_location(f"{PLUGIN}{next(_numbers)}_{stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {text}: {path.name} is not a Python file. Write file.py or file.py:Class.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    files = {spec.name: path.resolve()}
    try:
        _open_folder(path, text)
        files |= _neighbours(path)
        _refuse_changed(files.values(), f"--plugin {text}")
        spec.loader.exec_module(module)
    except UsageError:
        del sys.modules[spec.name]
        raise
    # Report a plugin that calls sys.exit(), which would end the command silently.
    except (Exception, SystemExit) as error:
        del sys.modules[spec.name]
        raise TemperError(f"--plugin {text} does not import: {_failure(error, path)}") from error
    finally:
        _remember(files)
    return module


def require_unchanged(point: EntryPoint) -> None:
    """Refuse a method if it is a plugin of which a file has changed, since keys are made from the files on disk.

    Raises:
        UsageError: names the file.
    """
    if point.module.startswith(PLUGIN):
        path = Path(inspect.getfile(sys.modules[point.module])).resolve()
        _refuse_changed([path, *_neighbours(path).values()], f"Method {point.name!r}")


def _refuse_changed(files: Iterable[Path], subject: str) -> None:
    for file in files:
        if file in _texts and _texts[file] != read_source(file):
            raise UsageError(f"{subject}: {file.name} has changed since this process imported it. Start Python again.")


def _neighbours(path: Path) -> dict[str, Path]:
    """List the Python files next to a plugin that it imports, by module."""
    files = {name: Path(str(origin(name))) for name in local_imports(path)}
    return {name: file for name, file in files.items() if file.suffix == ".py"}


def _remember(files: Mapping[str, Path]) -> None:
    for name, file in files.items():
        if name in sys.modules:
            _texts.setdefault(file, read_source(file))


def _failure(error: BaseException, path: Path) -> str:
    """Describe why a file does not import: file, line and reason; the line is the innermost one in its folder."""
    if isinstance(error, SyntaxError):
        return f"{Path(error.filename or path).name}, line {error.lineno or 1}: {error.msg}."
    folder = path.resolve().parent
    frames = [(Path(f.filename), f.lineno) for f in traceback.extract_tb(error.__traceback__)]
    file, line = next((f for f in reversed(frames) if f[0].resolve().is_relative_to(folder)), (path, 1))
    reason = " ".join(str(error).split())
    return f"{file.name}, line {line}: {type(error).__name__}{f': {reason}' if reason else ''}."


def _open_folder(path: Path, text: str) -> None:
    """Let the files next to a plugin be imported from now on; refuse one that an installed package would shadow."""
    folder = path.resolve().parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    roots = {name.partition(".")[0] for name in local_imports(path)}
    for root in sorted(roots):
        installed, file = origin(root), local_file(root, folder)
        if installed is None or file is None or Path(installed).resolve() != file.resolve():
            raise UsageError(
                f"--plugin {text} imports {root!r}, which is {installed} and not the file of that name next to "
                f"{path.name}. Rename that file."
            )
