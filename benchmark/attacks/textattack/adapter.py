"""Run TextAttack's attacks on examples, and convert the results to attack rows."""

import math
import random
import re
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.attacks import suite_attack
from benchmark.attacks.attacked_text import words_changed
from benchmark.attacks.encoder import Encoder
from benchmark.attacks.identity import search_identity
from benchmark.attacks.journal import Progress, record
from benchmark.attacks.parts import Parts
from benchmark.attacks.suite_attack import parameters_of
from benchmark.attacks.victim import Victim
from benchmark.data import Dataset, Example
from benchmark.schema.attack_outcome import AttackRow, Outcome
from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import TemperError, UsageError

if TYPE_CHECKING:
    from textattack import Attack

    from benchmark.attacks.textattack.components import VictimWrapper

_REASON_LENGTH = 300
_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


def attack_with(
    attack: "Attack",
    dataset: Dataset,
    journal: Path,
    progress: Progress | None = None,
    *,
    encoder: Encoder | None = None,
) -> list[AttackRow]:
    """Attack every example of a data set with an attack of TextAttack: one of its recipes or a custom one.

    The attack's victim must be a `benchmark.attacks.textattack.components.VictimWrapper`, whose import loads TextAttack
    without downloads; the attack's own components may download data. An example counts as flipped if the model
    misclassifies the attack's last text, whatever the attack's goal is.

    Args:
        attack: An attack on a `VictimWrapper`; an attack on pairs must not change their first text.
        dataset: Labelled examples of one or two texts each.
        journal: A file in an existing folder; one per pair of attack and victim.
        progress: Called after each example with its row, the number of finished examples, and their total.
        encoder: Measures the similarity of flipped texts; None to leave it out.

    Returns:
        One row per example, in the order of `dataset`.

    Raises:
        UsageError: the attack's victim is not a `VictimWrapper`, or it changed the first text of a pair.
        IntegrityError: the journal belongs to another attack or other examples.
        TemperError: an example has no label, or the machine ran out of memory or disk space.
    """
    from benchmark.attacks.textattack.components import VictimWrapper

    victim = attack.goal_function.model
    if not isinstance(victim, VictimWrapper):
        raise UsageError(
            "The attack's victim is not a benchmark.attacks.textattack.components.VictimWrapper. Wrap the model in one."
        )
    identity = fingerprint({"search": search_identity("textattack"), "attack": _ADDRESS.sub("0x…", repr(attack))})
    search = TextAttackSearch({1: attack, 2: attack}, victim, encoder)
    return record(search.all, dataset, journal, identity, progress)


def recipe_search(attack: suite_attack.Attack, parts: Parts, victim: Victim) -> "TextAttackSearch":
    """Build a suite's attack from TextAttack's classes and our parts.

    Raises:
        UnavailableError: TextAttack is not installed.
        UsageError: only Temper's engine supports this recipe, or its bound on short texts.
    """
    from benchmark.attacks.textattack.components import VictimWrapper

    wrapped, recipe = VictimWrapper(victim), parameters_of(attack)
    if getattr(recipe, "short_texts", "pass") != "pass":
        raise UsageError('TextAttack does not bound short texts. Use backend = "engine" with short_texts = "compare".')
    built = {texts: recipe.build_textattack(parts, wrapped, pair=texts == 2) for texts in (1, 2)}
    return TextAttackSearch(built, wrapped, parts.encoder)


class TextAttackSearch:
    """Runs an attack on one example at a time; no state is kept from one example to the next."""

    def __init__(self, attacks: "Mapping[int, Attack]", victim: "VictimWrapper", encoder: Encoder | None) -> None:
        """Store the attacks.

        Args:
            attacks: Attacks by the number of an example's texts.
            victim: The victim of all attacks.
            encoder: Measures the similarity of flipped texts; None to leave it out.
        """
        self._attacks = attacks
        self._victim = victim
        self._encoder = encoder

    def all(self, examples: Iterable[Example], identity: str) -> Generator[AttackRow, None, None]:
        """Attack examples, each with random numbers seeded by `identity` and its id."""
        return (self.attack(example, f"{identity}/{example.id}") for example in examples)

    def attack(self, example: Example, seed: str) -> AttackRow:
        """Attack one example, with Python's, numpy's and torch's random numbers seeded by `seed`.

        An exception becomes the example's outcome "error".

        Raises:
            TemperError: the machine is out of memory, or a file cannot be read or written.
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
            # Broad on purpose: one example must not end a long run, and its error is recorded.
            if "out of memory" in str(error):
                raise _stop(example, error) from error
            return self._failed(example, attack, error)
        finally:
            attack.clear_cache()
            self._victim.clear()

    def _row(self, example: Example, attack: "Attack") -> AttackRow:
        from benchmark.attacks.textattack.components import attacked_text

        result = attack.attack(attacked_text(example.texts), _label(example))
        _require_frozen(example, _texts(result.perturbed_result.attacked_text))
        before, after = (part.attacked_text for part in (result.original_result, result.perturbed_result))
        outcome = self._outcome(example, result, attack.goal_function.query_budget)
        words, has_final_text = before.words_per_input[-1], outcome in {"flipped", "survived"}
        original, perturbed = example.texts[-1], _texts(after)[-1]
        return AttackRow(
            id=example.id,
            label=_label(example),
            outcome=outcome,
            queries=int(result.num_queries),
            original=original,
            perturbed=perturbed if has_final_text else None,
            words=len(words),
            changed=words_changed(words, after.words_per_input[-1]) if has_final_text else 0,
            similarity=self._similarity(original, perturbed) if outcome == "flipped" else None,
            reason=None,
            logits_original=self._logits(example.texts),
            logits_final=self._logits(_texts(after)) if has_final_text else None,
        )

    def _outcome(self, example: Example, result: Any, budget: float) -> Outcome:
        """Return the outcome of a TextAttack result: unless it is skipped, the class of its last text decides."""
        from textattack.attack_results import SkippedAttackResult

        if isinstance(result, SkippedAttackResult):
            return "skipped"
        logits = self._logits(_texts(result.perturbed_result.attacked_text))
        if logits.index(max(logits)) != _label(example):
            return "flipped"
        return "budget" if result.num_queries >= budget else "survived"

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
            # A row must be the same in every run, and memory addresses are not.
            reason=_ADDRESS.sub("0x…", reason)[:_REASON_LENGTH],
            logits_original=() if logits is None else tuple(logits.tolist()),
            logits_final=None,
        )

    def _logits(self, texts: tuple[str, ...]) -> tuple[float, ...]:
        return tuple(self._victim.logits[texts].tolist())

    def _similarity(self, original: str, perturbed: str) -> float | None:
        if self._encoder is None:
            return None
        first, second = self._encoder.encode([original, perturbed])
        return float(np.float32(np.clip(math.fsum(first.astype(np.float64) * second), -1, 1)))


def _label(example: Example) -> int:
    if example.label is None:
        raise TemperError(f"The example {example.id!r} has no label; an attack needs a labelled evaluation task.")
    return example.label


def _texts(attacked: Any) -> tuple[str, ...]:
    texts = attacked.tokenizer_input
    return (texts,) if isinstance(texts, str) else tuple(texts)


def _require_frozen(example: Example, texts: tuple[str, ...]) -> None:
    if texts[:-1] != example.texts[:-1]:
        raise UsageError(
            f"The attack changed the first text of the pair {example.id!r}, which a row cannot store. Freeze it with "
            'InputColumnModification(["premise", "hypothesis"], {"premise"}).'
        )


def _stop(example: Example, error: BaseException) -> TemperError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return TemperError(
        f"The attack stopped at example {example.id!r} ({reason}). Finished examples are kept; free memory or disk "
        "space and run again."
    )


@contextmanager
def _seeded(text: str) -> Iterator[None]:
    """Seed every global random generator from a text, and restore their states at the end of the block."""
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
