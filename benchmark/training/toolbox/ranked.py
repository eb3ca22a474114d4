"""RoAST's refresh, from importance to multipliers, without sorting where there are many entries."""

from collections.abc import Sequence

import torch
from torch import Tensor

from benchmark.training.toolbox.importance import rank_fractions
from benchmark.training.toolbox.masks import keep_probabilities, sample_multipliers

SORTED = 2**20
"""Up to so many entries, ranks come from a sort."""

_SHIFT = 14
_BINS = 2 ** (31 - _SHIFT)


def ranked_multipliers(
    scores: Sequence[Tensor], alpha: float, beta: float, generator: torch.Generator, *, unbiased: bool = True
) -> list[Tensor]:
    """Multipliers m / p, m ~ Bernoulli(p), p = sigmoid(2 beta (s - alpha)) for the global rank fraction s of a score.

    Up to `SORTED` entries this is `rank_fractions`, `keep_probabilities` and `sample_multipliers`. Above, float32
    scores that are not negative are put into bins of equal leading bits (512 for each power of two), and all entries
    of a bin get the mean of p over the bin's ranks: scores that tie share one p, and the overall keep rate is exact.
    It takes two passes over the scores and no memory beyond the result's and a few MB.

    Args:
        scores: Importance, in any unit.
        alpha: See `keep_probabilities`.
        beta: See `keep_probabilities`.
        generator: On the scores' device.
        unbiased: Divide by p, so that the mean multiplier is 1.

    Returns:
        float32 tensors shaped as `scores`.
    """
    if not scores:
        return []
    if sum(s.numel() for s in scores) <= SORTED or not _binnable(scores):
        probabilities = keep_probabilities(rank_fractions(scores), alpha, beta)
        return sample_multipliers(probabilities, generator, unbiased=unbiased)
    return _sample(scores, _bin_probabilities(_count(scores), alpha, beta), generator, unbiased)


def binned_probabilities(scores: Sequence[Tensor], alpha: float, beta: float) -> list[Tensor]:
    """The keep probability that `ranked_multipliers` gives every entry where it bins; float64, for measurements."""
    table = _bin_probabilities(_count(scores), alpha, beta)
    return [table[_bins(score)] for score in scores]


def _binnable(scores: Sequence[Tensor]) -> bool:
    """Whether the scores' bits, read as integers, are in the scores' order."""
    return all(s.dtype == torch.float32 and int(s.view(torch.int32).min()) >= 0 for s in scores if s.numel())


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    """Pieces that stay in the cache from one operation to the next; far larger ones on an accelerator."""
    pieces: Sequence[Tensor] = tensor.reshape(-1).split(2**18 if tensor.device.type == "cpu" else 2**24)
    return pieces


def _bins(piece: Tensor) -> Tensor:
    return piece.view(torch.int32) >> _SHIFT


def _count(scores: Sequence[Tensor]) -> Tensor:
    counts = torch.zeros(_BINS, dtype=torch.int64, device=scores[0].device)
    for score in scores:
        # A histogram clears and adds all bins, so its pieces are whole tensors.
        counts += torch.bincount(_bins(score.reshape(-1)), minlength=_BINS)
    return counts


def _bin_probabilities(counts: Tensor, alpha: float, beta: float) -> Tensor:
    """Mean of sigmoid(2 beta (s - alpha)) over each bin's rank fractions s, float64."""
    ends = counts.cumsum(0).double()
    last = ends[-1].clone() - 1.0
    low, high = (2.0 * beta * (edge / last - alpha) for edge in (ends - counts - 0.5, ends - 0.5))
    # The integral of a sigmoid is a softplus; for a narrow bin their difference would cancel.
    integral = (torch.nn.functional.softplus(high) - torch.nn.functional.softplus(low)) / (high - low)
    return torch.where(high - low > 1e-4, integral, torch.sigmoid((low + high) / 2.0))


def _sample(
    scores: Sequence[Tensor], probabilities: Tensor, generator: torch.Generator, unbiased: bool
) -> list[Tensor]:
    """Compare 32 random bits an entry, two entries to a 64-bit number, with its bin's probability."""
    thresholds = ((probabilities * 2.0**32).round().clamp(1, 2**32 - 1) - 2.0**31).to(torch.int32)
    values = (1.0 / probabilities if unbiased else torch.ones_like(probabilities)).float()
    multipliers = [torch.empty_like(score, memory_format=torch.contiguous_format) for score in scores]
    for score, multiplier in zip(scores, multipliers, strict=True):
        for piece, out in zip(_pieces(score), _pieces(multiplier), strict=True):
            bins = _bins(piece)
            numbers = torch.empty((len(piece) + 1) // 2, dtype=torch.int64, device=piece.device)
            draws = numbers.random_(-(2**63), None, generator=generator).view(torch.int32)[: len(piece)]
            torch.mul(draws < thresholds.index_select(0, bins), values.index_select(0, bins), out=out)
    return multipliers
