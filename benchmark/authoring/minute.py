"""A minute of training: the demo's backbone and data, cut to what a method can do in the time, beside vanilla."""

import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.data import Dataset, limited
from benchmark.execution.registry import ConfiguredMethod, MethodRequest, configure
from benchmark.models.backbones import resolve_backbone
from benchmark.suites import Suite, load_suite, training_splits

MOST, LEAST, VALIDATION, EPOCHS = 160, 48, 60, 4
"""Training examples of a method that costs what vanilla does, and of one that costs many times that; and the rest."""


@dataclass(frozen=True)
class Trained:
    """What came of it.

    Attributes:
        examples: Training examples, seen in every epoch.
        seconds: Wall time of the method's run, loading included.
        losses: Mean of each epoch.
        accuracy: On the validation part, of the best epoch.
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


def train_a_minute(method: ConfiguredMethod, floor: float, folder: Path) -> Trained:
    """Train a method and vanilla on as many examples as the method's floor leaves time for.

    Args:
        method: With its hyper-parameters.
        floor: Its passes over vanilla's.
        folder: For both runs' files.

    Raises:
        UnavailableError: the demo's data or backbone is not on this machine.
        TemperError: the method failed.
    """
    suite = load_suite("demo")
    splits = training_splits(suite)
    train = limited(splits.train, max(LEAST, int(MOST / max(floor, 1.0))))
    validation = limited(splits.validation, VALIDATION)
    vanilla = _train(configure(MethodRequest.parse("vanilla"), {}), suite, train, validation, folder / "vanilla")
    found = _train(method, suite, train, validation, folder / "method")
    return Trained(
        examples=len(train),
        seconds=found.seconds,
        losses=found.losses,
        accuracy=found.accuracy,
        vanilla_accuracy=vanilla.accuracy,
        time_ratio=found.processor / vanilla.processor,
    )


def _train(method: ConfiguredMethod, suite: Suite, train: Dataset, validation: Dataset, folder: Path) -> _Run:
    from benchmark.training.loop import Trainer

    started, processor = time.monotonic(), [time.process_time()]
    trainer = Trainer(
        method=method.make(),
        backbone=resolve_backbone(suite.backbone),
        task=suite.training,
        recipe=replace(suite.recipe, epochs=EPOCHS),
        train=train,
        validation=validation,
        seed=0,
        folder=folder,
        report=lambda _done, _total: processor.append(time.process_time()),
    )
    _, position = trainer.run()
    losses = tuple(float(row["loss"]) for row in position.log)
    accuracy = max(float(row["validation_accuracy"]) for row in position.log)
    return _Run(time.monotonic() - started, processor[-1] - processor[0], losses, accuracy)
