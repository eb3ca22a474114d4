"""board.json: everything the page shows, for programs."""

import json
from dataclasses import asdict
from typing import Any

from leaderboard import words
from leaderboard.figures import Figure
from leaderboard.table import Board, Column, Row, Section

FORMAT_VERSION = 1


def render(board: Board) -> str:
    """Write the board as JSON, indented, one value a line; numbers have the digits that are shown."""
    value = {
        "board": FORMAT_VERSION,
        "sections": [_section(section) for section in board.sections],
        "suites": [
            {"suite": glossary.suite, "fingerprint": glossary.fingerprint, "card": glossary.card}
            for glossary in board.glossaries
        ],
        "dropped": [{"where": drop.where, "reason": drop.reason} for drop in board.dropped],
        "inputs": [{"file": name, "hash": digest} for name, digest in board.inputs],
    }
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _section(section: Section) -> dict[str, Any]:
    return {
        "suite": section.suite,
        "backbone": section.backbone,
        "ranked": section.ranked,
        "rule": words.RANK if section.ranked else section.rule,
        "finding": section.finding,
        "columns": {column.key: asdict(column) for column in (*section.perspectives, *section.probes)},
        "rows": [_row(section, row) for row in section.rows],
    }


def _row(section: Section, row: Row) -> dict[str, Any]:
    return {
        "group": row.group,
        "rank": int(row.rank) if row.rank else None,
        "rank_worst": int(row.worst) if row.worst else None,
        "method": row.method,
        "configuration": row.configuration,
        "overall": _figure(row.overall),
        "p_holm": _number(row.p),
        "robustness": _figure(row.robustness),
        "perspectives": _figures(section.perspectives, row.perspectives),
        "probes": _figures(section.probes, row.probes),
        "cost": _figure(row.cost),
        "seeds": [int(seed) for seed in row.seeds],
        "verification": row.verification,
        "notes": list(row.notes),
        "summary": row.summary,
        "paper": row.paper,
        "masking": [asdict(check) for check in row.checks],
        "facts": dict(row.facts),
        "measurements": [
            {"probe": m.probe, "perspective": m.perspective, "metric": m.metric, "unit": m.unit, **_figure(m.figure)}
            for m in row.measurements
        ],
    }


def _figures(columns: tuple[Column, ...], figures: tuple[Figure, ...]) -> dict[str, Any]:
    return {column.key: _figure(figure) for column, figure in zip(columns, figures, strict=True)}


def _figure(figure: Figure) -> dict[str, Any]:
    """Turn the shown decimals back into numbers, so that this file can say nothing else than the others."""
    value: dict[str, Any] = {
        "value": _number(figure.text),
        "low": _number(figure.low),
        "high": _number(figure.high),
        "change_percent": _number(figure.change),
        "seeds": {seed: _number(text) for seed, text in figure.points if seed},
    }
    if figure.certain:
        value["change_certain"] = True
    known = {name: item for name, item in value.items() if item not in (None, {})} | {"value": value["value"]}
    return known | ({"reason": figure.reason} if figure.reason else {})


def _number(text: str) -> float | None:
    return float(text) if text else None
