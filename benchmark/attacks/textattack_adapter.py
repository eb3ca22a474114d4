"""One example through TextAttack, and its result in our words."""

import math
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.attacks.parts import Parts
from benchmark.attacks.spec import Victim
from benchmark.data import Example
from benchmark.schema.attack_rows import AttackRow, Outcome
from benchmark.schema.errors import TemperError
from benchmark.suites.recipes import TextFooler

if TYPE_CHECKING:
    from textattack import Attack


_REASON_LENGTH = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


class TextAttackSearch:
    """Runs TextFooler on one example at a time; nothing of an example is left when the next begins."""

    def __init__(self, parameters: TextFooler, parts: Parts, victim: Victim) -> None:
        """Import TextAttack and put the attack together.

        Raises:
            UnavailableError: TextAttack is not installed.
        """
        from benchmark.attacks.textattack_parts import build
        from benchmark.attacks.textattack_victim import VictimWrapper

        self._parameters = parameters
        self._parts = parts
        self._victim = VictimWrapper(victim)
        self._attacks = {texts: build(parameters, parts, self._victim, pair=texts == 2) for texts in (1, 2)}

    def attack(self, example: Example, seed: str) -> AttackRow:
        """Attack one example, with Python's, numpy's and torch's random numbers seeded by `seed`.

        Whatever goes wrong with the example becomes its outcome "error".

        Raises:
            TemperError: the machine cannot go on: no memory, or a file that cannot be read or written.
        """
        attack = self._attacks[len(example.texts)]
        try:
            with _seeded(seed):
                return self._row(example, attack)
        except TemperError:
            raise
        except (MemoryError, OSError) as error:
            raise _stop(example, error) from error
        except Exception as error:
            # Broad on purpose: one example must not end a run of hours, and what it raised is recorded.
            if "out of memory" in str(error):
                raise _stop(example, error) from error
            return self._failed(example, attack, error)
        finally:
            attack.clear_cache()
            self._victim.clear()

    def _row(self, example: Example, attack: "Attack") -> AttackRow:
        from benchmark.attacks.textattack_parts import attacked_text

        result = attack.attack(attacked_text(example.texts), _label(example))
        before, after = (part.attacked_text for part in (result.original_result, result.perturbed_result))
        outcome = self._outcome(example, result)
        words, found = before.words_per_input[-1], outcome in {"flipped", "survived"}
        original, perturbed = example.texts[-1], _texts(after)[-1]
        return AttackRow(
            id=example.id,
            label=_label(example),
            outcome=outcome,
            queries=int(result.num_queries),
            original=original,
            perturbed=perturbed if found else None,
            words=len(words),
            changed=_differences(words, after.words_per_input[-1]) if found else 0,
            similarity=self._similarity(original, perturbed) if outcome == "flipped" else None,
            reason=None,
            logits_original=self._logits(example.texts),
            logits_final=self._logits(_texts(after)) if found else None,
        )

    def _outcome(self, example: Example, result: Any) -> Outcome:
        """Ours for TextAttack's: a maximised or failed search counts by what the victim says about its last text."""
        from textattack.attack_results import SkippedAttackResult

        if isinstance(result, SkippedAttackResult):
            return "skipped"
        logits = self._logits(_texts(result.perturbed_result.attacked_text))
        if logits.index(max(logits)) != _label(example):
            return "flipped"
        budget = self._parameters.query_budget
        return "budget" if budget is not None and result.num_queries >= budget else "survived"

    def _failed(self, example: Example, attack: "Attack", error: Exception) -> AttackRow:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        logits = self._victim.logits.get(example.texts)
        return AttackRow(
            id=example.id,
            label=_label(example),
            outcome="error",
            queries=int(attack.goal_function.num_queries) if logits is not None else 0,
            original=example.texts[-1],
            perturbed=None,
            words=0,
            changed=0,
            similarity=None,
            # An address differs from run to run, and a row must not.
            reason=_ADDRESS.sub("0x…", reason)[:_REASON_LENGTH],
            logits_original=() if logits is None else tuple(logits.tolist()),
            logits_final=None,
        )

    def _logits(self, texts: tuple[str, ...]) -> tuple[float, ...]:
        return tuple(self._victim.logits[texts].tolist())

    def _similarity(self, original: str, perturbed: str) -> float:
        first, second = self._parts.encoder.encode([original, perturbed])
        return float(np.float32(np.clip(math.fsum(first.astype(np.float64) * second), -1, 1)))


def _label(example: Example) -> int:
    if example.label is None:
        raise TemperError(f"The example {example.id!r} has no label; an attack needs a labelled probe.")
    return example.label


def _texts(attacked: Any) -> tuple[str, ...]:
    given = attacked.tokenizer_input
    return (given,) if isinstance(given, str) else tuple(given)


def _differences(before: list[str], after: list[str]) -> int:
    """Number of words of `before` that `after` has replaced; swaps keep the number of words."""
    return sum(old != new for old, new in zip(before, after, strict=False))


def _stop(example: Example, error: BaseException) -> TemperError:
    what = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TemperError(
        f"The attack stopped at example {example.id!r} ({what}); all examples before it are kept, "
        "so free memory or disk space and run again."
    )


@contextmanager
def _seeded(text: str) -> Iterator[None]:
    """Seed every global generator from a text, and put them back afterwards."""
    import torch

    number = int.from_bytes(sha256(text.encode()).digest()[:4], "big")
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
