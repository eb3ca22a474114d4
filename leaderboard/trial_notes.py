"""Notes on the trials of a tuned row: gain over the defaults on the validation part, and the best so far."""

from collections.abc import Iterator, Sequence

from benchmark.schema.trial import Trial, at_edge, selected, values_of


def unequal_trials(count: int, wanted: int) -> str:
    """Say that a row was tuned with another number of trials than the suite gives every method; empty if not."""
    return "" if count == wanted else f"tuned with {count} trials; the suite gives every method {wanted}"


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
        gains = (f"{_gain(first, chosen, part)} points {what}" for part, what in _PARTS.items())
        yield f"on validation, tuning gained {' and '.join(gains)}"
    edges = [name for name, value in values_of(chosen).items() if at_edge(chosen["space"][name], value)]
    if edges:
        yield f"the selected {' and '.join(edges)} is at the edge of its range, which may be too narrow"


def tuning_facts(trials: Sequence[Trial]) -> Iterator[tuple[str, str]]:
    """Yield name and text of each detail on the page."""
    chosen = selected(trials)
    failed = sum(trial["status"] == "failed" for trial in trials)
    number = "none" if chosen is None else f"trial {chosen['trial']}"
    yield "Tuning", f"{number} of {len(trials)}" + (f", {failed} failed" if failed else "")
    if chosen is not None:
        settings = ", ".join(f"{name}={value}" for name, value in values_of(chosen).items())
        yield "Tuned settings", settings
        yield "Best so far, by training passes", best_so_far(trials)


def best_so_far(trials: Sequence[Trial]) -> str:
    """Write the accuracies of the trial that is selected after each trial, and the passes spent until then.

    Passes are examples passed forward and backward. A failed trial has no count.
    """
    spent, steps = 0, list[str]()
    for number, trial in enumerate(trials, start=1):
        spent += sum((trial["cost"] or {}).values())
        best = selected(trials[:number])
        if best is not None:
            shares = (_percent(best, part) for part in _PARTS)
            steps.append(f"{spent}: {' / '.join(shares)} %")
    return "; ".join(steps)


_PARTS = {"validation": "clean", "typos": "with typos"}


def _percent(trial: Trial, part: str) -> str:
    return f"{100 * trial[part]['correct'] / trial[part]['n']:.1f}"


def _gain(first: Trial, chosen: Trial, part: str) -> str:
    return f"{100 * (chosen[part]['correct'] - first[part]['correct']) / first[part]['n']:+.1f}"
