"""Anchors: what a link to a part of the page ends in; the same for as long as its subject has its name."""

import re
from collections.abc import Iterable


def slug(text: str) -> str:
    """Turn a name into letters, digits, points and single hyphens; two hyphens join slugs."""
    return re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-")


def distinct(anchors: Iterable[str]) -> list[str]:
    """Number what occurs again: names may differ in what no anchor can hold."""
    taken: set[str] = set()
    found = []
    for anchor in anchors:
        number, one = 1, anchor
        while one in taken:
            number += 1
            one = f"{anchor}--{number}"
        taken.add(one)
        found.append(one)
    return found
