"""Notes of the leaderboard on tuned rows."""

from leaderboard.trial_notes import best_so_far, tuning_facts, tuning_notes, unequal_trials

SPACE = {"epsilon": {"scale": "log", "low": 0.01, "high": 1.0}}


def trial(number, clean, typos, epsilon=0.1):
    ok = clean is not None
    return {
        "trial": number,
        "status": "ok" if ok else "failed",
        "method": {"hyperparameters": {"epsilon": epsilon}},
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
    assert dict(tuning_facts(trials))["Tuning"] == "trial 1 of 3, 2 failed"
    assert list(tuning_notes(trials[:1])) == []


def test_the_best_so_far_follows_the_selection():
    trials = [trial(0, 150, 120), trial(1, None, None), trial(2, 140, 199), trial(3, 152, 125)]
    assert best_so_far(trials) == (
        "250: 75.0 / 60.0 %; 250: 75.0 / 60.0 %; 500: 75.0 / 60.0 %; 750: 76.0 / 62.5 %"
    )  # fmt: skip


def test_another_number_of_trials_is_not_comparable():
    assert unequal_trials(8, 8) == ""
    assert unequal_trials(4, 8) == "tuned with 4 trials; the suite gives every method 8"
