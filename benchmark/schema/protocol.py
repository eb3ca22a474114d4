"""Protocol options: named deviations in papers' released code that are not part of the method; off by default.

They show the effect of a leak or a bug. A row measured under options is a separate row and is never ranked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from benchmark.schema.errors import UsageError, nearest

PADDING_ATTENDED: Final = "padding-attended"
SELECT_ON_REPORTED: Final = "select-on-reported"
ECE_INDEX_BUG: Final = "ece-index-bug"
ECE_UNMERGED: Final = "ece-unmerged"
MERGE_AFTER_ARGMAX: Final = "merge-after-argmax"


@dataclass(frozen=True, slots=True)
class Option:
    """One protocol option.

    Attributes:
        text: The effect, and the paper whose code has it, for `temper suite show` and the documentation.
        trains: Whether it changes the weights; if not, it changes scores only.
    """

    text: str
    trains: bool


OPTIONS: Final[Mapping[str, Option]] = {
    PADDING_ATTENDED: Option(
        "The attention mask is all ones in training and prediction, in batches of 16 as they come, so that a "
        "prediction depends on its batch (RoAST's code). Live attacks still read the real mask.",
        trains=True,
    ),
    SELECT_ON_REPORTED: Option(
        "The best epoch is chosen on the first in-distribution task, which is then reported, and not on the part "
        "carved from training data (RoAST's code).",
        trains=True,
    ),
    ECE_INDEX_BUG: Option(
        "`ece_roast` takes the position of the best temperature in its grid, 0 to 5, for the temperature itself; at 0 "
        "the error counts as 0 (RoAST's code).",
        trains=False,
    ),
    ECE_UNMERGED: Option(
        "On tasks that merge classes, every ECE is computed on the classes before merging, so that a prediction of "
        "another merged class counts as wrong (RoAST's code).",
        trains=False,
    ),
    MERGE_AFTER_ARGMAX: Option(
        "On tasks that merge classes, accuracy takes the most probable of the classes before merging and merges "
        "that one, instead of adding probabilities up (RoAST's code).",
        trains=False,
    ),
}
"""Options by the name that `--protocol` accepts and records hold."""


def parse_protocol(text: str) -> tuple[str, ...]:
    """Parse the value of `--protocol`.

    Args:
        text: Names separated by commas; empty for none.

    Returns:
        The names without duplicates, in alphabetical order.

    Raises:
        UsageError: an option does not exist; the nearest name is suggested.
    """
    names = {name.strip() for name in text.split(",")} - {""}
    for name in sorted(names):
        if name not in OPTIONS:
            raise UsageError(f"--protocol: there is no option {name!r}. {nearest(name, OPTIONS)}")
    return tuple(sorted(names))


def of_training(protocol: Iterable[str]) -> list[str]:
    """Return the options that change the weights."""
    return [name for name in protocol if OPTIONS[name].trains]
