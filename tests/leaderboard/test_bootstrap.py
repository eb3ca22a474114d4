"""The bootstrap: paired, repeatable, and the same for a row whatever else is on the board."""

import math

import numpy as np
import pytest

from leaderboard.bootstrap import Bootstrap, picks, relative_change
from leaderboard.intervals import percentile_interval
from leaderboard.load import load
from tests.leaderboard.synthetic import Method, card, write_results


def width(draws):
    low, high = percentile_interval(draws)
    return high - low


def draws_of(root, name, *, other=None):
    _, (contest,) = load(root)
    entrant = next(entrant for entrant in contest.entrants if entrant.name == name)
    reference = next(entrant for entrant in contest.entrants if entrant.name == (other or "vanilla"))
    return Bootstrap(contest).overall(entrant, reference, entrant.seeds)


def test_picks_are_the_same_for_ever():
    assert picks("examples", "sha256:0", 200, 8).tolist() == [50, 24, 102, 146, 126, 163, 151, 155]
    assert picks("seeds", [0, 1, 2], 3, 8).tolist() == [2, 2, 2, 1, 0, 0, 2, 1]


def test_picks_reach_every_replicate_evenly():
    counts = [0] * 10
    for pick in picks("examples", "any", 10, 20_000):
        counts[pick] += 1
    assert min(counts) > 1850
    assert max(counts) < 2150


def test_paired_difference_is_narrower_than_an_unpaired_one(results):
    _, (contest,) = load(results)
    vanilla = contest.vanilla()
    roast = next(entrant for entrant in contest.entrants if entrant.name == "roast")
    bootstrap = Bootstrap(contest)
    mine, theirs = (bootstrap._perspectives(entrant, (0, 1, 2))[0] for entrant in (roast, vanilla))
    assert width(mine - theirs) < width(mine - np.roll(theirs, 1000)) / 3


def test_one_replicate_index_serves_every_probe_of_the_same_data(results):
    _, (contest,) = load(results)
    bootstrap = Bootstrap(contest)
    bootstrap.overall(contest.entrants[0], contest.vanilla(), (0,))
    # seven headline columns, five data sets: accuracy and calibration read the same examples
    assert len(bootstrap._examples) == 5


def test_a_new_row_moves_no_other_rows_interval(results):
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
    assert relative_change(value, reference, sign) == pytest.approx(change)
