"""Methods in a file of the user's, given as ``file.py:Class``.

The file may import others beside it by name, as a script may. Its folder is searched last, not first as a script's is,
so that no file of the user's takes an installed package's place; where the two share a name, the plugin is refused.
"""

import importlib.util
import inspect
import re
import sys
from importlib.metadata import EntryPoint
from itertools import count
from pathlib import Path
from types import ModuleType

from benchmark.execution.sources import PLUGIN, beside, imported_beside, origin, read_source
from benchmark.schema.errors import TemperError, UsageError, nearest

GROUP = "temper.methods"

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_numbers = count()


def read_plugin(text: str) -> EntryPoint:
    """Run a plugin's file and return an entry point to its class, such as an installed package would have.

    Raises:
        UsageError: not of the form file.py:Class, no such file or class, no method, an unusable name, or an import of
            a file beside it that has the name of something installed.
        TemperError: the file does not import.
    """
    from benchmark.training.method import Method

    file, _, name = text.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise UsageError(f"--plugin {text}: there is no file {file!r}; write file.py:Class.")
    module = _import(path, text)
    methods = [n for n, v in vars(module).items() if isinstance(v, type) and issubclass(v, Method) and v is not Method]
    if name not in methods:
        raise UsageError(f"--plugin {text}: {path.name} has no method class {name!r}. {nearest(name, methods)}")
    cls: type[Method] = getattr(module, name)
    require_usable_name(cls.name, f"--plugin {text}")
    return EntryPoint(name=cls.name, value=f"{module.__name__}:{name}", group=GROUP)


def place_of(point: EntryPoint) -> str:
    """Where a method comes from: its file, if it was given as one, else its module."""
    module, _, name = point.value.partition(":")
    return f"{inspect.getfile(sys.modules[module])}:{name}" if module.startswith(PLUGIN) else point.value


def require_usable_name(name: str, place: str) -> None:
    """Refuse names that would not survive as a folder or inside a composition.

    Raises:
        UsageError: names the place.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UsageError(
            f"{place} calls itself {name!r}; a method's name is letters, digits, - and _, like my_method, and at most "
            "80 of them."
        )


def _import(path: Path, text: str) -> ModuleType:
    """Run a file as a module of its own; dataclasses and the fingerprint look it up among the loaded ones."""
    spec = importlib.util.spec_from_file_location(f"{PLUGIN}{next(_numbers)}_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UsageError(f"--plugin {text}: {path.name} is no Python file; write file.py:Class.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        _open_folder(path, text)
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        if isinstance(error, UsageError):
            raise
        raise TemperError(f"--plugin {text} does not import: {error!r}.") from error
    return module


def _open_folder(path: Path, text: str) -> None:
    """Let the files beside a plugin be imported, from now on, and find out which of them Python would not take."""
    folder = path.resolve().parent
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    roots = {name.partition(".")[0] for name in imported_beside(read_source(path), folder)}
    for root in sorted(roots):
        found, file = origin(root), beside(root, folder)
        if found is None or file is None or Path(found).resolve() != file.resolve():
            raise UsageError(
                f"--plugin {text} imports {root!r}, which is {found} and not the file of that name beside "
                f"{path.name}; rename that file."
            )
