"""For authors of methods: the contract that every method holds to, as tests that a plugin inherits in one line.

::

    from benchmark.testing import MethodContract

    class TestMine(MethodContract):
        method = "mine"
"""

from benchmark.testing.contract import MethodContract, broken_rules
from benchmark.testing.rules import ContractError

__all__ = ["ContractError", "MethodContract", "broken_rules"]
