"""The self-contained pages of the leaderboard, made from `leaderboard/templates`."""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import escape
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from benchmark.schema import visible
from leaderboard import definitions
from leaderboard.board import Board, Glossary, Section, distinct, slug, task_key
from leaderboard.columns import GROUP_TITLES, Column, Measurement, Row
from leaderboard.figures import Figure, decimal, true_minus
from leaderboard.ranking import IN_ORDER
from leaderboard.render.charts import charts, curve, forest
from leaderboard.results import PUBLISHED
from leaderboard.trial_notes import BEST_SO_FAR

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
COPIED = {"board.csv": "CSV", "board.md": "Markdown", "board.tex": "LaTeX"}
"""The files that a page offers to copy, and what it calls them."""


def page(board: Board, exports: Mapping[str, str], *, home: bool = False) -> str:
    """Write the page with all sections of a board.

    Args:
        board: The leaderboard, or a part of it.
        exports: The text of the files in `COPIED`, and of others, by name.
        home: Whether the page links to `contents`.
    """
    from markupsafe import Markup

    return _render(
        "board.html.j2",
        board,
        home=home,
        general=_general(board),
        charts=charts,
        forest=forest,
        curve=curve,
        best_so_far=BEST_SO_FAR,
        seed_strips={section.anchor: strips(section) for section in board.sections},
        task_cards=_task_cards(board),
        task_anchors=_task_anchors,
        zip=zip,
        attacked_text=attacked_text,
        measurements=_measurements,
        page_columns=_page_columns,
        switches=list(_switches(board)),
        in_order=IN_ORDER,
        filters=[(g, title) for g, title in GROUP_TITLES.items() if g not in IN_ORDER and _has_group(board, g)],
        exports=list(COPIED.items()),
        exported=Markup(script_json({name: exports[name].split("\n") for name in COPIED})),  # noqa: S704
    )


def contents(board: Board) -> str:
    """Write the page that links to a page for each section, `<anchor>.html`.

    It has the ids of the rows, so that a link to `index.html#<row>` finds the row.
    """
    return _render("contents.html.j2", board)


def _render(template: str, board: Board, **values: object) -> str:
    from markupsafe import Markup

    style, script = _asset("board.css"), _asset("board.js")
    source = _environment().get_template(template)
    return source.render(
        **values,
        board=board,
        definitions=definitions,
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
    )


def script_json(value: object) -> str:
    """Write JSON for a script element, escaped so that it cannot end the element or a line of the script."""
    text = json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(minus=true_minus, tint=_tint, groupby_order=_groupby_order)
    return environment


def _asset(name: str) -> str:
    return "\n" + (_TEMPLATES / name).read_text(encoding="utf-8")


def _content_hash(text: str) -> str:
    """Hash an inline script or style as a content security policy names it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _general(board: Board) -> list[tuple[str, str]]:
    general = [
        ("Cost", definitions.COST),
        ("Verification", definitions.VERIFICATION),
        ("Robustness", definitions.ROBUSTNESS),
    ]
    return [*general, ("Published", definitions.PUBLISHED)] if _has_group(board, PUBLISHED) else general


def _page_columns(section: Section) -> list[tuple[int, Column]]:
    """List the columns of a section's main table with the place of their cells."""
    return list(enumerate(c for c in section.columns() if c.on_page and (section.ranked or c.kind != "rank")))


def _task_cards(board: Board) -> dict[tuple[str, str], str]:
    """Find the anchor of each evaluation task's card, by suite and the key of the task's column."""
    return {
        (glossary.suite, task_key(entry)): anchor
        for glossary in board.glossaries
        for entry, anchor in zip(glossary.card["tasks"], _task_anchors(glossary), strict=True)
    }


def _task_anchors(glossary: Glossary) -> list[str]:
    return distinct(f"{glossary.anchor}--{slug(p['perspective'] + ' ' + p['id'])}" for p in glossary.card["tasks"])


def _has_group(board: Board, group: str) -> bool:
    return any(row.group == group for section in board.sections for row in section.rows)


def _switches(board: Board) -> Iterator[tuple[str, str, list[str]]]:
    for name, label in (("suite", "Suite"), ("backbone", "Backbone")):
        options = list(dict.fromkeys(filter(None, (getattr(section, name) for section in board.sections))))
        if len(options) > 1:
            yield name, label, options


def _tint(figure: Figure) -> str:
    """Return the CSS class of a change: better or worse if it is significant, otherwise empty."""
    if not figure.significant:
        return ""
    return "worse" if figure.change.startswith("-") else "better"


def _groupby_order(columns: Iterable[Any], attribute: str) -> list[tuple[str, list[Any]]]:
    """Group adjacent items by an attribute without sorting them."""
    return [(name, list(group)) for name, group in groupby(columns, key=attrgetter(attribute))]


def _measurements(row: Row) -> "Markup":
    """Write the lines of a row's table of measurements without the template engine, which is slow for thousands."""
    from markupsafe import Markup

    return Markup("\n".join(_measurement(row, measurement) for measurement in row.measurements))  # noqa: S704


def _measurement(row: Row, m: Measurement) -> str:
    unit = f' <span class="unit">{escape(m.unit)}</span>' if m.unit else ""
    subject = f'<td>{escape(m.perspective)}</td><th scope="row">{escape(m.task)}</th>'
    head = f'<tr>{subject}<th scope="row">{escape(m.metric)}{unit}</th>'
    if not m.figure.text:
        return f'{head}<td class="reason" colspan="{2 + len(row.seeds)}">{escape(m.figure.reason)}</td></tr>'
    points = dict(m.figure.points)
    numbers = [m.figure.text, m.figure.spread, *(points.get(seed, "–") for seed in row.seeds)]
    return head + "".join(f'<td class="number">{escape(true_minus(text))}</td>' for text in numbers) + "</tr>"


@dataclass(frozen=True, slots=True)
class Strip:
    """The scale of a column's dots, one per seed, from the lowest value in the column to the highest."""

    low: float
    high: float
    width: ClassVar[int] = 66

    def x(self, text: str) -> str:
        """Compute x of a shown value in a picture of that width."""
        margin = 4.0
        share = (float(text) - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return decimal(margin + (self.width - 2 * margin) * share, 1)


def strips(section: Section) -> dict[str, Strip]:
    """Return the scale of each perspective's column by key, without columns in which no row has a seed."""
    scales = {}
    for column in section.perspectives:
        figures = (row.figures[column.key] for row in section.rows if not row.is_published)
        if values := [float(text) for figure in figures for _, text in figure.points]:
            scales[column.key] = Strip(min(values), max(values))
    return scales


# Maximum product of the texts' word counts for which words are compared.
_COMPARABLE = 250_000

Pieces = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class AttackedText:
    """One flipped text: its facts, and the pieces of both texts with a flag for changes."""

    facts: str
    original: Pieces
    perturbed: Pieces


def attacked_text(example: Mapping[str, Any]) -> AttackedText:
    """Describe an attacked text of the results and mark its changed words."""
    original, perturbed = marked(visible(example["original"]), visible(example["perturbed"]))
    similarity = "" if example["similarity"] is None else f", similarity {example['similarity']:.2f}"
    mistake = f"class {example['label']} taken for {example['predicted']}"
    facts = f"seed {example['seed']}, {mistake}, {example['queries']} queries{similarity}"
    return AttackedText(facts, original, perturbed)


def marked(original: str, perturbed: str) -> tuple[Pieces, Pieces]:
    """Compare two texts word by word and mark the words that differ."""
    first, second = (re.findall(r"\s+|\S+", text) for text in (original, perturbed))
    left, right = _changed(first, second)
    return _pieces(first, left), _pieces(second, right)


def _changed(first: list[str], second: list[str]) -> tuple[list[bool], list[bool]]:
    """Return for each word whether it changed; attacks that swap words keep the positions of the others."""
    if len(first) == len(second):
        differ = [a != b for a, b in zip(first, second, strict=True)]
        return differ, differ
    left, right = [True] * len(first), [True] * len(second)
    # Mark very long texts as a whole, because comparing them is slow.
    if len(first) * len(second) <= _COMPARABLE:
        for a, b, size in SequenceMatcher(None, first, second, autojunk=False).get_matching_blocks():
            left[a : a + size] = right[b : b + size] = [False] * size
    return left, right


def _pieces(words: list[str], changed: list[bool]) -> Pieces:
    """Join adjacent pieces of one kind; white space is never marked."""
    pairs = [(word, mark and not word.isspace()) for word, mark in zip(words, changed, strict=True)]
    return tuple(("".join(word for word, _ in run), mark) for mark, run in groupby(pairs, key=itemgetter(1)))
