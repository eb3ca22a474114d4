"""The trials of a tuned row: gain over the defaults on the validation part, notes, and the best so far."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from benchmark.schema.trial import Trial, at_edge, selected, values_of

BEST_SO_FAR = "Best so far, by training passes"
"""Name of the detail that the page draws as a curve."""


class Tuning(NamedTuple):
    """The trials of a row, what they say of it, and why its tuning cannot be compared; empty if it is not tuned."""

    trials: Sequence[Trial] = ()
    notes: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    unequal: str = ""


def row_tuning(method: str, trials: Sequence[Trial], wanted: int) -> Tuning:
    """Describe the tuning of a row; the suite gives every method the wanted number of trials."""
    count = len(trials)
    unequal = "" if count == wanted else f"tuned with {count} trials; the suite gives every method {wanted}"
    if trials and (other := trials[0]["method"]["name"]) != method:
        # The row averages another method's trials and selects none, so it has no gain of tuning.
        note = f"averages the weights of trials of {other}, of which there are {count}, and costs all their trainings"
        return Tuning(notes=(note,), facts=(("Trials of", other),), unequal=unequal)
    return Tuning(trials, tuple(tuning_notes(trials)), tuple(tuning_facts(trials)), unequal)


def tuning_gain(trials: Sequence[Trial]) -> tuple[float | None, str]:
    """Return the gain of the selected trial over trial 0 in clean validation accuracy, or None and why it is missing.

    The reason is empty for a row without trials.
    """
    if not trials:
        return None, ""
    first, chosen = trials[0], selected(trials)
    if chosen is None:
        return None, "all trials failed"
    if first["status"] != "ok":
        return None, "training failed with the defaults"
    return _gain(first, chosen, "validation"), ""


def tuning_notes(trials: Sequence[Trial]) -> Iterator[str]:
    """Yield the notes of a tuned row."""
    chosen = selected(trials)
    if chosen is None:
        return
    first = trials[0]
    if chosen is first:
        yield "tuning kept the defaults"
    elif first["status"] != "ok":
        yield f"tuning chose trial {chosen['trial']}; with the defaults, training failed"
    else:
        gains = (f"{100 * _gain(first, chosen, part):+.1f} points {what}" for part, what in _PARTS.items())
        yield f"on validation, tuning gained {' and '.join(gains)}"
    edges = [name for name, value in values_of(chosen).items() if at_edge(chosen["space"][name], value)]
    if edges:
        yield f"the selected {' and '.join(edges)} is at the edge of its range, which may be too narrow"


def tuning_facts(trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each detail on the page."""
    chosen = selected(trials)
    failed = sum(trial["status"] == "failed" for trial in trials)
    number = "none" if chosen is None else f"trial {chosen['trial']}"
    yield "Tuning", f"{number} of 0 to {len(trials) - 1}" + (f", {failed} failed" if failed else "")
    if chosen is not None:
        settings = ", ".join(f"{name}={value}" for name, value in values_of(chosen).items())
        yield "Tuned settings", settings
        yield BEST_SO_FAR, best_so_far(trials)


class Step(NamedTuple):
    """The state of tuning after a trial.

    Attributes:
        passes: Examples passed forward and backward until then. A failed trial has no count.
        clean: Validation accuracy of the trial that is selected until then.
        typos: The same on the texts with typos.
    """

    passes: int
    clean: float
    typos: float


def steps(trials: Sequence[Trial]) -> Iterator[Step]:
    """Yield the state after each trial, from the first one that did not fail."""
    spent = 0
    for number, trial in enumerate(trials, start=1):
        spent += sum((trial["cost"] or {}).values())
        best = selected(trials[:number])
        if best is not None:
            yield Step(spent, *(best[part]["correct"] / best[part]["n"] for part in _PARTS))


def best_so_far(trials: Sequence[Trial]) -> str:
    """Write the accuracies of the trial that is selected after each trial, and the passes spent until then."""
    return "; ".join(f"{s.passes}: {100 * s.clean:.1f} / {100 * s.typos:.1f} %" for s in steps(trials))


_PARTS = {"validation": "clean", "typos": "with typos"}


def _gain(first: Trial, chosen: Trial, part: str) -> float:
    share: float = (chosen[part]["correct"] - first[part]["correct"]) / first[part]["n"]
    return share
