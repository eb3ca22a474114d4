"""Escape text for Markdown, wherever text of data sets, methods and submitters is shown."""

import re

# Match markup, texts that GitHub links automatically, and line starts that make a heading, list or rule.
_MARKUP = re.compile(r"[\\`*_\[\]<>|~$&]|(?<=:)/(?=/)|(?<=\bwww)\.|@(?=\w)", re.IGNORECASE)
_LINE_START = re.compile(r"^(\d*)([-+=.)#])")


def escape_markdown(text: str) -> str:
    """Escape text for Markdown, including links, HTML, line breaks and cell separators."""
    return _LINE_START.sub(r"\1\\\2", escape_cell(text))


def escape_cell(text: str) -> str:
    """Escape a cell of a table, in which markup of whole lines cannot occur."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
