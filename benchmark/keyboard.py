"""The letters next to each letter on a QWERTY keyboard, for the typos of tuning and of an attack."""

_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


def _neighbours() -> dict[str, str]:
    """Return the keys next to each letter: left, right, and those above and below that touch it."""
    keys: dict[str, str] = {}
    for number, row in enumerate(_ROWS):
        for column, letter in enumerate(row):
            near = row[max(0, column - 1) : column] + row[column + 1 : column + 2]
            if number > 0:
                near += _ROWS[number - 1][column : column + 2]
            if number + 1 < len(_ROWS):
                near += _ROWS[number + 1][max(0, column - 1) : column + 1]
            keys[letter] = near
    return keys


NEIGHBOURS = _neighbours()
"""Lower-case letters; the order is part of the typos of tuning."""
