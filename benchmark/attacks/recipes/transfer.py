"""Transfer: the texts with which another attack flipped another model, asked about as they are."""

from collections.abc import Callable

from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.text import AttackedText
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import Transfer


def transfer(_: Transfer, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """The text that the table has for an example; an example that was not flipped there survives as it is."""
    table = parts.table
    if table is None:
        raise TemperError("Transfer needs an attack table; load_parts gives it.")

    def search(case: Case, start: Scored) -> Ask[Finding]:
        replayed = table.text(case.id, case.original.columns[-1])
        if replayed is None:
            return Finding(case.original, start)
        text = AttackedText((*case.original.columns[:-1], replayed))
        (scored,) = yield from case.classify([text])
        return Finding(text, scored)

    return search
