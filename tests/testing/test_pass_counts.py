"""The engine counts the passes of a method, and the file of costs holds these counts."""

from pathlib import Path

import pytest

from benchmark.execution.costs import Costs, over_vanilla
from benchmark.execution.method_registry import registered
from benchmark.schema.errors import UsageError
from benchmark.testing.pass_counts import count_passes, main
from tests.support.tiny import write_tiny_masked_lm

K = 3

# Passes of a step over vanilla's at the floor, forward : backward : input-backward being 1 : 2 : 1.
FLOORS = {
    "adv_embed": 7 / 3,  # 2F + Bx + 2Bp: the direction comes from the clean pass's own graph
    f"adv_embed:steps={K}:clean=false": (2 * K + 3) / 3,  # PGD that trains on the last perturbation
    "adv_embed:variant=released": 8 / 3,
    "ascc": 9.0,  # ten iterations of F + Bx, a clean target, two passes
    "awp": 2.0,
    "bitfit": 1.0,
    "child_tuning": 1.0,
    "child_tuning:mode=F": 1.0,
    "dora": 1.0,
    "ema": 1.0,
    "focal": 1.0,
    "freelb": 2.0,
    f"freelb:steps={K}": float(K),
    "freelb:variant=released": 3.0,
    "freelb_pp": 5.0,
    "hiddencut": 2.0,
    "infobert": 4.0,  # three passes, each with a backward to the inputs that chooses the tokens
    "label_smoothing": 1.0,
    "lora": 1.0,
    "lp_ft": 1.0,
    "mixout": 1.0,
    "mixup": 1.0,
    "mvp": 4.0,  # one sequence for each of four templates
    "mvp+adv_embed:space=words:norm=l2:epsilon=1:rate=1.5:random_start=true:clean=false": 20 / 3,
    "r3f": 2.0,
    "r_drop": 2.0,
    "recadam": 1.0,
    "rift": 28 / 3,  # ascc and the teacher's forward
    "roast": 7 / 3,
    "roast:variant=released": 8 / 3,
    "rose-ensemble": 10 / 3,
    "rose-first": 10 / 3,
    "rose-second": 1.0,
    "sam": 2.0,
    "smart": 3.0,
    "smart:variant=released": 8 / 3,
    "swa": 1.0,
    f"tavat:steps={K}": float(K),
    "tavat": 2.0,
    "vanilla": 1.0,
    "wconsol": 1.0,
    "wise_ft": 1.0,
    "worddrop": 2.0,
}
# The same for all that is done before the first step, in epochs of vanilla.
ONCE = {"child_tuning": 1.0, "roast": 1.0, "roast:variant=released": 1.0, "lp_ft": 1 / 3}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_masked_lm(tmp_path_factory.mktemp("tiny-masked-lm"))


OWN = {
    name: point for name, point in registered().items() if point.value.startswith("methods.") and name != "soup"
}  # fmt: skip
"""A new method need not have a floor here: its own test says which passes a step needs. A soup has no steps."""


@pytest.mark.parametrize("method", dict.fromkeys([*FLOORS, *OWN]))
def test_the_passes_counted_are_those_of_the_floor_and_of_the_file(method: str, backbone: Path, tmp_path: Path) -> None:
    counted = count_passes(method, backbone, tmp_path)
    if method in FLOORS:
        assert over_vanilla(counted.step) == pytest.approx(FLOORS[method])
        assert over_vanilla(counted.once) == pytest.approx(ONCE.get(method, 0.0))
    if method in OWN:
        kept = Costs.for_method(OWN[method]).methods[method]
        assert (kept.step, kept.once) == (counted.step, counted.once), f"run `temper check {method}`"


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="vanilla"):
        main(["vanila"])
    with pytest.raises(UsageError, match="names of methods"):
        main([])
