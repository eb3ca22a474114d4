"""The failure of a contract's test."""


class ContractError(AssertionError):
    """A method breaks a rule; the message says which and where."""

    def __init__(self, method: str, rule: str, where: str) -> None:
        super().__init__(f"{method} breaks the rule {rule!r}: {where}")
