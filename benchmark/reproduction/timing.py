"""How long a training step takes here, from a few real ones."""

import time
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmark.data import Dataset
from benchmark.execution.registry import MethodRequest, configure
from benchmark.execution.workload import Workload
from benchmark.models.backbones import Backbone
from benchmark.reproduction.cost_estimate import VANILLA

STEPS = 4
"""Steps that are timed, after one that is not."""


class _EnoughError(Exception):
    """Stops the loop once the steps are timed."""


def seconds_a_pass(work: Workload, backbone: Backbone) -> float:
    """Time vanilla steps in the real training loop, on the task's own texts.

    Returns:
        Seconds of a forward of one example, a backward counted as two.
    """
    from benchmark.training.loop import Trainer

    size = work.suite.recipe.batch_size * work.suite.recipe.accumulation
    train, recipe = work.splits.train, replace(work.suite.recipe, epochs=STEPS + 1)
    times: list[float] = []

    def report(_done: int, _total: int) -> None:
        times.append(time.monotonic())
        if len(times) > STEPS:
            raise _EnoughError

    with TemporaryDirectory() as folder:
        trainer = Trainer(
            method=configure(MethodRequest("vanilla", {}), {}).make(),
            backbone=backbone,
            task=work.suite.training,
            recipe=recipe,
            train=Dataset(train.name, train.examples[: size * (STEPS + 1)], train.label_names),
            validation=Dataset(train.name, train.examples[:1], train.label_names),
            seed=0,
            folder=Path(folder),
            report=report,
            checkpoint_seconds=float("inf"),
        )
        with suppress(_EnoughError):
            trainer.run()
    steps = [after - before for before, after in pairwise(times)]
    return median(steps) / (VANILLA * size)
