"""RoAST's mask without a sort, against ranks from a sort."""

import numpy as np
import pytest
import torch
from torch import Tensor

from methods import roast
from methods.roast import (
    binned_probabilities,
    keep_probabilities,
    rank_fractions,
    ranked_multipliers,
    sample_multipliers,
)

SETTINGS = [(0.9, 10.0), (0.6, 1.0)]


@pytest.fixture(autouse=True)
def _always_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roast, "SORTED", 100)


def squares(seed: int = 0) -> list[Tensor]:
    """Squared gradients on three scales, one tensor with many zeros and one whose values are all nearly the same."""
    g = torch.Generator().manual_seed(seed)
    parts = [torch.randn(200, 301, generator=g) * scale for scale in (1e-5, 1e-4, 1e-3)]
    sparse = torch.randn(30_001, generator=g) * 1e-4 * torch.randint(0, 2, (30_001,), generator=g)
    level = 2e-4 * (1.0 + 1e-2 * torch.rand(7_000, generator=g))
    return [x.square() for x in (*parts, sparse, level)]


def exact(scores: list[Tensor], alpha: float, beta: float) -> list[np.ndarray]:
    """Ranks by numpy's sort; entries that tie get the mean of the probabilities of the ranks they take up."""
    flat = np.concatenate([s.numpy().ravel() for s in scores])
    order = np.argsort(flat, kind="stable")
    p = 1.0 / (1.0 + np.exp(-2.0 * beta * (np.arange(flat.size) / (flat.size - 1) - alpha)))
    _, group = np.unique(flat, return_inverse=True)
    by_group = np.bincount(group[order], p) / np.bincount(group)
    return np.split(by_group[group], np.cumsum([s.numel() for s in scores])[:-1])


@pytest.mark.parametrize(("alpha", "beta"), SETTINGS)
def test_keep_rates_of_every_tensor_are_those_of_exact_ranks(alpha: float, beta: float) -> None:
    scores = squares()
    total = 0.0
    for got, want in zip(binned_probabilities(scores, alpha, beta), exact(scores, alpha, beta), strict=True):
        assert abs(float(got.mean()) - want.mean()) < 1e-3
        assert np.abs(got.numpy().ravel() - want).max() < 0.02
        total += float(got.sum()) - want.sum()
    assert abs(total) < 1e-4 * sum(s.numel() for s in scores)


@pytest.mark.parametrize(("alpha", "beta"), SETTINGS)
def test_sampled_rates_and_values_follow_the_probabilities(alpha: float, beta: float) -> None:
    scores = squares()
    multipliers = ranked_multipliers(scores, alpha, beta, torch.Generator().manual_seed(1))
    plain = ranked_multipliers(scores, alpha, beta, torch.Generator().manual_seed(1), unbiased=False)
    for m, ones, p, s in zip(multipliers, plain, binned_probabilities(scores, alpha, beta), scores, strict=True):
        assert m.shape == s.shape
        assert m.dtype == torch.float32
        kept = m > 0
        torch.testing.assert_close(m[kept].double(), 1.0 / p[kept], rtol=1e-6, atol=0)
        assert torch.equal(ones, kept.float())
        spread = float((p * (1 - p)).sum().sqrt()) / p.numel()
        assert abs(float(kept.double().mean()) - float(p.mean())) < 5 * spread


def test_draws_repeat_with_the_generator_and_differ_between_neighbours() -> None:
    scores = squares()
    first, again, other = (
        ranked_multipliers(scores, 0.6, 1.0, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])
    kept = (first[0].reshape(-1) > 0).double()
    expected = binned_probabilities(scores, 0.6, 1.0)[0].reshape(-1)
    for lag in (1, 2):
        both, chance = (kept[lag:] * kept[:-lag]).mean(), (expected[lag:] * expected[:-lag]).mean()
        assert abs(float(both - chance)) < 5 * (0.25 / kept.numel()) ** 0.5


def test_scores_that_are_all_equal_share_one_probability() -> None:
    scores = [torch.zeros(70_000), torch.zeros(50_000)]
    for p, want in zip(binned_probabilities(scores, 0.9, 10.0), exact(scores, 0.9, 10.0), strict=True):
        np.testing.assert_allclose(p.numpy(), want, rtol=1e-3)


@pytest.mark.parametrize(
    "scores",
    [[torch.randn(500)], [torch.rand(500, dtype=torch.float64)], [torch.rand(99)]],
    ids=["negative", "float64", "few"],
)
def test_what_cannot_be_binned_or_is_small_is_sorted(scores: list[Tensor]) -> None:
    got = ranked_multipliers(scores, 0.6, 1.0, torch.Generator().manual_seed(5))
    probabilities = keep_probabilities(rank_fractions(scores), 0.6, 1.0)
    want = sample_multipliers(probabilities, torch.Generator().manual_seed(5))
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
