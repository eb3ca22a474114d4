"""Time an epoch of vanilla under the recipe's options of speed, over one of random batches in float32.

    python -m tests.performance.training_options

Every round trains an epoch under each option, so that a busy moment of the machine hits all of them alike. Printed are
the padded tokens of an epoch over the real ones, on the whole training set of the suite, and the medians of the rounds'
ratios of processor time. An option that this machine lacks is named and left out.
"""

import argparse
import os
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from benchmark.data import Dataset
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.models.backbones import resolve_backbone
from benchmark.schema import UnavailableError
from benchmark.suites import Suite, load_suite, training_splits
from benchmark.training.loop import Trainer
from benchmark.training.optimization import pick_device, require_precision

OPTIONS = {
    "random, fp32": {"batching": "random", "precision": "fp32"},
    "length, fp32": {"batching": "length", "precision": "fp32"},
    "random, bf16": {"batching": "random", "precision": "bf16"},
    "length, bf16": {"batching": "length", "precision": "bf16"},
}


def trainer_of(suite: Suite, train: Dataset, option: str, folder: Path) -> Trainer:
    """A vanilla run whose steps are made one by one."""
    recipe = replace(suite.recipe, **OPTIONS[option])  # type: ignore[arg-type]  # literals
    return Trainer(
        method=configure(MethodRequest.parse("vanilla")).make(), backbone=resolve_backbone(suite.backbone),
        task=suite.training, recipe=recipe, train=train, validation=train, seed=0, folder=folder,
    )  # fmt: skip


def padding(trainer: Trainer, epochs: int = 5) -> float:
    """Padded tokens of some epochs over the real ones."""
    lengths = [len(encoded["input_ids"]) for encoded in trainer._data._encoded]
    batches = [batch for epoch in range(epochs) for window in trainer._data.windows(epoch) for batch in window]
    return sum(len(batch) * max(lengths[row] for row in batch) for batch in batches) / (epochs * sum(lengths))


def epoch_seconds(trainer: Trainer, epoch: int) -> float:
    """Processor time of an epoch's steps."""
    trainer.model.train()
    windows, started = trainer._data.windows(epoch), time.process_time()
    for window in windows:
        trainer._step(window, trainer.phases[0])
    return time.process_time() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suite", default="offline")
    parser.add_argument("--train-limit", type=int, default=4000, help="examples in which padding is counted")
    parser.add_argument("--examples", type=int, default=320, help="examples of a timed epoch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    suite = load_suite(options.suite)
    split = replace(suite.training.split, train_limit=options.train_limit, train_rows=None)
    suite = replace(suite, training=replace(suite.training, split=split))
    whole = training_splits(suite).train
    timed = replace(whole, examples=whole.examples[: options.examples])
    ratios: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        trainers: dict[str, Trainer] = {}
        for number, (name, recipe) in enumerate(OPTIONS.items()):
            try:
                require_precision(recipe["precision"], pick_device())
            except UnavailableError as error:
                print(f"{name} is left out: {error}")
                continue
            tokens = padding(trainer_of(suite, whole, name, Path(scratch, f"whole-{number}")))
            print(f"{name}: {tokens:.3f} padded tokens for each real one in {len(whole)} examples", flush=True)
            trainers[name] = trainer_of(suite, timed, name, Path(scratch, str(number)))
        for round_ in range(options.rounds + 1):
            seconds = {name: epoch_seconds(trainer, round_) for name, trainer in trainers.items()}
            print(*(f"{name} {value:.1f} s" for name, value in seconds.items()), sep=", ", flush=True)
            # The first epoch makes the optimizer's state and warms up the memory.
            for name, value in seconds.items() if round_ else ():
                ratios.setdefault(name, []).append(value / seconds["random, fp32"])
    print(f"\n| {suite.backbone}, {options.threads} threads, {len(timed)} examples | processor time |\n|---|---|")
    for name, values in ratios.items():
        print(f"| {name} | {statistics.median(values):.2f} |")


if __name__ == "__main__":
    main()
