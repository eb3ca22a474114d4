"""index.html: one self-contained page, made of the templates beside this package."""

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaderboard import words
from leaderboard.anchors import distinct, slug
from leaderboard.figures import Figure
from leaderboard.render.charts import HEIGHT, WIDTH, charts
from leaderboard.render.measurements import measurements
from leaderboard.render.plain import GROUP_TITLES
from leaderboard.render.scales import PLOT_WIDTH, Plot, strips, true_minus
from leaderboard.table import Board, Glossary, Row, Section

if TYPE_CHECKING:
    from jinja2 import Environment

_TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_EXPORTS = {"board.csv": "CSV", "board.md": "Markdown", "board.tex": "LaTeX"}


def render(board: Board, exports: Mapping[str, str]) -> str:
    """Write the page.

    Args:
        board: what to show.
        exports: the text of the other files by name; those that the page offers to copy are embedded.
    """
    from markupsafe import Markup

    style, script = _asset("board.css"), _asset("board.js")
    template = _environment().get_template("board.html.j2")
    return template.render(
        board=board,
        words=words,
        general=_general(board),
        plots={section.anchor: Plot.of(section) for section in board.sections},
        plot_width=PLOT_WIDTH,
        seed_strips={section.anchor: strips(section) for section in board.sections},
        charts=charts,
        chart_size=(WIDTH, HEIGHT),
        probe_cards=_probe_cards(board),
        probe_anchors=_probe_anchors,
        zip=zip,
        measurements=measurements,
        groups=_groups,
        switches=list(_switches(board)),
        filters=[(group, GROUP_TITLES[group]) for group in ("apart", "published") if _has_group(board, group)],
        exports=list(_EXPORTS.items()),
        exported=Markup(script_json({name: exports[name].split("\n") for name in _EXPORTS})),  # noqa: S704
        style=Markup(style),  # noqa: S704
        script=Markup(script),  # noqa: S704
        style_hash=_content_hash(style),
        script_hash=_content_hash(script),
    )


def script_json(value: object) -> str:
    """Write JSON that can stand inside a script element: nothing in it can end the element or a line of a script."""
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
    definitions = [("Cost", words.COST), ("Verification", words.VERIFICATION), ("Robustness", words.ROBUSTNESS)]
    return [*definitions, ("Published", words.PUBLISHED)] if _has_group(board, "published") else definitions


def _probe_cards(board: Board) -> dict[tuple[str, str], str]:
    """Anchor of each probe's card, by suite and the key of the probe's column."""
    key = itemgetter("perspective", "id", "headline")
    return {
        (glossary.suite, "/".join(key(probe))): anchor
        for glossary in board.glossaries
        for probe, anchor in zip(glossary.card["probes"], _probe_anchors(glossary), strict=True)
    }


def _probe_anchors(glossary: Glossary) -> list[str]:
    return distinct(f"{glossary.anchor}--{slug(p['perspective'] + ' ' + p['id'])}" for p in glossary.card["probes"])


def _has_group(board: Board, group: str) -> bool:
    return any(row.group == group for section in board.sections for row in section.rows)


def _groups(section: Section) -> Iterator[tuple[str, str, list[Row]]]:
    for group, title in GROUP_TITLES.items():
        if rows := [row for row in section.rows if row.group == group]:
            yield group, title, rows


def _switches(board: Board) -> Iterator[tuple[str, str, list[str]]]:
    for name, label in (("suite", "Suite"), ("backbone", "Backbone")):
        options = list(dict.fromkeys(filter(None, (getattr(section, name) for section in board.sections))))
        if len(options) > 1:
            yield name, label, options


def _tint(figure: Figure) -> str:
    """Name the class of a change: better or worse where that is certain, otherwise empty."""
    if not figure.certain:
        return ""
    return "worse" if figure.change.startswith("-") else "better"


def _groupby_order(columns: Iterable[Any], attribute: str) -> list[tuple[str, list[Any]]]:
    """Group neighbours by an attribute without sorting them."""
    return [(name, list(group)) for name, group in groupby(columns, key=attrgetter(attribute))]
