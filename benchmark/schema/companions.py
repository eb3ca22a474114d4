"""Companions: what stands beside records to explain a row, and never enters a number.

``<suite>@<version>/<method>/method.json`` says what a method is; ``<suite>@<version>/<method>/<backbone>/attacks/
<attack>.jsonl`` holds a few attacked texts. Both are optional.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.schema.canonical import canonical_json, file_fingerprint
from benchmark.schema.errors import IntegrityError
from benchmark.schema.fields import Choice, Maybe, Number, Problem, Text, Whole, shape
from benchmark.schema.reading import parse_json
from benchmark.schema.records import HASH, NAME, SCHEMA, method_slug

COMPANION_SCHEMA_VERSION = 1
METHOD_FILE, ATTACKS_FOLDER = "method.json", "attacks"
MOST_EXAMPLES = 20
LONGEST_SUMMARY, LONGEST_PAPER, LONGEST_TEXT, LONGEST_ID = 4_000, 400, 20_000, 400

METHOD_CARD = shape(
    schema=SCHEMA,
    name=NAME,
    summary=Text("a sentence that says what the method does", limit=LONGEST_SUMMARY),
    paper=Text("the paper, or an empty text", empty=True, limit=LONGEST_PAPER),
)
ATTACK_EXAMPLE = shape(
    schema=SCHEMA,
    seed=Whole(),
    table=HASH,
    id=Text("the example's id", limit=LONGEST_ID),
    outcome=Choice(("flipped",)),
    label=Whole(),
    predicted=Whole(),
    queries=Whole(),
    similarity=Maybe(Number()),
    original=Text("the attacked text", empty=True, limit=LONGEST_TEXT),
    perturbed=Text("the text that the attack found", empty=True, limit=LONGEST_TEXT),
)


@dataclass(slots=True)
class Companions:
    """The companions of one suite folder.

    Attributes:
        methods: ``method.json`` by the method's folder.
        examples: Attacked texts by the row's folder, ``<method>/<backbone>``, and the attack.
        files: Name, relative to the results folder, and hash of everything read.
        complaints: One line ``file: pointer: message`` for each problem.
    """

    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    files: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def is_companion(path: Path, folder: Path) -> bool:
    """Whether a file below a suite's folder is in the place of a companion."""
    parts = path.relative_to(folder).parts
    if len(parts) == 2:
        return parts[1] == METHOD_FILE
    return len(parts) == 4 and parts[2] == ATTACKS_FOLDER and path.suffix == ".jsonl"


def read_companions(root: Path, folder: Path, paths: Iterable[Path]) -> Companions:
    """Read the companions of a suite folder; what is wrong with one joins the complaints."""
    found = Companions()
    for path in paths:
        parts = path.relative_to(folder).parts
        found.files.append((path.relative_to(root).as_posix(), file_fingerprint(path)))
        if len(parts) == 2:
            found.methods[parts[0]] = _read_method(path, parts[0], found.complaints)
        else:
            found.examples["/".join(parts[:2]), path.stem] = _read_examples(path, found.complaints)
    return found


def method_card_text(name: str, summary: str, paper: str) -> str:
    """Write a ``method.json``.

    Raises:
        IntegrityError: a part is not valid; all problems are listed.
    """
    value = {"schema": COMPANION_SCHEMA_VERSION, "name": name, "summary": summary, "paper": paper}
    return _line(value, [*METHOD_CARD.problems(value, "")], "method card")


def attack_example_line(example: Mapping[str, Any]) -> str:
    """Write an attacked text as its line of a file; `example` lacks the schema version alone.

    Raises:
        IntegrityError: a part is not valid; all problems are listed.
    """
    value = {"schema": COMPANION_SCHEMA_VERSION, **example}
    return _line(value, [*ATTACK_EXAMPLE.problems(value, "")], "attack example")


def _line(value: dict[str, Any], problems: list[Problem], what: str) -> str:
    if problems:
        raise IntegrityError("\n".join(f"{what} {problem}" for problem in problems))
    return canonical_json(value) + "\n"


def _read_method(path: Path, slug: str, complaints: list[str]) -> dict[str, Any]:
    value, problems = parse_json(path.read_bytes())
    problems = problems or [*METHOD_CARD.problems(value, ""), *_current(value)]
    if not problems and slug.partition("~")[0] != method_slug(value["name"], ""):
        problems = [Problem("/name", f"is {value['name']}, the folder is {slug}; one of the two is wrong.")]
    complaints += [f"{path}: {problem}" for problem in problems]
    return value if not problems else {}


def _read_examples(path: Path, complaints: list[str]) -> list[dict[str, Any]]:
    lines = path.read_bytes().split(b"\n")
    lines = lines[:-1] if not lines[-1] else lines
    if len(lines) > MOST_EXAMPLES:
        complaints.append(f"{path}: holds {len(lines)} examples; keep at most {MOST_EXAMPLES}.")
        return []
    found = []
    for number, line in enumerate(lines, start=1):
        value, problems = parse_json(line)
        problems = problems or [*ATTACK_EXAMPLE.problems(value, ""), *_current(value)]
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        found += [] if problems else [value]
    return found


def _current(value: object) -> list[Problem]:
    if isinstance(value, dict) and value.get("schema") in (None, COMPANION_SCHEMA_VERSION):
        return []
    return [Problem("/schema", f"is not {COMPANION_SCHEMA_VERSION}, the only one there is.")]
