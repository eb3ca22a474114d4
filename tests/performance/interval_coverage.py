"""Simulate how often 95 % intervals contain the truth: `python -m tests.performance.interval_coverage`.

Seeds, examples and answers are drawn again in every simulation. A method answers an example correctly if
``mean + seed + example + method x example + noise > 0``, all normal, so that the true accuracy is known exactly.
"""

import argparse
import math
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from leaderboard.bootstrap import Resampling, Score, combined
from leaderboard.intervals import percentile_interval

RESAMPLES, DRAWS = 200, 2000


class Case(NamedTuple):
    """Accuracy, number of examples, and the standard deviations of seeds, examples and methods on single examples."""

    name: str
    accuracy: float
    examples: int
    seeds: float
    difficulty: float
    method: float


CASES = (
    Case("seeds differ by 3 points, 500 texts", 0.80, 500, 0.11, 1.0, 0.3),
    Case("seeds differ by 1 point, 500 texts", 0.75, 500, 0.03, 1.0, 0.3),
    Case("seeds differ by 2 points, 300 attacked texts", 0.30, 300, 0.06, 1.0, 0.3),
    Case("seeds differ by chance alone, 200 texts", 0.75, 200, 0.0, 1.0, 0.3),
)


def coverage(case: Case, seeds: int, simulations: int) -> tuple[float, float]:
    """Estimate the coverage of a value's interval, and of a paired difference's between two equally good methods."""
    generator = np.random.default_rng(seeds)
    spread = math.sqrt(1 + case.seeds**2 + case.difficulty**2 + case.method**2)
    threshold = float(ndtri(case.accuracy)) * spread
    truth = float(ndtr(threshold / spread))
    resampling = Resampling(DRAWS)
    inside = np.zeros(2)
    weights = generator.multinomial(case.examples, np.full(case.examples, 1 / case.examples), RESAMPLES)
    for _ in range(simulations):
        latent = generator.normal(0, case.difficulty, case.examples) + generator.normal(
            0, case.method, (2, 1, case.examples)
        )
        latent = latent + generator.normal(0, case.seeds, (2, seeds, 1))
        right = threshold + latent + generator.standard_normal((2, seeds, case.examples)) > 0
        scores = []
        for answers in right.astype(float):
            resampled = answers @ weights.T / case.examples
            deviations = resampled - resampled.mean(axis=1, keepdims=True)
            scores.append(Score(tuple(range(seeds)), answers.mean(axis=1), {("data", RESAMPLES): deviations}))
        for place, (score, true) in enumerate(((scores[0], truth), (combined(scores, (1, -1)), 0.0))):
            low, high = percentile_interval(resampling.distribution(score).draws)
            inside[place] += low <= true <= high
    return float(inside[0] / simulations), float(inside[1] / simulations)


def main() -> None:
    """Print the table of docs/statistics.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    simulations = parser.parse_args().simulations
    print("| case | quantity | 3 seeds | 5 seeds | 10 seeds |\n|---|---|---|---|---|")
    for case in CASES:
        found = [coverage(case, seeds, simulations) for seeds in (3, 5, 10)]
        for place, quantity in enumerate(("value", "difference")):
            cells = " | ".join(f"{100 * pair[place]:.1f} %" for pair in found)
            print(f"| {case.name} | {quantity} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
