"""A low-discrepancy sequence for each dimension of a search space. Its bytes never change.

In one dimension it is the van der Corput sequence in base 2, scrambled bit by bit with a hash of the dimension's name
(Owen, "Randomly permuted (t,m,s)-nets", 1995). Across dimensions it is a Latin hypercube: each dimension visits the
points 2^k to 2^(k+1) - 1 in an order of its own. So the first 2^k points lie in 2^k different intervals of length
1 / 2^k in every dimension, a new dimension moves no other, and a longer study begins with the points of a shorter one.
"""

from functools import cache
from hashlib import sha256

BITS = 32


def position(dimension: str, number: int) -> int:
    """Return point `number`, from 0, of a dimension as an integer from 0 to 2^32 - 1."""
    number = _order(dimension, number.bit_length())[number] if number else 0
    point = 0
    for bit in range(BITS):
        lower = number & ((1 << bit) - 1)
        flip = _digest(dimension, "flip", bit, lower)[0] & 1
        point = point << 1 | (number >> bit & 1) ^ flip
    return point


@cache
def _order(dimension: str, bits: int) -> dict[int, int]:
    """Return the order in which a dimension visits the points whose number has so many bits."""
    numbers = range(1 << (bits - 1), 1 << bits)
    shuffled = sorted(numbers, key=lambda number: _digest(dimension, "order", bits, number))
    return dict(zip(numbers, shuffled, strict=True))


def _digest(dimension: str, *parts: str | int) -> bytes:
    return sha256("\n".join((dimension, *map(str, parts))).encode()).digest()
