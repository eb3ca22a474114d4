"""Time a training step of each method relative to vanilla's, next to the floor that its passes set.

    python -m tests.performance.training_step
    python -m tests.performance.training_step --device cuda --precision bf16 --backbone roberta-base-random

The floor is what the passes that a step makes cost by this machine's own prices: those of a forward, of a backward,
full and to the inputs only, and of the optimizer's step, measured in the same rounds. Methods go in groups; in each
round of a group every method makes a step, and so does vanilla, so that a busy moment of the machine hits all of them
alike. Printed are the medians of the rounds' ratios.
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import torch

from benchmark.execution.costs import Costs
from benchmark.execution.method_registry import registered
from benchmark.execution.plan import parse_methods
from benchmark.models.backbones import Backbone, resolve_backbone
from tests.performance.stepping import Shape, Stepper, keep_freed_memory, random_backbone, stopwatch, time_parts

VARIANTS = ("child_tuning:mode=F", "roast:variant=released")
RANDOM = {"roberta-base-random": (12, 768, 50265), "roberta-tiny-random": (2, 32, 2000)}
"""Backbones with random weights: layers, width, vocabulary."""
GROUP = 6
"""Methods, and so models, that are held at a time."""


@dataclass(frozen=True)
class Timing:
    """Medians over rounds.

    Attributes:
        ratio: Time of a step over vanilla's.
        floor: The least that its passes leave possible, over vanilla's.
        excess: The first over the second.
    """

    ratio: float
    floor: float
    excess: float


def measure(
    names: Sequence[str], backbone: Backbone, shape: Shape, rounds: int, clock: str = "wall",
    show: Callable[[str, Timing], None] = lambda name, timing: None,
) -> tuple[dict[str, Timing], dict[str, float]]:  # fmt: skip
    """Time methods, given as on the command line; with them the median seconds of the parts of a vanilla step."""
    seconds, found, prices = stopwatch(clock, shape.device), {}, list[dict[str, float]]()
    vanilla = _warm(Stepper("vanilla", backbone, shape))
    time_parts(vanilla, seconds)
    for start in range(0, len(names), GROUP):
        group = {name: _warm(Stepper(name, backbone, shape)) for name in names[start : start + GROUP]}
        passes = {name: stepper.passes() for name, stepper in group.items()}
        drawn: dict[str, list[Timing]] = {name: [] for name in group}
        for _ in range(rounds):
            price, base = time_parts(vanilla, seconds), seconds(vanilla.step)
            prices.append(price)
            whole = price["forward"] + price["backward"] + price["update"]
            for name, stepper in group.items():
                floor = (sum(price[kind] * n for kind, n in passes[name].items()) + price["update"]) / whole
                ratio = seconds(stepper.step) / base
                drawn[name].append(Timing(ratio, floor, ratio / floor))
        for name, timings in drawn.items():
            columns = zip(*((t.ratio, t.floor, t.excess) for t in timings), strict=True)
            found[name] = Timing(*map(statistics.median, columns))
            show(name, found[name])
    return found, {kind: statistics.median(price[kind] for price in prices) for kind in prices[0]}


def _warm(stepper: Stepper) -> Stepper:
    """The first step makes the optimizer's state; the second finds memory as the later ones do."""
    stepper.step()
    return stepper


def keep(found: dict[str, Timing], setting: str) -> None:
    """Write the ratios of registered methods into the files that `temper list --methods` reads."""
    for name in found.keys() & registered().keys():
        costs = Costs.for_method(registered()[name])
        if name in costs.methods:
            costs.methods[name] = replace(costs.methods[name], measured=round(found[name].ratio, 2), setting=setting)
            costs.write()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", default="", help="separated by commas; all registered ones and two variants")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall", help="cpu: on a machine that others use")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 leaves them as they are")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--backbone", default="minilm", help=f"also {', '.join(RANDOM)}")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--write", action="store_true", help="keep the ratios for `temper list --methods`")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = _options()
    if options.threads:
        torch.set_num_threads(options.threads)
    keep_freed_memory()
    shape = Shape(options.batch, options.length, torch.device(options.device), options.precision)
    names = (
        options.methods.split(",")
        if options.methods
        else [*(request.name for request in parse_methods("all")), *VARIANTS]
    )
    setting = (
        f"{options.backbone}, {shape.batch} x {shape.length} tokens, {shape.precision} on {options.device}, "
        f"{options.clock} time, {torch.get_num_threads()} threads, median of {options.rounds} rounds"
    )
    print(f"{setting}\n\n| method | over vanilla | floor | over its floor |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        if options.backbone in RANDOM:
            backbone = random_backbone(Path(scratch), *RANDOM[options.backbone])
        else:
            backbone = resolve_backbone(options.backbone)
        found, price = measure(names, backbone, shape, options.rounds, options.clock, _print)
    backward, inputs = (price[kind] / price["forward"] for kind in ("backward", "input_backward"))
    print(f"\nIn forwards, a full backward takes {backward:.2f} and one to the inputs {inputs:.2f}.")
    if options.write:
        keep(found, setting)


def _print(name: str, timing: Timing) -> None:
    print(f"| `{name}` | {timing.ratio:.2f} | {timing.floor:.2f} | {timing.excess:.2f} |", flush=True)


if __name__ == "__main__":
    main()
