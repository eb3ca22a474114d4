"""What methods cost, as it was counted and timed: a file beside the source of the methods that it is about."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Self

from benchmark.execution.sources import origin
from benchmark.schema.errors import IntegrityError

FILE = "temper_costs.json"
PRICES = {"forward": 1, "backward": 2, "input_backward": 1}
"""Of a forward, a full backward and one to the inputs only, in forwards: the usual convention."""

Counts = Mapping[str, float]


def over_vanilla(passes: Counts) -> float:
    """Passes at `PRICES` over those of vanilla, which are a forward and a full backward."""
    return sum(PRICES[kind] * count for kind, count in passes.items()) / (PRICES["forward"] + PRICES["backward"])


@dataclass(frozen=True)
class Cost:
    """What a method costs over vanilla fine-tuning.

    Attributes:
        step: Passes for each example of a step, by kind.
        once: Passes for each training example before the first step, by kind.
        measured: Time of a step over vanilla's, in `setting`; None where it was not measured.
        setting: Model, batch and clock of the measurement.
    """

    step: Counts
    once: Counts
    measured: float | None = None
    setting: str = ""

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """Take back what was written."""
        step, once = ({kind: float(plain[part][kind]) for kind in PRICES} for part in ("step", "once"))
        return cls(step, once, plain["measured"], plain["setting"])


@dataclass
class Costs:
    """The costs of the methods whose sources lie in one folder.

    Attributes:
        methods: By name.
    """

    folder: Path
    methods: dict[str, Cost] = field(default_factory=dict)

    @classmethod
    def beside(cls, point: EntryPoint) -> Self:
        """Those of the folder that a method's source lies in; none where nothing was counted yet.

        Raises:
            IntegrityError: the file is there and cannot be read.
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
                f"{path} is no file of costs ({error!r}); remove it and run "
                "`python -m benchmark.testing.pass_counts all`."
            ) from error

    def write(self) -> Path:
        """Write the file, a line a method in the order of their names."""
        path = self.folder / FILE
        lines = [f" {json.dumps(name)}: {json.dumps(asdict(cost))}" for name, cost in sorted(self.methods.items())]
        path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
        return path
