"""`temper list --methods` shows what methods cost, as it was counted and timed."""

from importlib.metadata import EntryPoint

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.execution import method_registry
from benchmark.execution.costs import Cost, Costs

NOTHING = {"forward": 0.0, "backward": 0.0, "input_backward": 0.0}


def shown(monkeypatch: pytest.MonkeyPatch, width: int = 100) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    return CliRunner().invoke(app, ["list", "--methods"]).output


def row(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(f"{name} ")).split()


def test_floor_and_once_stand_beside_the_method(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch)
    assert row(text, "roast")[1:3] == ["2.33", "1.00"]
    assert row(text, "lp_ft")[1:3] == ["1.00", "0.33"]
    assert row(text, "freelb_pp")[1] == "5.00"
    assert row(text, "soup")[1] == "-"
    assert "Not measured" not in text


def test_what_was_timed_stands_there_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    cost = Cost({**NOTHING, "forward": 3.0}, NOTHING, 1.07, "on an abacus")
    monkeypatch.setattr(Costs, "for_method", classmethod(lambda cls, point: cls(None, {point.name: cost})))
    text = shown(monkeypatch)
    assert row(text, "sam")[1:3] == ["1.00", "1.07"]
    assert text.count("Measured: on an abacus.") == 1


def test_a_method_that_nobody_counted_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = EntryPoint("foreign", "no_such_package:Foreign", method_registry.GROUP)
    known = method_registry.registered()
    monkeypatch.setattr(method_registry, "registered", lambda **_: {**known, "foreign": foreign})
    text = " ".join(shown(monkeypatch).split())
    assert "foreign - - -" in text
    assert "Not measured: foreign. `python -m benchmark.testing.pass_counts foreign` counts their passes." in text


def test_eighty_columns_are_enough_for_every_word(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line.rstrip() for line in shown(monkeypatch, 80).splitlines()]
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    assert any("transform_gradients" in line for line in lines)
