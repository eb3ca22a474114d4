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
