"""The bootstrap: paired, repeatable, and the same for a row whatever else is on the board."""

import math

import numpy as np
import pytest
from scipy.special import stdtrit
from scipy.stats import bootstrap

from leaderboard.bootstrap import DRAWS, Resampling, Score, combined, pair_scales, picks, stretches
from leaderboard.intervals import percentile_interval
from leaderboard.results import read_sections
from leaderboard.scores import SectionScores
from tests.leaderboard.synthetic import Method, card, write_results

RESAMPLES = np.linspace(-0.1, 0.1, 200)


def width(draws):
    low, high = percentile_interval(draws)
    return high - low


def overall_of(root, name):
    _, (section,) = read_sections(root)
    row = next(row for row in section.rows if row.name == name)
    return SectionScores(section).row_scores(row).distribution


def score(values, *resamples, data="data"):
    """A score with the same resamples for every seed, or one list per seed."""
    blocks = np.array(resamples if len(resamples) == len(values) else [resamples[0]] * len(values))
    return Score(tuple(range(len(values))), np.array(values), {(data, blocks.shape[1]): blocks})


def test_picks_are_always_the_same():
    assert picks("examples", "sha256:0", 200, 8).tolist() == [50, 24, 102, 146, 126, 163, 151, 155]
    assert picks("seeds", [0, 1, 2], 3, 8).tolist() == [2, 2, 2, 1, 0, 0, 2, 1]


def test_picks_reach_every_replicate_evenly():
    counts = [0] * 10
    for pick in picks("examples", "any", 10, 20_000):
        counts[pick] += 1
    assert min(counts) > 1850
    assert max(counts) < 2150


def test_stretches_are_always_the_same_and_turn_a_normal_deviation_into_a_t_distributed_one():
    assert stretches((0, 1, 2), 3) == pytest.approx([0.7484, 1.1103, 11.4570], abs=1e-4)
    for count in (3, 5, 10):
        normal = np.random.default_rng(0).standard_normal(200_000) * math.sqrt((count - 1) / count)
        stretched = np.abs(normal * stretches(tuple(range(count)), 200_000))
        for level in (0.95, 0.995):
            assert np.quantile(stretched, level) == pytest.approx(stdtrit(count - 1, (1 + level) / 2), rel=0.05)


def test_paired_difference_is_narrower_than_an_unpaired_one(results):
    """The rows differ little on each resample, and each of them much between resamples."""
    resampling = Resampling()
    shared, small = RESAMPLES, RESAMPLES[::-1] ** 3
    mine, theirs = score([0.5, 0.52], shared), score([0.4, 0.42], shared + small)
    paired = resampling.distribution(combined((mine, theirs), (1, -1))).draws
    unpaired = resampling.distribution(mine).draws - np.roll(resampling.distribution(theirs).draws, 1000)
    assert width(paired) < width(unpaired) / 3


def test_tasks_on_the_same_data_share_their_resamples():
    resampling = Resampling()
    same = combined((score([0.5], RESAMPLES), score([0.5], RESAMPLES)), (1, -1))
    assert np.abs(resampling.distribution(same).draws).max() == 0
    other = combined((score([0.5], RESAMPLES), score([0.5], RESAMPLES, data="others")), (1, -1))
    assert np.abs(resampling.distribution(other).draws).max() > 0


def test_interaction_of_seeds_and_examples_counts_once():
    """Where seeds disagree on examples at random, their values differ by that alone, and the seed part has it."""
    generator = np.random.default_rng(3)
    independent = generator.normal(0, 0.02, (5, 200))
    assert Resampling().distribution(score([0.5] * 5, *independent)).scale < 0.4
    assert Resampling().distribution(score([0.5] * 5, RESAMPLES)).scale == 1


def test_scale_of_a_pair_is_that_of_its_difference():
    generator = np.random.default_rng(4)
    scores = [score([0.5] * 3, *(RESAMPLES * share + generator.normal(0, 0.02, (3, 200)))) for share in (0.1, 0.5, 1.0)]
    scales = pair_scales(scores)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        difference = combined((scores[i], scores[j]), (1, -1))
        assert scales[i, j] == scales[j, i] == pytest.approx(Resampling(10).distribution(difference).scale)
    assert pair_scales([scores[0], scores[0]])[0, 1] == 0


def test_a_new_row_changes_no_other_rows_interval(results):
    before = overall_of(results, "roast").draws.tolist()
    write_results(results, card(), Method("newcomer", gain=0.2 - 0.1, seeds=(0, 1, 2, 3)))
    assert overall_of(results, "roast").draws.tolist() == before


def test_seeds_that_disagree_widen_an_interval(tmp_path):
    def folder(name, gains):
        root = tmp_path / name
        write_results(root, card(), Method(seeds=(0, 1, 2)))
        for seed, gain in enumerate(gains):
            write_results(root, card(), Method("roast", gain=gain, seeds=(seed,)))
        return root

    agreeing = overall_of(folder("agreeing", (0.05, 0.05, 0.05)), "roast").draws
    disagreeing = overall_of(folder("disagreeing", (-0.05, 0.05, 0.15)), "roast").draws
    assert width(disagreeing) > 3 * width(agreeing)


def test_parts_agree_with_scipys_bootstrap():
    """Without the stretch, the seed part is the percentile bootstrap of the seeds; the example part that of the texts.

    `scipy.stats.bootstrap` has no bootstrap of two levels, so each level is compared alone, on paired differences.
    """
    generator = np.random.default_rng(5)
    differences = generator.normal(0.03, 0.02, 8)
    resampling, seeds = Resampling(), tuple(range(8))
    stretched = resampling.distribution(Score(seeds, differences, {})).seeds
    expected = bootstrap((differences,), np.mean, n_resamples=20_000, method="percentile", rng=0).confidence_interval
    low, high = percentile_interval(differences.mean() + stretched / stretches(seeds, DRAWS))
    assert (low, high) == (pytest.approx(expected.low, abs=5e-4), pytest.approx(expected.high, abs=5e-4))

    first, second = generator.random((2, 400)) < np.array([[0.8], [0.7]])
    rows = generator.integers(0, 400, (4000, 400))
    replicates = first[rows].mean(axis=1) - second[rows].mean(axis=1)
    value = first.mean() - second.mean()
    one = Score((0,), np.array([value]), {("data", 4000): (replicates - replicates.mean())[None]})
    expected = bootstrap(
        (first, second), lambda a, b, axis: a.mean(axis) - b.mean(axis), paired=True, vectorized=True,
        n_resamples=20_000, method="percentile", rng=0,
    ).confidence_interval  # fmt: skip
    low, high = percentile_interval(resampling.distribution(one).draws)
    assert (low, high) == (pytest.approx(expected.low, abs=3e-3), pytest.approx(expected.high, abs=3e-3))
