"""Failure of a contract rule, and the points at which a contract run is killed.

It imports nothing heavy, so that the contract can be imported without torch.
"""

from typing import Literal, NamedTuple


class ContractError(AssertionError):
    """A method breaks a rule; the message says which and where."""

    def __init__(self, method: str, rule: str, where: str) -> None:
        super().__init__(f"{method} breaks the rule {rule!r}: {where}")


class Cut(NamedTuple):
    """Kill point of a run: in an optimizer step, or right before or after `on_epoch_end` of an epoch, from 1."""

    moment: Literal["in step", "before on_epoch_end of epoch", "after on_epoch_end of epoch"]
    number: int

    def __str__(self) -> str:
        return f"{self.moment} {self.number}"


RESUMED = "a resumed run ends with the same weights, log and cost"
"""The rule that several tests judge from one run."""

CUTS = (
    Cut("in step", 3),
    Cut("after on_epoch_end of epoch", 1),
    Cut("in step", 6),
    Cut("in step", 9),
    Cut("after on_epoch_end of epoch", 2),
)
"""Of a run of two epochs of five steps: inside an epoch, and between its last step and the checkpoint at its end."""
