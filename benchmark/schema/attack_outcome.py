"""The outcome of an attack on one example, which the attack writes and the metrics read."""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from benchmark.schema.errors import TemperError

Outcome: TypeAlias = Literal["skipped", "survived", "flipped", "budget", "error"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)


@dataclass(frozen=True, slots=True)
class AttackRow:
    """One attacked example.

    Attributes:
        id: The example's id.
        label: The correct class.
        outcome: "skipped" (the model was wrong from the start), "survived" (the search ended without success),
            "flipped" (the search found a text that the model has wrong), "budget" (the search used up its queries)
            or "error" (something raised; see `reason`).
        queries: Number of texts that the search sent to the model, including the original and repetitions.
        original: The attacked text; of a pair, the second text.
        perturbed: The text the search ended with; None unless flipped or survived.
        words: Words in the attacked text.
        changed: Number of words that differ in `perturbed`.
        similarity: Cosine similarity of `original` and `perturbed` by the attack's sentence encoder, if flipped.
        reason: What went wrong; None unless the outcome is "error".
        logits_original: The model's logits on the original; empty if an error came before them.
        logits_final: Its logits on `perturbed`; None if that is None.
    """

    id: str
    label: int
    outcome: Outcome
    queries: int
    original: str
    perturbed: str | None
    words: int
    changed: int
    similarity: float | None
    reason: str | None
    logits_original: tuple[float, ...]
    logits_final: tuple[float, ...] | None

    def __post_init__(self) -> None:
        """Refuse a row that contradicts itself."""
        problem = _contradiction(self)
        if problem:
            raise TemperError(f"The attack's row for example {self.id!r} {problem}; attack this example again.")

    @property
    def initially_right(self) -> bool:
        """Return whether the model was right before the attack; False if it was never queried."""
        if self.outcome == "error":
            return bool(self.logits_original) and self.logits_original.index(max(self.logits_original)) == self.label
        return self.outcome != "skipped"


def _contradiction(row: AttackRow) -> str | None:
    if row.outcome not in OUTCOMES:
        return f"has the outcome {row.outcome!r}, which is not one of {', '.join(OUTCOMES)}"
    if min(row.queries, row.words, row.changed) < 0 or row.changed > row.words:
        return f"says that {row.changed} of {row.words} words were changed with {row.queries} queries"
    if (row.reason is not None) != (row.outcome == "error"):
        return "needs a reason exactly when its outcome is 'error'"
    searched = row.perturbed is not None and row.logits_final is not None
    if searched != (row.outcome in {"flipped", "survived"}) or (row.perturbed is None) != (row.logits_final is None):
        return f"has the outcome {row.outcome!r}, for which a perturbed text and its logits do not fit"
    return None
