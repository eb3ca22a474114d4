"""Rows of a suite, and an observer that keeps the notes."""

from benchmark.execution.cells import Row
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.runner import Quiet
from benchmark.execution.workload import Workload
from benchmark.models.backbones import resolve_backbone


def row_of(work: Workload, method: str = "vanilla", seed: int = 0) -> Row:
    return Row(configure(MethodRequest.parse(method)), resolve_backbone(work.suite.backbone), seed)


class Notes(Quiet):
    """Keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, sentence: str) -> None:
        self.notes.append(sentence)
