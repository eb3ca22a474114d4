"""One example from its text to its row, as a search that the engine runs."""

import random
import re
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from benchmark.attacks.engine import Ask, Case, Failed, Finding, Scored
from benchmark.attacks.engine.questions import ENCODER, VICTIM, Question
from benchmark.attacks.recipes import Search
from benchmark.attacks.text import AttackedText
from benchmark.data import Example
from benchmark.schema.attack_rows import AttackRow, Outcome
from benchmark.schema.errors import TemperError

_REASON_LENGTH = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass
class Attempt:
    """An attack on one example.

    Attributes:
        example: What is attacked.
        case: What was asked about it so far.
        search: The attack.
        last_victim: Tier of the victim whose logits go into the row.
        last_encoder: Tier of the encoder whose similarity does.
    """

    example: Example
    case: Case
    search: Search
    last_victim: int
    last_encoder: int
    start: Scored | None = None

    def run(self) -> Ask[AttackRow]:
        """Ask about the original, search unless the victim is wrong already, and put the outcome into a row."""
        start = self.start = yield from self._exactly(self.case.original)
        self.case.queries += 1
        if start.wrong:
            return self._row("skipped", None, None)
        found = yield from self.search(self.case, start)
        final = yield from self._exactly(found.text)
        outcome = self._outcome(final)
        if outcome == "budget":
            return self._row(outcome, None, None)
        similarity = (yield from self._similarity(found)) if outcome == "flipped" else None
        return self._row(outcome, Finding(found.text, final), similarity)

    def failed(self, failure: Failed) -> AttackRow:
        """The row of an example whose search ended with an error."""
        first = (str(failure.error).splitlines() or [""])[0]
        # An address differs from run to run, and a row must not.
        reason = _ADDRESS.sub("0x…", f"{type(failure.error).__name__}: {first}")[:_REASON_LENGTH]
        return self._row("error", None, None, reason)

    def _outcome(self, final: Scored) -> Outcome:
        if final.wrong:
            return "flipped"
        return "budget" if self.case.spent else "survived"

    def _exactly(self, text: AttackedText) -> Ask[Scored]:
        """What the victim's last tier says; its numbers are the same in whatever company the text is asked about."""
        (answer,) = yield Question(VICTIM, (text.columns,), self.last_victim)
        return Scored(VICTIM, text.columns, self.case.label, answer)

    def _similarity(self, found: Finding) -> Ask[float]:
        pair = (self.case.original.columns[-1], found.text.columns[-1])
        (answer,) = yield Question(ENCODER, (pair,), self.last_encoder)
        return float(answer.values[0])

    def _row(
        self, outcome: Outcome, end: Finding | None, similarity: float | None, reason: str | None = None
    ) -> AttackRow:
        original = self.case.original
        words = tuple(original.words[i] for i in original.attacked_words)
        return AttackRow(
            id=self.example.id,
            label=self.case.label,
            outcome=outcome,
            queries=self.case.queries,
            original=original.columns[-1],
            perturbed=None if end is None else end.text.columns[-1],
            words=len(words),
            changed=0 if end is None else min(end.text.differing(original), len(words)),
            similarity=similarity,
            reason=reason,
            logits_original=() if self.start is None else _floats(self.start.answer.values),
            logits_final=None if end is None else _floats(end.scored.answer.values),
        )


def begin(example: Example, search: Search, seed: str, budget: int | None, tiers: tuple[int, int]) -> Attempt:
    """Take an example up.

    Args:
        example: With one or two texts and a label.
        search: The attack.
        seed: Text that the example's random numbers come from.
        budget: Most queries; None for no bound.
        tiers: Last tier of the victim and of the encoder.

    Raises:
        TemperError: the example has no label.
    """
    if example.label is None:
        raise TemperError(f"The example {example.id!r} has no label; an attack needs a labelled probe.")
    rng = random.Random(int.from_bytes(sha256(seed.encode()).digest()[:8], "big"))
    case = Case(AttackedText(tuple(example.texts)), example.label, rng, budget)
    return Attempt(example, case, search, *tiers)


def _floats(values: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> tuple[float, ...]:
    return tuple(values.tolist())
