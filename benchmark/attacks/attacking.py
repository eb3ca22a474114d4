"""One example from its text to its row, as a search that the engine runs."""

import random
import re
from dataclasses import dataclass
from hashlib import sha256

from benchmark.attacks.engine import Ask, Case, Failed, Finding
from benchmark.attacks.engine.scored import rounded, wrong
from benchmark.attacks.recipes import Search
from benchmark.attacks.text import AttackedText, words_changed, words_of
from benchmark.data import Example
from benchmark.schema.attack_outcome import AttackRow, Outcome
from benchmark.schema.errors import TemperError

LOGIT_DECIMALS, SIMILARITY_DECIMALS = 3, 4
"""Decimals that a row keeps: so many that what is kept can be had without asking about each text alone."""

_REASON_LENGTH = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass
class Attempt:
    """An attack on one example.

    Attributes:
        example: What is attacked.
        case: What was asked about it so far.
        search: The attack.
    """

    example: Example
    case: Case
    search: Search
    _first: tuple[float, ...] = ()

    def run(self) -> Ask[AttackRow]:
        """Ask about the original, search unless the victim is wrong already, and put the outcome into a row."""
        (start,) = yield from self.case.classify([self.case.original])
        self._first = yield from rounded(start, LOGIT_DECIMALS)
        if (yield from wrong([start]))[0]:
            return self._row("skipped")
        found = yield from self.search(self.case, start)
        outcome = yield from self._outcome(found)
        if outcome == "budget":
            return self._row(outcome)
        similarity = (yield from self._similarity(found)) if outcome == "flipped" else None
        last = yield from rounded(found.scored, LOGIT_DECIMALS)
        return self._row(outcome, found.text, last, similarity)

    def failed(self, failure: Failed) -> AttackRow:
        """The row of an example whose search ended with an error."""
        first = (str(failure.error).splitlines() or [""])[0]
        # An address differs from run to run, and a row must not.
        reason = _ADDRESS.sub("0x…", f"{type(failure.error).__name__}: {first}")[:_REASON_LENGTH]
        return self._row("error", reason=reason)

    def _outcome(self, found: Finding) -> Ask[Outcome]:
        if (yield from wrong([found.scored]))[0]:
            return "flipped"
        return "budget" if self.case.spent else "survived"

    def _similarity(self, found: Finding) -> Ask[float]:
        pair = (self.case.original.columns[-1], found.text.columns[-1])
        (scored,) = yield from self.case.similarities([pair])
        return (yield from rounded(scored, SIMILARITY_DECIMALS))[0]

    def _row(
        self,
        outcome: Outcome,
        end: AttackedText | None = None,
        last: tuple[float, ...] | None = None,
        similarity: float | None = None,
        reason: str | None = None,
    ) -> AttackRow:
        original = self.case.original
        before, after = (() if text is None else words_of(text.columns[-1]) for text in (original, end))
        return AttackRow(
            id=self.example.id,
            label=self.case.label,
            outcome=outcome,
            queries=self.case.queries,
            original=original.columns[-1],
            perturbed=None if end is None else end.columns[-1],
            words=len(before),
            changed=0 if end is None else words_changed(before, after),
            similarity=similarity,
            reason=reason,
            logits_original=self._first,
            logits_final=last,
        )


def begin(example: Example, search: Search, seed: str, budget: int | None) -> Attempt:
    """Take an example up.

    Args:
        example: With one or two texts and a label.
        search: The attack.
        seed: Text that the example's random numbers come from.
        budget: Most queries; None for no bound.

    Raises:
        TemperError: the example has no label.
    """
    if example.label is None:
        raise TemperError(f"The example {example.id!r} has no label; an attack needs a labelled probe.")
    rng = random.Random(int.from_bytes(sha256(seed.encode()).digest()[:8], "big"))
    case = Case(AttackedText(tuple(example.texts)), example.label, rng, budget, id=example.id)
    return Attempt(example, case, search)
