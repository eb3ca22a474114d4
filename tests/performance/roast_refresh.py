"""Time RoAST's refresh (global ranks, keep probabilities, sampling) against numpy's double argsort of the same scores.

    python -m tests.performance.roast_refresh --entries 3e7

The scores are squares of numbers whose size differs from tensor to tensor, as mean squared gradients do. Printed are
the seconds of both, the ratio, the largest difference of a tensor's expected keep rate from that of exact ranks, and
the memory that the refresh takes beyond the scores.
"""

import argparse
import os
import resource
import time

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch

from methods.roast import binned_probabilities, ranked_multipliers

SETTINGS = {"sentiment": (0.9, 10.0), "entailment": (0.6, 1.0)}


def make_scores(entries: int, tensors: int = 24) -> list[torch.Tensor]:
    """Squared gradients of `tensors` equal tensors, each on its own scale."""
    generator = torch.Generator().manual_seed(0)
    sizes = [entries // tensors] * (tensors - 1)
    sizes.append(entries - sum(sizes))
    scales = torch.logspace(-6, -3, tensors).tolist()
    return [torch.randn(n, generator=generator).mul_(scale).square_() for n, scale in zip(sizes, scales, strict=True)]


def exact_rates(scores: list[torch.Tensor]) -> tuple[float, dict[str, list[float]]]:
    """Seconds of the double argsort, and each tensor's exact keep rate at each setting."""
    flat = torch.cat(scores).numpy()
    started = time.perf_counter()
    ranks = np.argsort(np.argsort(flat))
    seconds = time.perf_counter() - started
    ends = np.cumsum([len(s) for s in scores])[:-1]
    pieces = np.split(ranks, ends)
    rates = {
        name: [float((1.0 / (1.0 + np.exp(-2.0 * b * (r / (len(flat) - 1) - a)))).mean()) for r in pieces]
        for name, (a, b) in SETTINGS.items()
    }
    return seconds, rates


def refresh_seconds(scores: list[torch.Tensor], setting: str, seed: int) -> float:
    """Seconds of one refresh."""
    generator = torch.Generator().manual_seed(seed)
    started = time.perf_counter()
    ranked_multipliers(scores, *SETTINGS[setting], generator)
    return time.perf_counter() - started


def peak_memory() -> float:
    """Most memory that this process has held so far, in GiB (Linux counts it in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=lambda text: int(float(text)), default=30_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    scores = make_scores(options.entries)
    before = peak_memory()
    seconds = {name: min(refresh_seconds(scores, name, seed) for seed in range(options.rounds)) for name in SETTINGS}
    extra = peak_memory() - before
    print(f"{options.entries:,} entries; memory beyond the scores {extra:.2f} GiB, of which the multipliers take "
          f"{options.entries * 4 / 2**30:.2f}")  # fmt: skip
    sorting, exact = exact_rates(scores)
    print(f"numpy double argsort {sorting:.2f} s")
    for name, setting in SETTINGS.items():
        rates = [float(p.mean()) for p in binned_probabilities(scores, *setting)]
        gap = max(abs(a - b) for a, b in zip(rates, exact[name], strict=True))
        print(f"{name:12} refresh {seconds[name]:.2f} s, {sorting / seconds[name]:.0f} times faster; largest gap of a "
              f"tensor's keep rate {gap:.1e}")  # fmt: skip


if __name__ == "__main__":
    main()
