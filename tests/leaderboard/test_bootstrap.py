"""The bootstrap: paired, repeatable, and the same for a row whatever else is on the board."""

import math

import numpy as np
import pytest

from leaderboard.bootstrap import Resampling, picks
from leaderboard.intervals import percentile_interval
from leaderboard.results import read_sections
from leaderboard.scores import SectionScores, relative_change
from tests.leaderboard.synthetic import Method, card, write_results


def width(draws):
    low, high = percentile_interval(draws)
    return high - low


def draws_of(root, name):
    _, (section,) = read_sections(root)
    row = next(row for row in section.rows if row.name == name)
    return SectionScores(section).row_scores(row).draws


def test_picks_are_always_the_same():
    assert picks("examples", "sha256:0", 200, 8).tolist() == [50, 24, 102, 146, 126, 163, 151, 155]
    assert picks("seeds", [0, 1, 2], 3, 8).tolist() == [2, 2, 2, 1, 0, 0, 2, 1]


def test_picks_reach_every_replicate_evenly():
    counts = [0] * 10
    for pick in picks("examples", "any", 10, 20_000):
        counts[pick] += 1
    assert min(counts) > 1850
    assert max(counts) < 2150


def accuracy_replicates(section, name):
    frame = section.frame
    chosen = frame[(frame["method"] == name) & (frame["task"] == "reviews") & (frame["metric"] == "accuracy")]
    return [[(record.data, record.replicates)] for record in chosen.sort_values("seed").itertuples()]


def test_paired_difference_is_narrower_than_an_unpaired_one(results):
    _, (section,) = read_sections(results)
    resampling = Resampling()
    mine, theirs = (resampling.score(accuracy_replicates(section, name), (0, 1, 2)) for name in ("roast", "vanilla"))
    assert width(mine - theirs) < width(mine - np.roll(theirs, 1000)) / 3


def test_tasks_on_the_same_data_share_their_resamples():
    values = [0.1 * number for number in range(10)]
    shared = Resampling().score([[("data", values), ("data", [-value for value in values])]], (0,))
    assert np.abs(shared).max() == 0
    other = Resampling().score([[("data", values), ("others", [-value for value in values])]], (0,))
    assert np.abs(other).max() > 0
    # The seeds' draws use the same resamples too.
    assert (
        Resampling().score([[("data", values)], [("data", values)]], (0, 1))
        == Resampling().score([[("data", values)]], (0,))
    ).all()


def test_a_new_row_changes_no_other_rows_interval(results):
    before = draws_of(results, "roast").tolist()
    write_results(results, card(), Method("newcomer", gain=0.2 - 0.1, seeds=(0, 1, 2, 3)))
    assert draws_of(results, "roast").tolist() == before


def test_more_seeds_widen_an_interval_that_seeds_disagree_on(tmp_path):
    def folder(name, gains):
        root = tmp_path / name
        write_results(root, card(), Method(seeds=(0, 1, 2)))
        for seed, gain in enumerate(gains):
            write_results(root, card(), Method("roast", gain=gain, seeds=(seed,)))
        return root

    agreeing = draws_of(folder("agreeing", (0.05, 0.05, 0.05)), "roast")
    disagreeing = draws_of(folder("disagreeing", (-0.05, 0.05, 0.15)), "roast")
    assert width(disagreeing) > 3 * width(agreeing)


@pytest.mark.parametrize(
    ("value", "reference", "sign", "change"),
    [
        (0.6, 0.5, 1, 0.2),
        (0.6, 0.5, -1, -0.2),
        (0.0, 0.0, 1, 0.0),
        (0.1, 0.0, 1, math.inf),
        (0.1, 0.0, -1, -math.inf),
    ],
)
def test_relative_change(value, reference, sign, change):
    assert relative_change(np.array([value]), np.array([reference]), sign) == pytest.approx(change)
