"""Model soups: average the weights of models fine-tuned with different settings (Wortsman et al., ICML 2022)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from benchmark.training import Judge, TrialAverage


@dataclass(kw_only=True, eq=False)
class Soup(TrialAverage):
    """Average the weights of the models that tuning trained with the settings of its trials, instead of selecting one.

    `kind` greedy is recipe 1 of the paper: sort the ingredients by accuracy on the validation part, and add each in
    turn if the average with it is at least as accurate there as the average without. Of equally accurate ingredients,
    the earlier trial comes first. uniform averages all of them. `of` names the method whose trials are averaged.

    All ingredients of a row are trained with its seed, so they start from the same weights, the random initialisation
    of the head included, and see the same batches in the same order. They differ by what tuning varies and nothing
    else. The paper's differ in more, such as augmentation, and share a head that is a linear probe or zero-shot.

    A row costs one training per trial that did not fail, and shares those of seed 0 with tuning. Variants: ``paper`` is
    the above. ``released`` adds an ingredient only if the average becomes more accurate.
    """

    name: ClassVar[str] = "soup"
    paper: ClassVar[str] = "Wortsman et al., ICML 2022"

    kind: Literal["greedy", "uniform"] = "greedy"
    variant: Literal["paper", "released"] = "paper"

    def choose(self, count: int, judge: Judge) -> Sequence[int]:
        """Choose the ingredients."""
        if self.kind == "uniform":
            return range(count)
        order = sorted(range(count), key=lambda place: -judge([place]))
        chosen, least_gain = order[:1], 1 if self.variant == "released" else 0
        for place in order[1:]:
            if judge([*chosen, place]) - judge(chosen) >= least_gain:
                chosen.append(place)
        return sorted(chosen)
