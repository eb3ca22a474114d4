"""Contract of all methods, for their authors: tests that a plugin inherits in one line.

::

    from benchmark.testing import MethodContract

    class TestMine(MethodContract):
        method = "mine"
"""

from benchmark.testing.contract import MethodContract, broken_rules
from benchmark.testing.rules import ContractError

__all__ = ["ContractError", "MethodContract", "broken_rules"]
