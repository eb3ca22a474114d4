"""Shell completion of names that the command line takes: suites, methods, attacks and tables."""

from collections.abc import Iterable


def complete_suites(incomplete: str) -> list[str]:
    """Complete the name of a packaged suite or group."""
    from benchmark.suites import available_groups, available_suites

    return _starting({**available_suites(), **available_groups()}, incomplete)


def complete_methods(incomplete: str) -> list[str]:
    """Complete the last name of a list such as ``vanilla,roast`` or of a composition such as ``mvp+roast``."""
    from benchmark.execution.registry import registered

    start = max(incomplete.rfind(","), incomplete.rfind("+")) + 1
    names = _starting(("all", *registered()) if start == 0 else registered(), incomplete[start:])
    return [incomplete[:start] + name for name in names]


def complete_attacks(incomplete: str) -> list[str]:
    """Complete the name of an attack."""
    from benchmark.attacks.recipes import ATTACKS

    return _starting(ATTACKS, incomplete)


def complete_tables(incomplete: str) -> list[str]:
    """Complete the name of a paper's table."""
    from benchmark.reproduction import available_reproductions

    return _starting(available_reproductions(), incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
