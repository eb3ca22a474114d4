"""Attachments: files next to the records that explain a row and never enter a score.

``<suite>@<version>/<method>/method.json`` describes a method. ``<suite>@<version>/<method>/<backbone>/attacks/
<attack>.jsonl`` holds a few attacked texts. Both are optional. ``<suite>@<version>/<method>/<backbone>/trials.jsonl``
holds the trials of a tuned row, which its records need.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, with_config
from typing_extensions import TypedDict

from benchmark.schema.base import PLAIN, STRICT, Count, Hash, Name, Number, Schema, Whole
from benchmark.schema.canonical import file_fingerprint, lines_of, parse_json
from benchmark.schema.errors import IntegrityError, Problem
from benchmark.schema.migrations import ATTACHMENT_SCHEMA_VERSION
from benchmark.schema.record import TUNED
from benchmark.schema.trial import TRIALS_FILE, Trial, read_trials

METHOD_FILE, ATTACKS_FOLDER = "method.json", "attacks"
MOST_EXAMPLES = 20
LONGEST_SUMMARY, LONGEST_PAPER, LONGEST_TEXT, LONGEST_ID = 4_000, 400, 20_000, 400

_AttackedText = Annotated[str, StringConstraints(pattern=PLAIN, max_length=LONGEST_TEXT)]


@with_config(STRICT)
class MethodCard(TypedDict):
    """Description of a method: ``method.json``."""

    schema: Count
    """Version of this schema."""
    name: Name
    summary: Annotated[
        str,
        StringConstraints(pattern=PLAIN, min_length=1, max_length=LONGEST_SUMMARY),
        Field(title="a sentence that says what the method does"),
    ]
    paper: Annotated[
        str, StringConstraints(pattern=PLAIN, max_length=LONGEST_PAPER), Field(title="the paper, or an empty text")
    ]


@with_config(STRICT)
class AttackExample(TypedDict):
    """An attacked text that the model got wrong: one line of ``attacks/<attack>.jsonl``."""

    schema: Count
    """Version of this schema."""
    seed: Whole
    table: Hash
    """Of the attack table that the text is from."""
    id: Annotated[
        str,
        StringConstraints(pattern=PLAIN, min_length=1, max_length=LONGEST_ID),
        Field(title="the example's id"),
    ]
    outcome: Literal["flipped"]
    label: Whole
    predicted: Whole
    queries: Whole
    similarity: Number | None
    original: Annotated[_AttackedText, Field(title="the attacked text")]
    perturbed: Annotated[_AttackedText, Field(title="the text that the attack found")]


METHOD_CARD = Schema(MethodCard)
ATTACK_EXAMPLE = Schema(AttackExample)


@dataclass(slots=True)
class Attachments:
    """The attachments of one suite folder.

    Attributes:
        methods: ``method.json`` by the method's folder.
        examples: Attacked texts by the row's folder, ``<method>/<backbone>``, and the attack.
        trials: Trials of a tuned row by the row's folder.
        files: Name, relative to the results folder, and hash of everything read.
        complaints: One line ``file: pointer: message`` for each problem.
    """

    methods: dict[str, dict[str, Any]] = field(default_factory=dict)
    examples: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    trials: dict[str, list[Trial]] = field(default_factory=dict)
    files: list[tuple[str, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def is_attachment(path: Path, folder: Path) -> bool:
    """Return whether a file below a suite's folder has the path of an attachment."""
    parts = path.relative_to(folder).parts
    if len(parts) == 2:
        return parts[1] == METHOD_FILE
    if len(parts) == 3:
        return parts[2] == TRIALS_FILE
    return len(parts) == 4 and parts[2] == ATTACKS_FOLDER and path.suffix == ".jsonl"


def read_attachments(root: Path, folder: Path, paths: Iterable[Path]) -> Attachments:
    """Read the attachments of a suite folder; add a complaint for each problem."""
    attachments = Attachments()
    for path in paths:
        parts = path.relative_to(folder).parts
        attachments.files.append((path.relative_to(root).as_posix(), file_fingerprint(path)))
        if len(parts) == 2:
            attachments.methods[parts[0]] = _read_method(path, parts[0], attachments.complaints)
        elif len(parts) == 3:
            try:
                attachments.trials["/".join(parts[:2])] = read_trials(path)
            except IntegrityError as error:
                attachments.complaints.append(str(error))
        else:
            attachments.examples["/".join(parts[:2]), path.stem] = _read_examples(path, attachments.complaints)
    return attachments


def method_card_text(name: str, summary: str, paper: str) -> str:
    """Write a ``method.json``.

    Raises:
        IntegrityError: a part is not valid; all problems are listed.
    """
    value = {"schema": ATTACHMENT_SCHEMA_VERSION, "name": name, "summary": summary, "paper": paper}
    return METHOD_CARD.line(value, "method card")


def attack_example_line(example: Mapping[str, Any]) -> str:
    """Write an attacked text as a line of its file; `example` lacks only the schema version.

    Raises:
        IntegrityError: a part is not valid; all problems are listed.
    """
    return ATTACK_EXAMPLE.line({"schema": ATTACHMENT_SCHEMA_VERSION, **example}, "attack example")


def _read_method(path: Path, slug: str, complaints: list[str]) -> dict[str, Any]:
    value, problems = _valid(METHOD_CARD, path.read_bytes())
    if not problems and slug.partition("~")[0].removesuffix(f"@{TUNED}") != value["name"]:
        problems = [Problem("/name", f"is {value['name']}, the folder is {slug}; one of the two is wrong.")]
    complaints += [f"{path}: {problem}" for problem in problems]
    return value if not problems else {}


def _read_examples(path: Path, complaints: list[str]) -> list[dict[str, Any]]:
    lines = lines_of(path)
    if len(lines) > MOST_EXAMPLES:
        complaints.append(f"{path}: holds {len(lines)} examples; keep at most {MOST_EXAMPLES}.")
        return []
    examples = []
    for number, line in enumerate(lines, start=1):
        value, problems = _valid(ATTACK_EXAMPLE, line)
        complaints += [f"{path}:{number}: {problem}" for problem in problems]
        examples += [] if problems else [value]
    return examples


def _valid(schema: Schema, data: bytes) -> tuple[Any, list[Problem]]:
    value, problems = parse_json(data)
    problems = problems or schema.problems(value)
    if not problems and value["schema"] != ATTACHMENT_SCHEMA_VERSION:
        problems = [Problem("/schema", f"is not {ATTACHMENT_SCHEMA_VERSION}, the only one there is.")]
    return value, problems
