"""An attack on examples, from each example to its row."""

import random
import re
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from hashlib import sha256

from benchmark.attacks.attacked_text import AttackedText, words_changed, words_of
from benchmark.attacks.engine import Ask, Case, Failure, Search, SearchResult, run_searches
from benchmark.attacks.engine.case import rounded, wrong
from benchmark.attacks.engine.questions import ENCODER, MASKED_LM, VICTIM
from benchmark.attacks.parts import Parts, load_parts
from benchmark.attacks.suite_attack import Attack, parameters_of
from benchmark.attacks.victim import Victim, encoder_oracle, masked_lm_oracle, victim_oracle
from benchmark.data import Example
from benchmark.schema.attack_outcome import AttackRow, Outcome
from benchmark.schema.errors import TemperError

LOGIT_DECIMALS, SIMILARITY_DECIMALS = 3, 4
"""Decimals stored in a row: few enough that answers from full batches usually decide the rounding."""

_REASON_LENGTH = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


@dataclass(frozen=True)
class Job:
    """An attack with all its inputs; a call with examples yields their rows.

    Attributes:
        attack: The attack.
        victim: The model.
        parts: The attack's resources; None until they are loaded.
        device: Device of the resources.
        in_flight: Maximum number of examples under attack at once.
    """

    attack: Attack
    victim: Victim
    parts: Parts | None
    device: str
    in_flight: int

    def __call__(self, examples: Iterable[Example], identity: str) -> Generator[AttackRow, None, None]:
        """Yield the examples' rows, in the order in which the searches end; an example is asked for when it starts."""
        parts = self.parts or load_parts(parameters_of(self.attack), self.device)
        if self.attack.backend == "engine":
            yield from self._searched(examples, identity, parts)
        else:
            from benchmark.attacks.textattack.adapter import recipe_search

            yield from recipe_search(self.attack, parts, self.victim).all(examples, identity)

    def _searched(self, examples: Iterable[Example], identity: str, parts: Parts) -> Generator[AttackRow, None, None]:
        recipe = parameters_of(self.attack)
        search = recipe.search(parts)
        oracles = {VICTIM: victim_oracle(self.victim), ENCODER: encoder_oracle(parts.encoder)}
        if parts.masked_lm is not None:
            oracles[MASKED_LM] = masked_lm_oracle(parts.masked_lm)
        budget = recipe.query_budget
        attempts = (new_attempt(e, search, f"{identity}/{e.id}", budget) for e in examples)
        searches = ((attempt, attempt.run()) for attempt in attempts)
        try:
            for attempt, outcome in run_searches(searches, oracles, self.in_flight):
                yield attempt.error_row(outcome) if isinstance(outcome, Failure) else outcome
        except (MemoryError, OSError) as error:
            raise _stopped(error) from error
        except RuntimeError as error:
            if "out of memory" not in str(error):
                raise
            raise _stopped(error) from error


def _stopped(error: BaseException) -> TemperError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TemperError(
        f"The attack stopped ({reason}). Finished examples are kept; free memory or disk space and run again."
    )


@dataclass
class Attempt:
    """An attack on one example.

    Attributes:
        example: The example.
        case: Its queries and their scores so far.
        search: The attack.
    """

    example: Example
    case: Case
    search: Search
    _original_logits: tuple[float, ...] = ()

    def run(self) -> Ask[AttackRow]:
        """Classify the original, search unless the victim is wrong already, and return the row."""
        (start,) = yield from self.case.classify([self.case.original])
        self._original_logits = yield from rounded(start, LOGIT_DECIMALS)
        if (yield from wrong([start]))[0]:
            return self._row("skipped")
        result = yield from self.search(self.case, start)
        outcome = yield from self._outcome(result)
        if outcome == "budget":
            return self._row(outcome)
        similarity = (yield from self._similarity(result)) if outcome == "flipped" else None
        final_logits = yield from rounded(result.scored, LOGIT_DECIMALS)
        return self._row(outcome, result.text, final_logits, similarity)

    def error_row(self, failure: Failure) -> AttackRow:
        """Return the row of an example whose search raised an error."""
        message = (str(failure.error).splitlines() or [""])[0]
        # A row must be the same in every run, and memory addresses are not.
        reason = _ADDRESS.sub("0x…", f"{type(failure.error).__name__}: {message}")[:_REASON_LENGTH]
        return self._row("error", reason=reason)

    def _outcome(self, result: SearchResult) -> Ask[Outcome]:
        if (yield from wrong([result.scored]))[0]:
            return "flipped"
        return "budget" if self.case.spent else "survived"

    def _similarity(self, result: SearchResult) -> Ask[float]:
        pair = (self.case.original.columns[-1], result.text.columns[-1])
        (scored,) = yield from self.case.similarities([pair])
        return (yield from rounded(scored, SIMILARITY_DECIMALS))[0]

    def _row(
        self,
        outcome: Outcome,
        final: AttackedText | None = None,
        final_logits: tuple[float, ...] | None = None,
        similarity: float | None = None,
        reason: str | None = None,
    ) -> AttackRow:
        original = self.case.original
        before, after = (() if text is None else words_of(text.columns[-1]) for text in (original, final))
        return AttackRow(
            id=self.example.id,
            label=self.case.label,
            outcome=outcome,
            queries=self.case.queries,
            original=original.columns[-1],
            perturbed=None if final is None else final.columns[-1],
            words=len(before),
            changed=0 if final is None else words_changed(before, after),
            similarity=similarity,
            reason=reason,
            logits_original=self._original_logits,
            logits_final=final_logits,
        )


def new_attempt(example: Example, search: Search, seed: str, budget: int | None) -> Attempt:
    """Create the attack on one example.

    Args:
        example: An example of one or two texts with a label.
        search: The attack.
        seed: Text that seeds the example's random generator.
        budget: Maximum number of queries; None for no bound.

    Raises:
        TemperError: the example has no label.
    """
    if example.label is None:
        raise TemperError(f"The example {example.id!r} has no label; an attack needs a labelled evaluation task.")
    rng = random.Random(int.from_bytes(sha256(seed.encode()).digest()[:8], "big"))
    case = Case(AttackedText(tuple(example.texts)), example.label, rng, budget, id=example.id)
    return Attempt(example, case, search)
