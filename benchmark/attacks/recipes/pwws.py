"""PWWS (Ren et al., ACL 2019), with the decisions of TextAttack's recipe of that name: no named entities."""

from collections.abc import Callable

from benchmark.attacks.constraints import Candidate, modifiable
from benchmark.attacks.engine import Ask, Case, Finding, Scored
from benchmark.attacks.parts import Parts
from benchmark.attacks.searches.greedy import greedy
from benchmark.attacks.searches.saliency import by_weighted_saliency
from benchmark.attacks.text import AttackedText
from benchmark.attacks.transformations import swaps
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import PWWS


def pwws(_: PWWS, parts: Parts) -> Callable[[Case, Scored], Ask[Finding]]:
    """Words by their saliency and by what their best synonym does; any synonym, written as the lexicon has it."""
    lexicon = parts.lexicon
    if lexicon is None:
        raise TemperError("PWWS needs a lexicon; load_parts gives it.")

    def propose(_: Case, text: AttackedText, index: int) -> Ask[list[Candidate]]:
        yield from ()
        words = (near for near, _ in lexicon.neighbours(text.words[index].lower()))
        return [Candidate(swapped) for swapped in swaps(text, index, words)]

    def search(case: Case, start: Scored) -> Ask[Finding]:
        following = yield from by_weighted_saliency(case, modifiable(case.original, parts.stopwords), propose)
        return (yield from greedy(case, start, following, propose))

    return search
