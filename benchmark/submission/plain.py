"""Plain text: what a submission may say in its free fields, so that nothing shown from it can do anything."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

from benchmark.schema import Problem, printable
from benchmark.schema.errors import json_pointer

LONGEST = 1000

_RULES = (
    (re.compile(r"[<>]|&#?\w+;"), "markup"),
    (re.compile(r"[\\$`]"), "a character of LaTeX or Markdown"),
    (re.compile(r"!?\[[^\]]*\]\("), "a Markdown link"),
    (re.compile(r"^\s*[=+@|%＝＋－＠]|^\s*-(?![0-9.])"), "the beginning of a spreadsheet formula"),
    (re.compile(r"(?i)\b(javascript|vbscript|data\s*:\s*text)\s*[:/]"), "a script's address"),
)
_BLANK = "\u2028\u2029\u115f\u1160\u3164\uffa0"
"""What is shown as nothing, or as the end of a line, without being a format character to Unicode."""

UNSAFE = frozenset("\x00\u2028\u2029\u200b\u200e\u200f\ufeff" + "".join(map(chr, range(1, 32))) + "\x7f")
"""Characters that an attack's text may hold only where the attacked text does."""

MARKUP = re.compile(r"<[A-Za-z/!?]|\\[A-Za-z]")
"""The beginning of a tag or a command; a masked language model proposes ``<`` and a backslash as words of their own."""


def strange(text: str) -> str:
    """What is not plain about a text; empty for plain text."""
    if len(text) > LONGEST:
        return f"{len(text)} characters"
    if printable(text) != text:
        return "a control character"
    if any(unicodedata.category(character) == "Cf" or character in _BLANK for character in text):
        return "an invisible character"
    return next((what for pattern, what in _RULES if pattern.search(text)), "")


def strange_texts(value: Any, pointer: str = "") -> Iterator[Problem]:
    """Every text and every key of a JSON value that is not plain."""
    if isinstance(value, str):
        if what := strange(value):
            yield Problem(pointer, f"holds {what}; write plain text.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if what := strange(key):
                where = pointer + json_pointer((ascii(key[:40]),))
                yield Problem(where, f"is a key that holds {what}; write plain text.")
            yield from strange_texts(item, pointer + json_pointer((ascii(key)[1:-1][:80],)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, str | dict | list):
                yield from strange_texts(item, pointer + json_pointer((number,)))
