"""A hook of mkdocs that adds the pages that are generated from the code, and CONTRIBUTING.md.

    make docs

Pages are made in memory, so that they cannot go stale: suites, attacks and metrics.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

REPOSITORY = Path(__file__).resolve().parents[1]


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the generated pages to the files of the site."""
    from mkdocs.structure.files import File

    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links to CONTRIBUTING.md, which is outside of docs/, to its page."""
    return markdown.replace("(../CONTRIBUTING.md", "(contributing.md")


def pages() -> dict[str, str]:
    """Write all generated pages: path in docs/ -> Markdown."""
    contributing = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return {
        "contributing.md": contributing.replace("(docs/", "("),
        "reference/suites.md": _suites(),
        "reference/attacks.md": _attacks(),
        "reference/metrics.md": _metrics(),
    }


def _suites() -> str:
    from benchmark.suites import available_groups, available_suites, find_group, load_suite

    parts = ["# Packaged suites", "`temper suite show NAME` prints the same, with every parameter of the attacks."]
    for suite in map(load_suite, available_suites()):
        heading = f"## {suite.full_name}"
        trained = f"**Trained on** {suite.training.title}. {suite.training.description}"
        ranked = "ranked" if suite.ranked else "not ranked"
        state = f"Backbone `{suite.backbone}`; {ranked}; at least {suite.minimum_seeds} seeds."
        tasks: list[tuple[str, ...]] = [(f"`{t.id}`", t.perspective, t.title, t.description) for t in suite.tasks]
        tasks += [(f"`{a.id}`", f"attack on `{a.on}`", a.title, a.description) for a in suite.attacks]
        table = _table(("task", "perspective", "title", "data"), tasks)
        parts += [heading, suite.title, suite.note, trained, state, table]
    groups = [group for group in map(find_group, available_groups()) if group]
    rows = [(f"`{g.full_name}`", g.title, ", ".join(f"`{s}`" for s in g.suites)) for g in groups]
    return _join([*parts, "## Groups", _table(("group", "title", "suites"), rows)])


def _attacks() -> str:
    from benchmark.suites.docs_reference import reference

    sections = re.split(r"^### ", reference(), flags=re.MULTILINE)[1:]
    parts = ["# Attacks", "Parameters are keys of `[attacks.parameters]` in a suite, or `--parameter key=value`."]
    for section in sections:
        heading, _, rest = section.partition("\n")
        recipe = re.search(r'recipe = "(\w+)"', heading)
        if recipe:
            parts += [f"## {recipe[1]}", rest.strip()]
    return _join(parts)


def _metrics() -> str:
    from benchmark.evaluation.metrics import METRICS

    better = {"up": "higher", "down": "lower", "none": "neither"}
    rows = [
        (f"`{m.id}`", str(m.version), m.title, better[m.direction], m.unit, m.description) for m in METRICS.values()
    ]
    return _join(["# Metrics", _table(("id", "version", "title", "better", "unit", "definition"), rows)])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
