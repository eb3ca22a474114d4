"""The counted and timed cost of methods, kept in a file next to the source of these methods."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

from benchmark.execution.method_source import origin
from benchmark.schema.errors import IntegrityError
from benchmark.schema.record import PASS_COSTS

FILE = "temper_costs.json"
VANILLA_COST = PASS_COSTS["forward"] + PASS_COSTS["backward"]
"""Cost of a vanilla step over one example, in forward passes."""

Counts = Mapping[str, float]


def over_vanilla(passes: Counts) -> float:
    """Divide the cost of some passes by vanilla's cost, which is a forward and a full backward pass."""
    return sum(PASS_COSTS[kind] * count for kind, count in passes.items()) / VANILLA_COST


@dataclass(frozen=True)
class Cost:
    """The cost of a method relative to vanilla fine-tuning.

    Attributes:
        step: Passes per example of a step, by kind.
        once: Passes per training example before the first step, by kind.
        measured: Time of a step divided by vanilla's, in `setting`; None if it was not measured.
        setting: Model, batch and clock of the measurement.
    """

    step: Counts
    once: Counts
    measured: float | None = None
    setting: str = ""

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """Create a cost from the dictionary that was written."""
        step, once = ({kind: float(plain[part][kind]) for kind in PASS_COSTS} for part in ("step", "once"))
        return cls(step, once, plain["measured"], plain["setting"])


@dataclass
class Costs:
    """The costs of the methods whose sources are in one folder.

    Attributes:
        methods: Costs by method name.
    """

    folder: Path
    methods: dict[str, Cost] = field(default_factory=dict)

    @classmethod
    def for_method(cls, point: EntryPoint) -> Self:
        """Read the costs in the folder of a method's source; empty if nothing was counted yet.

        Raises:
            IntegrityError: the file exists and is not valid.
        """
        source = origin(point.value.partition(":")[0])
        path = Path(source or "").with_name(FILE) if source else Path(FILE)
        try:
            kept = json.loads(path.read_text(encoding="utf-8")) if source else {}
            return cls(path.parent, {name: Cost.read(plain) for name, plain in kept.items()})
        except FileNotFoundError:
            return cls(path.parent)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(
                f"{path} is not a valid cost file ({error!r}). Remove it and run "
                "`python -m benchmark.testing.pass_counts all`."
            ) from error

    def write(self) -> Path:
        """Write the file with one line per method, sorted by name."""
        path = self.folder / FILE
        lines = [f" {json.dumps(name)}: {json.dumps(asdict(cost))}" for name, cost in sorted(self.methods.items())]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return path
