"""What ranks highest, settled: decisions about answers that say only the largest of many numbers."""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.engine.questions import Answer, Ask, Question


@dataclass(slots=True)
class Ranking:
    """An item with the oracle's latest answer to it, whose rows hold one number more than is wanted.

    Attributes:
        oracle: Who answers.
        item: What was asked about.
        answer: The most exact answer so far, with ids.
    """

    oracle: str
    item: Hashable
    answer: Answer

    def leading(self, rows: Iterable[int], *, in_order: bool) -> Ask[NDArray[np.int64]]:
        """The ids that lead some rows, as the oracle's last tier has them.

        The item is asked about again where the margin leaves open which ids these are, or in which order they come.

        Args:
            rows: Numbers of the answer's rows.
            in_order: Whether the order counts; else only which ones they are.

        Returns:
            Shape (rows, wanted ids).
        """
        chosen = list(rows)
        while self.answer.margin > 0 and self._open(chosen, in_order=in_order):
            (self.answer,) = yield Question(self.oracle, (self.item,), self.answer.tier + 1)
        return self._ids()[chosen, :-1]

    def _open(self, rows: list[int], *, in_order: bool) -> bool:
        values = self.answer.values[rows].astype(np.float64)
        gaps = values[:, :-1] - values[:, 1:]
        return bool(((gaps if in_order else gaps[:, -1:]) <= 2 * self.answer.margin).any())

    def _ids(self) -> NDArray[np.int64]:
        if self.answer.ids is None:
            raise TypeError(f"the oracle {self.oracle!r} ranks nothing")
        return self.answer.ids
