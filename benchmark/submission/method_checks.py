"""Check the method that a submission states: its source and its settings. Nothing of it is imported."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmark.execution.method_registry import registered
from benchmark.execution.method_source import code_of, origin, point_texts, read_source, texts_fingerprint
from benchmark.execution.plugins import place_of


def source_problems(name: str, source: str, carried: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for every source that is not the one that made the records.

    Args:
        name: The method's name, or several joined by ``+``.
        source: Its hash in the records.
        carried: The source texts of the submission.
    """
    members = carried.get("members", {})
    if source != texts_fingerprint(carried):
        yield f"source.json is not the source that the records of {name} were made with; run and submit again."
    elif sorted(members) != (sorted(name.split("+")) if "+" in name else []):
        yield f"source.json holds {'+'.join(sorted(members)) or 'no members of a composition'} and not {name}."
    else:
        composing = read_source(Path(str(origin("benchmark.training.composition"))))
        if members and code_of(carried["composition"]) != code_of(composing):
            yield "source.json composes its members differently from this version of Temper; run again with this one."
        for member, texts in (members or {name: carried}).items():
            here = registered_texts(member)
            if here is not None and texts_fingerprint(here) != texts_fingerprint(texts):
                both = {*here, *texts}
                changed = [part for part in both if code_of(here.get(part, "")) != code_of(texts.get(part, ""))]
                yield (
                    f"The method {member} is registered here as {place_of(registered()[member])}, and "
                    f"{min(changed, default='one of its modules')} differs "
                    "from the source that made the records. Run again with the present source."
                )


def registered_texts(name: str) -> Mapping[str, Any] | None:
    """Read the source texts of a registered method without importing it; None if that cannot be done."""
    point = registered().get(name)
    return None if point is None else point_texts(point)


def setting_problems(method: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence where configuration and hyper-parameters contradict each other."""
    known, suffix = method["hyperparameters"], "; run and submit again."
    written = dict(part.partition("=")[::2] for part in method["configuration"].split(",") if "=" in part)
    for key, text in written.items():
        if str(known.get(key, "missing")) != text:
            yield f"The configuration says {key}={text}, the hyper-parameters say {known.get(key, 'nothing')}{suffix}"
