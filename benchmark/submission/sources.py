"""The source of a method: what a submission carries of it, and what is registered here, read without running it."""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from benchmark.execution.plugins import place_of, require_usable_name
from benchmark.execution.registry import registered
from benchmark.execution.sources import (
    code_of,
    find_class,
    lineage,
    origin,
    own_imports,
    read_source,
    source_texts,
    texts_fingerprint,
    with_imports,
)
from benchmark.schema import UsageError, fingerprint


def name_problems(name: str) -> Iterator[str]:
    """Yield a sentence for a name that no run gives a method, or that is another's but for the case of its letters."""
    for member in name.split("+"):
        try:
            require_usable_name(member, "The submission's method")
        except UsageError as error:
            yield str(error)
        twin = next((one for one in registered() if one != member and one.casefold() == member.casefold()), None)
        if twin is not None:
            yield f"The method {member} differs from {twin}, which is registered here, in the case of letters alone."


def source_problems(name: str, source: str, carried: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for every source that is not the one that made the records.

    Args:
        name: The method's name, or several joined by ``+``.
        source: The records' hash of it.
        carried: The source texts of the submission.
    """
    if source not in (texts_fingerprint(carried), _older_fingerprint(carried)):
        yield f"source.json is not the source that the records of {name} were made with; run and submit again."
        return
    members = carried.get("members", {})
    parts = members if members else {name: carried}
    if sorted(members) != (sorted(name.split("+")) if "+" in name else []):
        yield f"source.json holds {'+'.join(sorted(members)) or 'no members of a composition'} and not {name}."
        return
    if members and code_of(carried["composition"]) != code_of(composition_text()):
        yield "source.json composes its members in another way than this version of Temper; run it again with this one."
    for member, texts in parts.items():
        here = registered_texts(member)
        if here is not None and texts_fingerprint(here) != texts_fingerprint(texts):
            yield (
                f"The method {member} is registered here as {place_of(registered()[member])}, and "
                f"{_first_difference(here, texts, registered()[member])} differs from the source that made the "
                "records. Run it again with the present source."
            )


def _older_fingerprint(texts: Mapping[str, Any]) -> str:
    """Hash the texts themselves, comments included: what records state that were made before only code counted."""
    members = texts.get("members")
    if not isinstance(members, Mapping):
        return fingerprint(texts)
    return fingerprint({**texts, "members": {name: _older_fingerprint(member) for name, member in members.items()}})


def composition_text() -> str:
    """Source text of what composes methods here."""
    return read_source(Path(str(origin("benchmark.training.composition"))))


def registered_texts(name: str) -> Mapping[str, Any] | None:
    """Source texts of a registered method, read and not imported.

    None where it is not registered, or where only running it could tell (a class with several bases).
    """
    point = registered().get(name)
    if point is None:
        return None
    module, _, cls = point.value.partition(":")
    try:
        found = find_class(module, cls)
    except (ImportError, OSError, SyntaxError, ValueError):
        return {}
    if found is None:
        return {}
    classes = list(lineage(found))
    if any(len(node.bases) > 1 for _, node in classes):
        return None
    sources = {place: read_source(Path(str(origin(place)))) for place, _ in classes}
    texts = {f"{number}:{node.name}": sources[place] for number, (place, node) in enumerate(classes)}
    return with_imports(texts, [found for place, _ in classes for found in own_imports(sources[place], place)])


def _first_difference(here: Mapping[str, Any], there: Mapping[str, Any], point: EntryPoint) -> str:
    """Return the file, or else the module or class, of the first source that differs."""
    names = [name for name in (*here, *there) if not _same_code(here.get(name), there.get(name))]
    if not names:
        return "its source"
    number, colon, qualified = names[0].partition(":")
    if not colon:
        return f"the module {names[0]!a}"
    module, _, cls = point.value.partition(":")
    try:
        found = find_class(module, cls)
    except (ImportError, OSError, SyntaxError, ValueError):
        found = None
    classes = list(lineage(found)) if found is not None else []
    if not number.isdecimal() or int(number) >= len(classes):
        return f"the class {qualified!a}"
    return f"{Path(str(origin(classes[int(number)][0]))).name} (class {qualified!a})"


def _same_code(here: Any, there: Any) -> bool:
    return isinstance(here, str) and isinstance(there, str) and code_of(here) == code_of(there)


__all__ = ["registered_texts", "source_problems", "source_texts", "texts_fingerprint"]
