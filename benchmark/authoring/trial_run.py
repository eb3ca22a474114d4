"""Train a method for a minute next to vanilla, on the demo's backbone and part of its data."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from benchmark.data import Dataset, limited
from benchmark.execution.method_registry import ConfiguredMethod, MethodRequest, configure
from benchmark.models.backbones import resolve_backbone
from benchmark.suites import Suite, load_suite, training_splits

MOST, LEAST, VALIDATION, EPOCHS = 160, 48, 60, 4
"""Training examples of a method as cheap as vanilla and of a much more expensive one; validation examples; epochs."""

Report = Callable[[str, int, int], None]
"""Called with what is in progress, the steps done, and the total; a total of 0 is unknown."""


@dataclass(frozen=True)
class TrialResult:
    """The result of the two runs.

    Attributes:
        examples: Training examples, seen in every epoch.
        seconds: Wall time of the method's run, loading included.
        losses: Mean loss of each epoch.
        accuracy: Validation accuracy of the best epoch.
        vanilla_accuracy: Vanilla's, trained on the same examples.
        time_ratio: Processor time of the steps over vanilla's.
    """

    examples: int
    seconds: float
    losses: tuple[float, ...]
    accuracy: float
    vanilla_accuracy: float
    time_ratio: float


@dataclass(frozen=True)
class _Run:
    seconds: float
    processor: float
    losses: tuple[float, ...]
    accuracy: float


def train_a_minute(
    method: ConfiguredMethod, floor: float, folder: Path, report: Report = lambda *_: None
) -> TrialResult:
    """Train a method and vanilla on as many examples as the method's floor leaves time for.

    Args:
        method: With its hyper-parameters.
        floor: Its passes over vanilla's.
        folder: For both runs' files.
        report: Progress.

    Raises:
        UnavailableError: the demo's data or backbone is not on this machine.
        TemperError: the method failed.
    """
    suite = load_suite("demo")
    splits = training_splits(suite)
    train = limited(splits.train, max(LEAST, int(MOST / max(floor, 1.0))))
    validation = limited(splits.validation, VALIDATION)
    plain = configure(MethodRequest.parse("vanilla"))
    vanilla = _train(plain, suite, (train, validation), folder / "vanilla", partial(report, "training vanilla"))
    own = _train(method, suite, (train, validation), folder / "method", partial(report, "training the method"))
    return TrialResult(
        examples=len(train),
        seconds=own.seconds,
        losses=own.losses,
        accuracy=own.accuracy,
        vanilla_accuracy=vanilla.accuracy,
        time_ratio=own.processor / vanilla.processor,
    )


def _train(
    method: ConfiguredMethod,
    suite: Suite,
    data: tuple[Dataset, Dataset],
    folder: Path,
    report: Callable[[int, int], None],
) -> _Run:
    from benchmark.training.loop import Trainer

    started, processor = time.monotonic(), [time.process_time()]

    def step_done(done: int, total: int) -> None:
        processor.append(time.process_time())
        report(done, total)

    trainer = Trainer(
        method=method.make(),
        backbone=resolve_backbone(suite.backbone),
        task=suite.training,
        recipe=replace(suite.recipe, epochs=EPOCHS),
        train=data[0],
        validation=data[1],
        seed=0,
        folder=folder,
        report=step_done,
    )
    _, position = trainer.run()
    losses = tuple(float(row["loss"]) for row in position.log)
    accuracy = max(float(row["validation_accuracy"]) for row in position.log)
    return _Run(time.monotonic() - started, processor[-1] - processor[0], losses, accuracy)
