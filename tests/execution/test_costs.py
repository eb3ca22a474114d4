"""The file of costs next to a method's source."""

import json
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark.execution.costs import FILE, Cost, Costs, over_vanilla
from benchmark.schema.errors import IntegrityError

COST = Cost(
    {"forward": 3.0, "backward": 2.0, "input_backward": 1.0},
    {"forward": 1.0, "backward": 1.0, "input_backward": 0.0},
)


@pytest.fixture()
def point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """A package of someone else's with a method in it."""
    (tmp_path / "foreign_package").mkdir()
    (tmp_path / "foreign_package" / "__init__.py").write_text("raise RuntimeError('nobody imports this')\n")
    (tmp_path / "foreign_package" / "mine.py").write_text("class Mine: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return EntryPoint("mine", "foreign_package.mine:Mine", "temper.methods")


def test_what_is_written_beside_a_method_is_read_there(point: EntryPoint, tmp_path: Path) -> None:
    costs = Costs.for_method(point)
    assert costs.methods == {}
    costs.methods = {"mine": COST, "earlier": replace(COST, measured=2.5, setting="on the moon")}
    assert costs.write() == tmp_path / "foreign_package" / FILE
    assert Costs.for_method(point).methods == costs.methods


def test_prices_are_those_of_the_convention() -> None:
    assert over_vanilla(COST.step) == pytest.approx(8 / 3)
    assert over_vanilla(COST.once) == 1.0


@pytest.mark.parametrize("text", ["{", "[]", '{"mine": 3}', '{"mine": {"step": {"forward": 1}}}'])
def test_a_broken_file_is_named_with_the_remedy(point: EntryPoint, tmp_path: Path, text: str) -> None:
    (tmp_path / "foreign_package" / FILE).write_text(text)
    with pytest.raises(IntegrityError, match=f"{FILE} is not a valid cost file.*benchmark.testing.pass_counts all"):
        Costs.for_method(point)


def test_a_method_whose_source_is_nowhere_has_no_costs() -> None:
    assert Costs.for_method(EntryPoint("gone", "no_such_package.mine:Mine", "temper.methods")).methods == {}


def test_the_file_has_a_line_a_method(point: EntryPoint) -> None:
    costs = Costs.for_method(point)
    costs.methods = {"b": COST, "a": COST}
    lines = costs.write().read_text().splitlines()
    assert [line[:5] for line in lines] == ["{", ' "a":', ' "b":', "}"]
    assert list(json.loads("\n".join(lines))) == ["a", "b"]
