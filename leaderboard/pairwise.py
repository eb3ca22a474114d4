"""Paired draws of two rows, compared all at once: a board of hundreds of rows has a hundred thousand pairs."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from leaderboard.intervals import outside

# Bytes of a lane: 64 bits that order as the draw does, and room for a guard bit above them.
_LANE = 9
_ALL, _TOP = (1 << 64) - 1, 1 << 63


@dataclass(frozen=True, slots=True)
class Pack:
    """A row's draws in one whole number, a lane for each.

    Attributes:
        plain: the draws.
        raised: the same with every guard bit set, less 1 a lane.
        guards: the guard bits alone.
        low: the least draw; `high` is the greatest.
        count: how many draws there are.
    """

    plain: int
    raised: int
    guards: int
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, draws: Sequence[float]) -> "Pack":
        """Pack draws; infinities order as they should."""
        count = len(draws)
        lanes = b"".join([bits.to_bytes(_LANE, "little") for bits in _ordered(draws)])
        ones = int.from_bytes((b"\1" + bytes(_LANE - 1)) * count, "little")
        plain, guards = int.from_bytes(lanes, "little"), ones << 64
        return cls(plain, plain + guards - ones, guards, min(draws), max(draws), count)

    def compared(self, other: "Pack") -> tuple[bool, bool]:
        """Whether this row is better, and whether the other is."""
        # Most pairs of a long board are far apart; their draws need not be looked at.
        if self.low > other.high or other.low > self.high:
            return self.low > other.high, other.low > self.high
        won, margin = self._won(other), outside(self.count)
        return self.count - won <= margin, won <= margin and self.count - other._won(self) <= margin

    def _won(self, other: "Pack") -> int:
        """Count the draws in which this row is above the other: a lane keeps its guard bit only then."""
        won: int = ((self.raised - other.plain) & self.guards).bit_count()
        return won


def _ordered(draws: Sequence[float]) -> list[int]:
    """Give each float's bits as a whole number below 2**64, such that they order as the floats do."""
    count = len(draws)
    # Adding 0.0 makes one zero of the two.
    bits = struct.unpack(f"<{count}Q", struct.pack(f"<{count}d", *[draw + 0.0 for draw in draws]))
    return [_ALL - one if one >> 63 else one | _TOP for one in bits]
