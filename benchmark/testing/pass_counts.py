"""Count what a method's passes cost, in a tiny run: ``python -m benchmark.testing.pass_counts mine``.

The counts are written next to the method's source, where `temper list --methods` finds them.
"""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.execution.costs import Cost, Costs, over_vanilla
from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.schema.errors import TemperError, UsageError


def count_passes(method: str, backbone: Path, folder: Path) -> Cost:
    """Train a method for one epoch and for two, and count the passes through the model.

    Args:
        method: As on the command line, with hyper-parameters and members.
        backbone: Folder from `write_tiny_masked_lm`.
        folder: Empty folder for the runs' files.
    """
    short, long = (_run(method, backbone, folder / str(epochs), epochs) for epochs in (1, 2))
    examples = long.pop("examples") - short.pop("examples")
    step = {kind: (long[kind] - short[kind]) / examples for kind in long}
    return Cost(step, {kind: short[kind] / examples - step[kind] for kind in step})


def _run(method: str, backbone: Path, folder: Path, epochs: int) -> dict[str, float]:
    from benchmark.testing.tiny import trainer

    run = trainer(configure(MethodRequest.parse(method)).make(), backbone, folder, epochs=epochs)
    _, position = run.run()
    return {**position.passes, "examples": epochs * len(run.train)}


def update(names: Sequence[str]) -> list[Path]:
    """Count the passes of registered methods and store them; a changed count drops the measured time.

    Raises:
        UsageError: there is no such method.
    """
    from benchmark.testing.tiny import write_tiny_masked_lm

    by_folder: dict[Path, Costs] = {}
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "backbone").mkdir()
        backbone = write_tiny_masked_lm(Path(scratch) / "backbone")
        for name in names:
            MethodRequest.parse(name).require_known()
            folder_costs = Costs.for_method(registered()[name])
            costs = by_folder.setdefault(folder_costs.folder, folder_costs)
            counted = count_passes(name, backbone, Path(scratch) / name)
            known = costs.methods.get(name)
            if known is None or (known.step, known.once) != (counted.step, counted.once):
                costs.methods[name] = counted
            _say(f"{name}: {_written(counted.step)} a step, {over_vanilla(counted.step):.2f} of vanilla's")
    return [costs.write() for costs in by_folder.values()]


def _written(passes: Mapping[str, float]) -> str:
    return ", ".join(f"{count:g} {kind}" for kind, count in passes.items() if count)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def main(names: Sequence[str]) -> None:
    """Count the methods named, or ``all`` that are registered."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not names:
        raise UsageError("python -m benchmark.testing.pass_counts takes names of methods, or all.")
    for path in update(list(registered()) if list(names) == ["all"] else names):
        _say(f"Written to {path}.")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except TemperError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(error.exit_code) from None
