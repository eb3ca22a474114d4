"""The bars of a method's gains over vanilla, in the terminal."""

from dataclasses import replace

import pytest

from benchmark.cli.leaderboard_commands import print_section
from leaderboard import text_tables
from leaderboard.board import Board
from leaderboard.figures import Figure
from leaderboard.render.charts import gain_bars

GAINS = {
    "gain/in-distribution": Figure("+12.00", "+2.00", "+21.00"),
    "gain/shift": Figure("-2.20", "-6.00", "+1.60"),
    "gain/adversarial": Figure("-3.00", "-5.00", "-1.00"),
    "gain/calibration": Figure("+0.24", "-1.00", "+1.50"),
    "gain/anomaly": Figure(""),
}


@pytest.fixture
def section(shared_board):
    """Return the demonstration's section: vanilla and one other row, which gets the gains above."""
    section = shared_board.sections[-1]
    rows = tuple(with_gains(row, GAINS, Figure("+1.41")) if row.method == "roast" else row for row in section.rows)
    return replace(section, rows=rows)


def with_gains(row, gains, overall):
    return replace(row, figures={**row.figures, **gains}, overall=overall)


def test_each_bar_has_the_length_and_side_of_its_gain_and_tells_noise_apart(section):
    assert gain_bars(section) == (
        "Gain of roast over vanilla in points, 1 seed; a character is 0.5 points",
        "                                   worse | better",
        "In-distribution                          |########################   +12.00",
        "Shift                                ----|                            -2.20",
        "Adversarial                        ######|                            -3.00",
        "Calibration                              |                            +0.24",
        "Anomaly                                  |                                -",
        "Overall                                  |---                         +1.41",
        "#: the 95 % interval of the gain excludes 0; -: it does not, or there is none.",
    )


@pytest.mark.parametrize(("gain", "step", "length"), [("+0.05", "0.1", 1), ("+2.40", "0.1", 24), ("-100.00", "5", 20)])
def test_the_scale_is_round_and_a_negligible_gain_does_not_fill_it(section, gain, step, length):
    rows = tuple(with_gains(row, dict.fromkeys(GAINS, Figure(gain)), Figure(gain)) for row in section.rows)
    sentence, _, *bars, _ = gain_bars(replace(section, rows=rows))
    assert sentence.endswith(f"a character is {step} points")
    assert {bar.rpartition(" ")[0].count("-") for bar in bars[1:]} == {length}


def test_only_a_single_method_next_to_vanilla_is_drawn(section, shared_board):
    several, roberta, _ = shared_board.sections
    assert gain_bars(several) == ()
    assert gain_bars(roberta)[0].startswith("Gain of roast over vanilla in points, 3 seeds; ")
    vanilla = tuple(row for row in section.rows if row.method == "vanilla")
    assert gain_bars(replace(section, rows=vanilla)) == ()
    assert [bool(table.picture) for table in text_tables(shared_board)] == [False, True, True]


def test_the_picture_is_printed_in_80_columns_and_a_hostile_name_is_escaped(section, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    rows = tuple(
        replace(row, configuration="note=a\n\x1b[31m\u202eb") if row.method == "roast" else row for row in section.rows
    )
    section = replace(section, rows=rows)
    table = text_tables(Board((section,), (), (), ()))[0]
    print_section(table)
    printed = capsys.readouterr().out
    assert printed.endswith("\n".join(gain_bars(section)[1:]) + "\n\n")
    assert "Gain of roast (note=a <U+001B>[31m<U+202E>b) over vanilla" in " ".join(printed.split())
    assert max(map(len, printed.splitlines())) <= 80
