"""Where the labels of a picture's points stand: over no other label and no point, and clear of lines where they can."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from leaderboard.figures import decimal

# What a character of a label needs, in the picture's units.
_CHARACTER, _LINE = 6.9, 12.0
_LONGEST = 22
# A label nearer than this to the point of another row would be read as its.
_NEAR = 9.0

# Right, left, above, below, and between these; farther away, a label needs a line to its point.
_AROUND = (
    (8, 4, "start"), (-8, 4, "end"), (0, -9, "middle"), (0, 17, "middle"),
    (6, -6, "start"), (6, 14, "start"), (-6, -6, "end"), (-6, 14, "end"),
    (26, -16, "start"), (26, 24, "start"), (-26, -16, "end"), (-26, 24, "end"),
    (34, -34, "start"), (34, 42, "start"), (-34, -34, "end"), (-34, 42, "end"),
)  # fmt: skip
_NEXT_TO = 8

Box = tuple[float, float, float, float]
"""Left, top, right and bottom."""
Centre = tuple[float, float]


class Label(NamedTuple):
    """A label's text, place and text anchor, and whether a line must lead from the point to it."""

    text: str
    x: str
    y: str
    anchor: str
    leader: bool


NO_LABEL = Label("", "", "", "", leader=False)


def place_labels(
    names: Iterable[tuple[int, str]], centres: Sequence[Centre], lines: list[Box], frame: Box
) -> dict[int, Label]:
    """Give points labels, in the order of their names, as far as there is room.

    Args:
        names: Number and name of each point, the most important first.
        centres: All points.
        lines: What labels keep clear of if there is room enough.
        frame: What labels stay inside of.
    """
    labels: dict[int, Label] = {}
    labelled: list[Box] = []
    for index, name in names:
        text = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
        others = [centre for other, centre in enumerate(centres) if other != index]
        taken = labelled + [(x - _NEAR, y - _NEAR, x + _NEAR, y + _NEAR) for x, y in others]
        found = _room(text, centres[index], taken + lines, frame) or _room(text, centres[index], taken, frame)
        if found is not None:
            labels[index], box = found
            labelled.append(box)
    return labels


def _room(text: str, centre: Centre, taken: list[Box], frame: Box) -> tuple[Label, Box] | None:
    """The first place around a point whose box overlaps nothing that is taken."""
    width, (x, y) = _CHARACTER * len(text), centre
    for place, (dx, dy, anchor) in enumerate(_AROUND):
        at, base = x + dx, y + dy
        left = at - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        box = (left, base - _LINE + 2, left + width, base + 2)
        inside = box[0] >= frame[0] and box[1] >= frame[1] and box[2] <= frame[2] and box[3] <= frame[3]
        if inside and not any(_overlap(box, other) for other in taken):
            return Label(text, decimal(at, 1), decimal(base, 1), anchor, leader=place >= _NEXT_TO), box
    return None


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
