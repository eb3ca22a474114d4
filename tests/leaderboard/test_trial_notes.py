"""What the leaderboard shows of a tuned row's trials: notes, the gain of tuning, the best so far."""

import csv
import io
import json
import re

import pytest

from benchmark.schema import UsageError, file_fingerprint
from benchmark.schema.trial import TRIALS_FILE, selected, trial_line, tuning_of
from leaderboard import compare, definitions, load_board, text_tables
from leaderboard.render.charts import curve
from leaderboard.site_files import render_all
from leaderboard.trial_notes import best_so_far, row_tuning, tuning_facts, tuning_gain, tuning_notes
from tests.leaderboard.synthetic import Method, card, digest, records, write_card, write_records

SPACE = {"epsilon": {"scale": "log", "low": 0.01, "high": 1.0}}


def trial(number, clean, typos, epsilon=0.1):
    ok = clean is not None
    return {
        "trial": number,
        "status": "ok" if ok else "failed",
        "method": {"name": "awp", "hyperparameters": {"epsilon": epsilon}},
        "learning_rate_factor": 1.0,
        "space": SPACE,
        "validation": {"n": 200, "correct": clean} if ok else None,
        "typos": {"n": 200, "correct": typos} if ok else None,
        "cost": {"forward": 100, "backward": 100, "input_backward": 50} if ok else None,
    }


def test_a_note_says_what_tuning_gained():
    trials = [trial(0, 150, 120), trial(1, 153, 131)]
    assert list(tuning_notes(trials)) == ["on validation, tuning gained +1.5 points clean and +5.5 points with typos"]
    assert list(tuning_notes(trials[:1])) == ["tuning kept the defaults"]


def test_a_note_flags_the_edge_of_a_range():
    notes = list(tuning_notes([trial(0, 150, 120), trial(1, 150, 130, epsilon=0.99)]))
    assert notes[1] == "the selected epsilon is at the edge of its range, which may be too narrow"


def test_failed_trials_are_counted():
    trials = [trial(0, None, None), trial(1, 150, 130), trial(2, None, None)]
    assert next(tuning_notes(trials)) == "tuning chose trial 1; with the defaults, training failed"
    assert dict(tuning_facts(trials))["Tuning"] == "trial 1 of 0 to 2, 2 failed"
    assert list(tuning_notes(trials[:1])) == []


def test_the_best_so_far_follows_the_selection():
    trials = [trial(0, 150, 120), trial(1, None, None), trial(2, 140, 199), trial(3, 152, 125)]
    assert best_so_far(trials) == (
        "250: 75.0 / 60.0 %; 250: 75.0 / 60.0 %; 500: 75.0 / 60.0 %; 750: 76.0 / 62.5 %"
    )  # fmt: skip


def test_another_number_of_trials_is_not_comparable():
    trials = [trial(number, 150, 120) for number in range(4)]
    assert row_tuning("awp", trials, 4).unequal == ""
    assert row_tuning("awp", trials, 8).unequal == "tuned with 4 trials; the suite gives every method 8"


def test_the_gain_is_that_of_the_selected_trial_over_the_defaults():
    assert tuning_gain([trial(0, 150, 120), trial(1, 153, 131)]) == (0.015, "")
    assert tuning_gain([trial(0, 150, 120), trial(1, 149, 131)]) == (-0.005, "")
    assert tuning_gain([trial(0, None, None), trial(1, 150, 130)]) == (None, "training failed with the defaults")
    assert tuning_gain([trial(0, None, None)]) == (None, "all trials failed")
    assert tuning_gain([]) == (None, "")


def write_tuned(root, suite, method, counts):
    """Write the trials of a method with (clean, typos) right answers, and a record of the selected trial."""
    found = records(suite, Method(method), 0)
    base = found[0]
    trials = [
        {
            **trial(number, clean, typos, epsilon=0.1 + number / 10),
            "schema": 1,
            "suite": {"name": suite["name"], "version": suite["version"]},
            "method": {**base["method"], "hyperparameters": {"epsilon": 0.1 + number / 10}},
            "backbone": base["backbone"],
            "seed": 0,
            "learning_rate_factor": 1.0 + number,
            "space": SPACE,
            "reason": None if clean else "It diverged.",
        }
        for number, (clean, typos) in enumerate(counts)
    ]
    for item in trials:
        for part in ("validation", "typos"):
            item[part] = item[part] and {**item[part], "data": digest(part)}
    folder = root / "toy@1" / f"{method}@tuned" / "minilm"
    folder.mkdir(parents=True)
    path = folder / TRIALS_FILE
    path.write_text("".join(map(trial_line, trials)))
    chosen = selected(trials)
    tuning = tuning_of(chosen, trials, file_fingerprint(path))
    write_records(root, [{**record, "tuning": tuning, "method": chosen["method"]} for record in found])


def test_only_a_table_of_tuned_rows_has_the_gain_and_every_file_shows_it(tmp_path):
    root, suite = tmp_path / "results", card()
    write_card(root, suite)
    write_records(root, records(suite, Method(), 0))
    before = render_all(load_board(root))
    assert not any("Tuning points" in text or "tuning_gain" in text for text in before.values())
    write_tuned(root, suite, "vanilla", [(150, 120), (150, 120)])
    write_tuned(root, suite, "roast", [(150, 120), (None, None), (153, 131)])
    write_records(root, records(suite, Method("constant"), 0))
    board = load_board(root)
    tuned, defaults = board.sections
    assert (tuned.title, defaults.title) == ("Toy sentiment: tuned settings", "Toy sentiment: default settings")
    assert {row.method: row.tuning_gain.text for row in tuned.rows} == {
        "vanilla": "0.0",
        "roast": "+1.5",
        "constant": "",
    }
    texts = render_all(board)
    lines = list(csv.DictReader(io.StringIO(texts["board.csv"])))
    assert [(line["method"], line["tuning_gain_points"]) for line in lines if line["tuning_gain_points"]] == [
        (row.method, row.tuning_gain.text) for row in tuned.rows if row.tuning_gain.text
    ]
    first, second = json.loads(texts["board.json"])["sections"]
    assert {row["method"]: row["tuning_gain"]["value"] for row in first["rows"]} == {
        "vanilla": 0.0, "roast": 1.5, "constant": None,
    }  # fmt: skip
    assert all("tuning_gain" not in row for row in second["rows"])
    assert texts["board.md"].count("Tuning points ↑") == len(list(tuned.groups()))
    assert texts["board.tex"].count("Tuning points") == 1
    assert ["Tuning points ↑" in table.columns for table in text_tables(board)] == [True, False]
    page = texts["index.html"]
    assert page.count("<span>Tuning</span>") == 1
    assert '<td class="number" data-sort="+1.5">+1.5</td>' in page


def test_the_page_draws_the_best_so_far_as_step_curves(tmp_path):
    root, suite = tmp_path / "results", card()
    write_card(root, suite)
    write_tuned(root, suite, "vanilla", [(150, 120)])
    write_tuned(root, suite, "roast", [(150, 120), (None, None), (153, 131)])
    board = load_board(root)
    rows = {row.method: row for row in board.sections[0].rows}
    # One trial makes no curve. A failed one has no passes, so the curve does not move.
    assert curve(rows["vanilla"]) is None
    drawn = curve(rows["roast"])
    number = r"(\d+\.\d)"
    x0, y0, x1, y1, x2, y2 = map(
        float, re.fullmatch(f"M{number} {number}" + f"H{number}V{number}" * 2, drawn.clean).groups()
    )
    assert x0 == x1 < x2
    assert y0 == y1 > y2
    assert len(drawn.points) == 2 * 3
    texts = render_all(board)
    assert texts["index.html"].count(f'<path d="{drawn.clean}"') == 1
    assert drawn.description == "250: 75.0 / 60.0 %; 250: 75.0 / 60.0 %; 500: 76.5 / 65.5 %"
    # The other formats, and rows without a curve, have the text.
    assert texts["board.json"].count("Best so far, by training passes") == 2
    assert "<dt>Best so far, by training passes</dt><dd>250: 75.0 / 60.0 %</dd>" in texts["index.html"]
    assert texts["index.html"].count("<dt>Best so far, by training passes</dt>") == 1


def test_tuned_rows_at_chance_need_another_range(tmp_path):
    root, suite = tmp_path / "results", card() | {"largest_class": {"reviews": 0.99}}
    write_card(root, suite)
    write_tuned(root, suite, "vanilla", [(150, 120)])
    write_records(root, records(suite, Method(), 0))
    tuned, defaults = load_board(root).sections
    assert tuned.rule.endswith("%. " + definitions.LEARN_MORE_TUNED)
    assert defaults.rule.endswith("%. " + definitions.LEARN_MORE)


def test_a_comparison_says_which_row_is_tuned(tmp_path):
    suite = card()
    write_card(tmp_path, suite)
    write_records(tmp_path, records(suite, Method(), 0))
    write_tuned(tmp_path, suite, "vanilla", [(150, 120), (150, 120)])
    both = compare("vanilla@tuned", "vanilla", tmp_path)
    assert (both.first, both.second) == ("vanilla [tuned]", "vanilla")


def test_trials_name_no_row_to_compare(tmp_path):
    suite = card()
    write_card(tmp_path, suite)
    write_tuned(tmp_path, suite, "vanilla", [(150, 120)])
    file = tmp_path / "toy@1/vanilla@tuned/minilm" / TRIALS_FILE
    with pytest.raises(UsageError, match=f"^{file} holds no measured row"):
        compare(str(file), "vanilla@tuned", tmp_path)
