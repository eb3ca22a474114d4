"""The attacks, one file each: parameters with ranges and descriptions, the search, and its form in TextAttack."""

from importlib import import_module
from pkgutil import iter_modules

from benchmark.attacks.attack_recipe import ATTACKS

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
_sorted = sorted(ATTACKS.items())
ATTACKS.clear()
ATTACKS.update(_sorted)

__all__ = ["ATTACKS"]
