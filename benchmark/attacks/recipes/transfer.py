"""Transfer: classify the adversarial texts that another attack found against another model."""

from collections.abc import Callable

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine import Ask, Case, ScoredItem, SearchResult
from benchmark.attacks.parts import Parts
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import Transfer


def transfer(_: Transfer, parts: Parts) -> Callable[[Case, ScoredItem], Ask[SearchResult]]:
    """Try the table's text for each example; an example without an adversarial text in the table survives."""
    table = parts.table
    if table is None:
        raise TemperError("Transfer needs an attack table. Load it with load_parts.")

    def search(case: Case, start: ScoredItem) -> Ask[SearchResult]:
        adversarial_text = table.text(case.id, case.original.columns[-1])
        if adversarial_text is None:
            return SearchResult(case.original, start)
        text = AttackedText((*case.original.columns[:-1], adversarial_text))
        (scored,) = yield from case.classify([text])
        return SearchResult(text, scored)

    return search
