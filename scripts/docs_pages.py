"""A hook of mkdocs that adds the pages that are generated from the code, and CONTRIBUTING.md.

    make docs

Pages are made in memory, so that they cannot go stale: suites, methods, attacks and metrics.
"""

import inspect
import re
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin, get_type_hints

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
        "reference/methods.md": _methods(),
        "reference/attacks.md": _attacks(),
        "reference/metrics.md": _metrics(),
    }


def _suites() -> str:
    from benchmark.suites import available_groups, available_suites, find_group, load_suite

    parts = ["# Packaged suites", "`temper suite show NAME` prints the same, with every parameter of the attacks."]
    for suite in map(load_suite, available_suites()):
        heading = f"## {suite.name}@{suite.version}"
        trained = f"**Trained on** {suite.training.title}. {suite.training.description}"
        ranked = "ranked" if suite.ranked else "not ranked"
        state = f"Backbone `{suite.backbone}`; {ranked}; at least {suite.minimum_seeds} seeds."
        tasks: list[tuple[str, ...]] = [(f"`{t.id}`", t.perspective, t.title, t.description) for t in suite.tasks]
        tasks += [(f"`{a.id}`", f"attack on `{a.on}`", a.title, a.description) for a in suite.attacks]
        table = _table(("task", "perspective", "title", "data"), tasks)
        parts += [heading, suite.title, suite.note, trained, state, table]
    groups = [group for group in map(find_group, available_groups()) if group]
    rows = [(f"`{g.name}@{g.version}`", g.title, ", ".join(f"`{s}`" for s in g.suites)) for g in groups]
    return _join([*parts, "## Groups", _table(("group", "title", "suites"), rows)])


def _methods() -> str:
    from benchmark.execution.costs import Costs, over_vanilla
    from benchmark.execution.method_registry import MethodRequest, configure, registered
    from benchmark.execution.method_source import summary

    parts = [
        "# Methods",
        "Set a hyper-parameter on the command line with `--methods roast:alpha=0.9`. Cost is the number of training "
        "passes relative to vanilla's (forward 1, backward 2, backward to the inputs 1), as counted in a run.",
    ]
    for name, point in registered().items():
        if not point.value.startswith("methods."):
            continue
        cls = configure(MethodRequest(name, {})).cls
        known = Costs.for_method(point).methods.get(name)
        hooks = ", ".join(f"`{hook}`" for hook in summary(point).hooks) or "none"
        cost = f"{over_vanilla(known.step):.2f} per step" if known else "not measured"
        if known and over_vanilla(known.once):
            cost += f", {over_vanilla(known.once):.2f} epochs once"
        hints = get_type_hints(cls, include_extras=True)
        rows = [(f"`{f.name}`", _kind(hints[f.name]), _default(f.default)) for f in fields(cls) if f.init]
        parts += [
            f"## {name}",
            _definition_text(cls),
            f"- Paper: {cls.paper or '-'}\n- Version: {cls.version}\n- Hooks: {hooks}\n- Cost: {cost}",
            _table(("hyper-parameter", "type", "default"), rows) if rows else "",
        ]
    return _join(parts)


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


def _definition_text(cls: type) -> str:
    """Return a class's docstring as Markdown: reStructuredText's double backticks are single ones there."""
    return (inspect.getdoc(cls) or "").replace("``", "`")


def _kind(hint: Any) -> str:
    """Describe the type of a hyper-parameter, with its range or choices where the field declares them."""
    if get_origin(hint) is Annotated:
        core, *limits = get_args(hint)
        return ", ".join((_kind(core), *(bound for limit in limits for bound in _bounds(limit))))
    if get_origin(hint) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(hint))
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _bounds(limit: Any) -> list[str]:
    """Write what a limit such as ``Gt(0)`` says."""
    symbols = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    known = {symbol: getattr(limit, name, None) for name, symbol in symbols.items()}
    return [f"{symbol} {value}" for symbol, value in known.items() if value is not None] or [str(limit)]


def _default(value: Any) -> str:
    return "required" if value is MISSING else f"`{value}`"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _join(parts: Iterable[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
