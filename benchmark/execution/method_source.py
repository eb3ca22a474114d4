"""Read a method's source files: its fingerprint, and its summary for a list of methods, without importing it."""

import ast
import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmark.schema import fingerprint

if TYPE_CHECKING:
    from benchmark.training.method import Method

TOOLBOX = "benchmark.training.toolbox"
BASE = "benchmark.training.method"
TRIAL_AVERAGE = "benchmark.training.trial_average", "TrialAverage"

PLUGIN = "temper_plugin_"
"""Prefix of the module names of a user's plugin files."""

Found = tuple[str, ast.ClassDef]
"""A class and the module that defines it."""

Texts: TypeAlias = Mapping[str, Any]
"""Source texts by name."""


@dataclass(frozen=True)
class Summary:
    """The entry of a method in a list of methods.

    Attributes:
        text: First sentence of the docstring, or why the source cannot be read.
        paper: The paper that the class states; empty if it states none.
        hooks: Hooks that the class or one of its bases overrides, in the order of a run.
        averages_trials: Whether it is a `TrialAverage`, which has no step whose cost could be counted, and no hooks.
        hyperparameters: Name, default, legal values and search space of each hyper-parameter, as the class declares
            them; the last is empty for one that is not tuned.
    """

    text: str
    paper: str = ""
    hooks: tuple[str, ...] = ()
    hyperparameters: tuple[tuple[str, str, str, str], ...] = ()
    averages_trials: bool = False


def summary(point: EntryPoint) -> Summary:
    """Describe a method from its source, so that nothing heavy is imported."""
    module, _, name = point.value.partition(":")
    try:
        _tree(module)
        definition = find_class(module, name)
    except (ImportError, OSError, SyntaxError, ValueError) as error:
        return Summary(f"does not import: {error}")
    if definition is None:
        return Summary(f"does not import: {module} has no class {name}")
    classes = list(lineage(definition))
    defined = {node.name for _, cls in classes for node in cls.body if isinstance(node, ast.FunctionDef)}
    paper = next((value for _, cls in classes for value in class_texts(cls, "paper")), "")
    text = " ".join((ast.get_docstring(definition[1]) or "").partition("\n\n")[0].split())
    fields = {field[0]: field for _, cls in reversed(classes) for field in _fields(cls)}
    averages = any((module, cls.name) == TRIAL_AVERAGE for module, cls in classes)
    overridden = tuple(hook for hook in hooks() if hook in defined and not averages)
    return Summary(text.partition("\n")[0], paper, overridden, tuple(fields.values()), averages)


@cache
def hooks() -> tuple[str, ...]:
    """Return the hooks of a method in the order of a run: functions that its base class defines before its state."""
    base = find_class(BASE, "Method")
    functions = [node.name for node in base[1].body if isinstance(node, ast.FunctionDef)] if base else []
    return tuple(functions[: functions.index("state_dict")])


def source_fingerprint(cls: "type[Method]") -> str:
    """Hash the code of a method's classes and of what they import, however deep, of the toolbox and of their own
    package, or of the folder that a plugin's file is in.

    Formatting, comments and docstrings do not count. The hash of a composition is over its members' and over the code
    that composes them.
    """
    return texts_fingerprint(source_texts(cls))


def texts_fingerprint(texts: Texts) -> str:
    """Hash the code in the result of `source_texts`; a member of a composition counts by its own hash."""
    return fingerprint(
        {
            name: {member: texts_fingerprint(own) for member, own in text.items()}
            if isinstance(text, Mapping)
            else code_of(text)
            for name, text in texts.items()
        }
    )


@cache
def code_of(text: str) -> str:
    """Write the syntax tree of a source text as one line, without positions and without what does nothing.

    Left out are comments, formatting, docstrings, other unused texts, ``pass``, and search spaces, which change no
    training. All supported versions of Python give the same line: they differ in the optional fields that a node has,
    and an empty field is left out. A text that does not parse is returned as it is.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    _drop_search_spaces(tree)
    written: list[str] = []
    # Use a stack instead of recursion, since a long sum is a tree thousands of nodes deep.
    waiting: list[object] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Written):
            written.append(item)
        elif isinstance(item, ast.Constant):
            # Use hex and ascii: repr limits the length of integers and depends on the version of Unicode.
            value = hex(item.value) if type(item.value) is int else ascii(item.value)
            written.append(f"Constant({value})")
        elif isinstance(item, ast.AST):
            parts = [(name, getattr(item, name, None)) for name in item._fields if name not in _NOT_CODE]
            if isinstance(item, ast.JoinedStr):
                # Skip the empty text that Python 3.12 adds after a width that is an expression.
                texts = [part for part in item.values if not (isinstance(part, ast.Constant) and part.value == "")]
                parts = [("values", texts)]
            waiting.append(_Written(")"))
            for name, value in reversed([(name, value) for name, value in parts if value is not None and value != []]):
                waiting += (_Written(","), value, _Written(f"{name}="))
            waiting.append(_Written(f"{type(item).__name__}("))
        elif isinstance(item, list):
            waiting.append(_Written("]"))
            for value in reversed([value for value in item if not _does_nothing(value)]):
                waiting += (_Written(","), value)
            waiting.append(_Written("["))
        else:
            written.append(ascii(item))
    return "".join(written)


def _drop_search_spaces(tree: ast.Module) -> None:
    """Remove ``Search`` from the metadata of annotations and from the imports of the training API."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple() as parts):
                parts.elts = [part for part in parts.elts if _search(part) is None]
            case ast.ImportFrom(module="benchmark.training"):
                node.names = [alias for alias in node.names if alias.name != "Search"]


def _search(node: ast.expr) -> ast.Call | None:
    """Return a node that calls ``Search.log``, ``Search.linear`` or ``Search.choice``."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id="Search"), attr="log" | "linear" | "choice")):
            return node
    return None


class _Written(str):
    """A part of the line that is already written, as opposed to nodes and values on the same stack."""

    __slots__ = ()


_NOT_CODE = {"ctx", "kind", "type_comment", "type_ignores"}
"""Redundant fields of nodes: the context in which a name is used, the prefix u, and comments."""


def _does_nothing(node: object) -> bool:
    alone = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return alone or isinstance(node, ast.Pass)


def source_texts(cls: "type[Method]") -> Texts:
    """Return the texts that `source_fingerprint` hashes, by module; for a composition, by member, and its own."""
    from benchmark.training import composition
    from benchmark.training.method import Method

    if issubclass(cls, composition.Composition):
        members = {member.name: source_texts(member) for member in cls.members}
        return {"members": members, "composition": read_source(Path(inspect.getfile(composition)))}
    # Number the texts: two files of a lineage may share a name, and the path of a plugin must not enter the hash.
    bases = [base for base in cls.__mro__ if issubclass(base, Method) and base is not Method]
    texts = {f"{number}:{base.__qualname__}": _source(base) for number, base in enumerate(bases)}
    waiting = [name for base in bases for name in own_imports(_source(base), base.__module__)]
    for base in bases:
        if base.__module__.startswith(PLUGIN):
            waiting += local_imports(Path(inspect.getfile(base)))
    return with_imports(texts, waiting)


def point_texts(point: EntryPoint) -> Texts | None:
    """Read the result of `source_texts` for a registered method without importing it; empty if there is no such class.

    Return None for a class with several bases, whose method resolution order is only known by running it.
    """
    module, _, name = point.value.partition(":")
    try:
        definition = find_class(module, name)
    except (ImportError, OSError, SyntaxError, ValueError):
        return {}
    classes = list(lineage(definition)) if definition else []
    if any(len(node.bases) > 1 for _, node in classes):
        return None
    sources = {place: read_source(Path(str(origin(place)))) for place, _ in classes}
    texts = {f"{number}:{node.name}": sources[place] for number, (place, node) in enumerate(classes)}
    return with_imports(texts, [name for place, _ in classes for name in own_imports(sources[place], place)])


def with_imports(texts: dict[str, str], waiting: list[str]) -> dict[str, str]:
    """Add the texts of modules and, recursively, of their imports from their own package or the toolbox."""
    while waiting:
        module = waiting.pop()
        if module not in texts:
            texts[module] = read_source(Path(str(origin(module))))
            waiting += own_imports(texts[module], module)
    return texts


def _source(cls: type) -> str:
    return read_source(Path(inspect.getfile(cls)))


def read_source(path: Path) -> str:
    """Read a Python file as Python does, with its byte order mark and its declared encoding.

    Raises:
        SyntaxError: it is not text in that encoding.
    """
    data = path.read_bytes()
    try:
        return importlib.util.decode_source(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SyntaxError(f"not {error.encoding} text", (str(path), line, None, None)) from error
    except SyntaxError as error:
        raise SyntaxError(error.msg, (str(path), 1, None, None)) from error


def own_imports(source: str, module: str) -> list[str]:
    """List the modules that a source text imports from its own outermost package or the toolbox, in every spelling."""
    root = module.partition(".")[0]
    # Only the toolbox is part of a method; the rest of the engine has its own version in the key.
    homes = (f"{TOOLBOX}.",) if root == "benchmark" else (f"{TOOLBOX}.", f"{root}.")
    return sorted(name for name in _named(source, module) if name.startswith(homes) and origin(name))


def local_imports(path: Path) -> list[str]:
    """List the modules next to a file that it imports by name, recursively, without those of the engine.

    Raises:
        SyntaxError: one of the files is not Python; the error names it.
    """
    folder = path.resolve().parent
    waiting, names = [(str(path), "")], set[str]()
    while waiting:
        file, module = waiting.pop()
        for name in _named(read_source(Path(file)), module, file) - names:
            inner = origin(name) if local_file(name.partition(".")[0], folder) else None
            if inner is not None:
                names.add(name)
                waiting += [(inner, name)] if inner.endswith(".py") else []
    return sorted(names)


def local_file(root: str, folder: Path) -> Path | None:
    """Return the file of a named module or package in a folder; None if there is none or it is the engine's."""
    files = (folder / f"{root}.py", folder / root / "__init__.py")
    return next((file for file in files if root != "benchmark" and file.is_file()), None)


@cache
def _named(source: str, module: str, file: str = "<unknown>") -> frozenset[str]:
    """Return the names that a source text imports, of modules and of their members, in every spelling."""
    package, named = module.rpartition(".")[0], set[str]()
    for node in ast.walk(ast.parse(source, file)):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (start, node.module)))
            named |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return frozenset(named)


def lineage(found: Found) -> Iterator[Found]:
    """Yield a class and its bases, up to the base class of all methods."""
    module, cls = found
    yield found
    for base in cls.bases:
        parent = find_class(module, base.id) if isinstance(base, ast.Name) else None
        if parent is not None and (parent[0], parent[1].name) != (BASE, "Method"):
            yield from lineage(parent)


def find_class(module: str, name: str) -> Found | None:
    """Return the definition of a class that a module defines or imports by ``from … import``."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                if (alias.asname or alias.name) == name and origin(str(node.module)):
                    return find_class(str(node.module), alias.name)
    return None


def class_texts(cls: ast.ClassDef, name: str) -> Iterator[str]:
    """Yield the text that a class variable is set to."""
    for node in cls.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        value = getattr(node, "value", None)
        if any(isinstance(t, ast.Name) and t.id == name for t in targets) and isinstance(value, ast.Constant):
            yield str(value.value)


def _fields(cls: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, default, legal values and search space of a class's own hyper-parameters."""
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            legal = _legal(node.annotation)
            default = str(node.value.value) if isinstance(node.value, ast.Constant) else ast.unparse(node.value)
            if not (node.target.id.startswith("_") or legal.startswith("ClassVar") or default.startswith("field(")):
                yield node.target.id, default, legal, _searched(node.annotation)


def _searched(annotation: ast.expr) -> str:
    """Write ``Search.log(0.01, 0.5, ...)`` as ``0.01 to 0.5, log`` and a list of choices as ``a, b``."""
    for call in filter(None, map(_search, ast.walk(annotation))):  # type: ignore[arg-type]  # any node may be asked
        values = [str(arg.value) if isinstance(arg, ast.Constant) else ast.unparse(arg) for arg in call.args]
        scale = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        return ", ".join(values) if scale == "choice" else f"{' to '.join(values)}, {scale}"
    return ""


_SIGNS = {"Gt": ">", "Ge": ">=", "Lt": "<", "Le": "<="}


def _legal(annotation: ast.expr) -> str:
    """Write ``Annotated[float, Gt(0)]`` as ``float > 0`` and ``Literal["a", "b"]`` as ``a, b``."""
    match annotation:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[kind, *metadata])):
            bounds = [
                f"{_SIGNS[call.func.id]} {ast.unparse(call.args[0])}"
                for call in metadata
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _SIGNS
            ]
            return f"{_legal(kind)} {' and '.join(bounds)}".strip()
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            listed = choices.elts if isinstance(choices, ast.Tuple) else [choices]
            return ", ".join(str(c.value) if isinstance(c, ast.Constant) else ast.unparse(c) for c in listed)
        case _:
            return ast.unparse(annotation)


@cache
def _tree(module: str) -> ast.Module:
    file = origin(module)
    if file is None:
        raise ImportError(f"there is no module {module!r}")
    return ast.parse(read_source(Path(file)), file)


def origin(module: str) -> str | None:
    """Return the file of a module. Only the outermost package is looked up, so that no ``__init__`` runs.

    Return None if there is no such module, and a word such as ``built-in`` if it has no file.
    """
    package, *inner = module.split(".")
    spec = importlib.util.find_spec(package)
    if spec is None or not inner:
        return None if spec is None else spec.origin
    for root in spec.submodule_search_locations or ():
        for file in (Path(root, *inner).with_suffix(".py"), Path(root, *inner, "__init__.py")):
            if file.is_file():
                return str(file)
    return None
