"""RoAST: adversarial perturbation with selective training (Kim et al., Findings of EMNLP 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.consistency import symmetric_kl
from benchmark.training.toolbox.gradients import SquaredGradients, mask_gradients
from benchmark.training.toolbox.perturbation import differentiable, normalise_per_token, uniform_noise

SORTED = 2**20
"""Maximum number of entries that are ranked by sorting."""

_SHIFT = 14
_BINS = 2 ** (31 - _SHIFT)


@dataclass(kw_only=True, eq=False)
class RoAST(Method):
    """Train on clean and perturbed embeddings; mask gradients at random by relative importance.

    Loss: (CE(z, y) + CE(z~, y)) / 2 + kl_weight * symKL(z, z~), z~ from the embedding layer's output moved by epsilon
    along the gradient of CE(z, y), scaled to 1 in each token's largest coordinate. The gradient of the blocks is
    multiplied by a mask m / p, drawn once per epoch with p = sigmoid(2 beta (s - alpha)) for the global rank s of an
    entry's mean squared gradient over the epoch before (over a pass of plain cross-entropy, for the first).

    The defaults are the released run script's for entailment. For sentiment it takes alpha 0.9 and beta 10, as
    `temper reproduce roast-sst2` does. That mask keeps a tenth of the blocks' gradient entries, so a short run hardly
    learns.

    Variants: ``paper`` is the intent. ``released`` does what the code does: no CE(z~, y), the KL summed over the
    batch, padding attended in training, the direction taken at a fresh noise point (one more forward), and the first
    batch left out of each importance mean. In both, the perturbed pass gives the embedding layer no gradient.
    """

    name: ClassVar[str] = "roast"
    paper: ClassVar[str] = "Kim et al., Findings of EMNLP 2023"

    alpha: Annotated[
        float,
        Gt(0),
        Lt(1),
        Search.linear(0.1, 0.95, source="the release has 0.9 and 0.6; ours goes further down, to masks that keep more"),
    ] = 0.6
    beta: Annotated[float, Gt(0)] = 1.0
    epsilon: Annotated[
        float,
        Gt(0),
        Search.log(0.005, 0.5, source="ours: the release has 0.1 for large models; a smaller one needs less"),
    ] = 0.1
    kl_weight: Annotated[float, Ge(0)] = 0.01
    unbiased: bool = True
    variant: Literal["paper", "released"] = "paper"

    @property
    def _released(self) -> bool:
        return self.variant == "released"

    def setup(self, ctx: Context) -> None:
        """Compute the importance in one pass of plain cross-entropy, then draw the first mask."""
        self._start(ctx)
        for batch in ctx.train_batches("importance"):
            with ctx.scratch_gradients():
                moved = self.transform_batch(batch, ctx)
                nn.functional.cross_entropy(ctx.model(moved), moved.targets()).backward()
                self._importance.add([p.grad for p in self._masked])
        self._refresh(ctx)

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend to the padding if the released code does."""
        return batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask)) if self._released else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make a clean and a perturbed pass."""
        clean, perturbed = (self._released_passes if self._released else self._paper_passes)(model, batch, ctx)
        consistency = symmetric_kl(clean, perturbed, "sum" if self._released else "mean")
        loss = 0.5 * nn.functional.cross_entropy(clean, batch.targets()) + self.kl_weight * consistency
        return loss if self._released else loss + 0.5 * nn.functional.cross_entropy(perturbed, batch.targets())

    def _paper_passes(self, model: Classifier, batch: Batch, ctx: Context) -> tuple[Tensor, Tensor]:
        """Take the direction on the clean pass's graph, which saves the released code's second forward."""
        embeds = differentiable(model.embed(batch))
        clean = model(batch, embeds=embeds)
        gradient = ctx.input_gradient(nn.functional.cross_entropy(clean, batch.targets()), embeds, retain_graph=True)
        return clean, model(batch, embeds=(embeds + self.epsilon * normalise_per_token(gradient)).detach())

    def _released_passes(self, model: Classifier, batch: Batch, ctx: Context) -> tuple[Tensor, Tensor]:
        clean = model(batch)
        embeds = model.embed(batch).detach()
        start = (embeds + uniform_noise(embeds, 1e-5)).requires_grad_()
        noisy = nn.functional.cross_entropy(model(batch, embeds=start), batch.targets())
        gradient = ctx.input_gradient(noisy, start)
        return clean, model(batch, embeds=(start + self.epsilon * normalise_per_token(gradient)).detach())

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Add the unmasked gradient to the importance, then mask it."""
        self._importance.add([p.grad for p in self._masked])
        mask_gradients(self._masked, self._multipliers)

    def on_epoch_end(self, ctx: Context) -> None:
        """Draw the next epoch's mask from this epoch's gradients."""
        if ctx.epoch < ctx.epochs:
            self._refresh(ctx)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the current sums and the current mask."""
        named = {"count": torch.tensor(self._importance.count)}
        for index, (total, multiplier) in enumerate(zip(self._importance.sums, self._multipliers, strict=True)):
            named |= {f"sum.{index}": total, f"multiplier.{index}": multiplier}
        return named

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore both."""
        self._start(ctx)
        self._importance.count = int(state["count"])
        self._importance.sums = [state[f"sum.{i}"] for i in range(len(self._masked))]
        self._multipliers = [state[f"multiplier.{i}"] for i in range(len(self._masked))]

    def _start(self, ctx: Context) -> None:
        self._masked = ctx.block_parameters()
        self._multipliers = [torch.ones((), device=p.device).expand_as(p) for p in self._masked]
        self._importance: SquaredGradients = SquaredGradients(self._masked, skip_first=self._released)

    def _refresh(self, ctx: Context) -> None:
        # Do not rank a tensor without a gradient, such as one that the phase freezes; it keeps its mask.
        # Sums over the same number of batches rank as their means do.
        seen = self._importance.seen()
        sums = [self._importance.sums[index] for index in seen]
        drawn = ranked_multipliers(sums, self.alpha, self.beta, ctx.generator("roast-mask"), unbiased=self.unbiased)
        for index, multiplier in zip(seen, drawn, strict=True):
            self._multipliers[index] = multiplier
        self._importance.reset()


# -- the mask: from importance to multipliers, without sorting where there are many entries ---------------------


def ranked_multipliers(
    scores: Sequence[Tensor], alpha: float, beta: float, generator: torch.Generator, *, unbiased: bool = True
) -> list[Tensor]:
    """Draw multipliers m / p, m ~ Bernoulli(p), p = sigmoid(2 beta (s - alpha)), s a score's global rank fraction.

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
    """Return every entry's keep probability as `ranked_multipliers` bins it; float64, for measurements."""
    table = _bin_probabilities(_count(scores), alpha, beta)
    return [table[_bins(score)] for score in scores]


def _binnable(scores: Sequence[Tensor]) -> bool:
    """Return whether the scores' bits, read as integers, are in the scores' order."""
    return all(s.dtype == torch.float32 and int(s.view(torch.int32).min()) >= 0 for s in scores if s.numel())


def _pieces(tensor: Tensor) -> Sequence[Tensor]:
    """Yield pieces that stay in the cache between operations; on an accelerator, much larger ones."""
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
    """Compute the mean of sigmoid(2 beta (s - alpha)) over each bin's rank fractions s, float64."""
    ends = counts.cumsum(0).double()
    last = ends[-1].clone() - 1.0
    low, high = (2.0 * beta * (edge / last - alpha) for edge in (ends - counts - 0.5, ends - 0.5))
    # The integral of a sigmoid is a softplus; for a narrow bin their difference would cancel.
    integral = (torch.nn.functional.softplus(high) - torch.nn.functional.softplus(low)) / (high - low)
    return torch.where(high - low > 1e-4, integral, torch.sigmoid((low + high) / 2.0))


def _sample(
    scores: Sequence[Tensor], probabilities: Tensor, generator: torch.Generator, unbiased: bool
) -> list[Tensor]:
    """Compare 32 random bits per entry, two entries to a 64-bit number, with its bin's probability."""
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


def rank_fractions(scores: Sequence[Tensor]) -> list[Tensor]:
    """Rank every entry among all entries of all tensors, scaled to [0, 1]; 0 is the smallest.

    Entries that tie are ranked in their order, so the result does not depend on the sort. A single entry gets 0.

    Returns:
        float32 tensors with the shapes of `scores`.
    """
    flat = torch.cat([s.reshape(-1) for s in scores])
    order = torch.argsort(flat, stable=True)
    fractions = torch.empty(flat.numel(), dtype=torch.float32, device=flat.device)
    ranks = torch.arange(flat.numel(), device=flat.device, dtype=torch.float64)
    fractions[order] = ranks.div_(max(1, flat.numel() - 1)).float()
    pieces = fractions.split([s.numel() for s in scores])
    return [piece.view(s.shape) for piece, s in zip(pieces, scores, strict=True)]


def keep_probabilities(fractions: Sequence[Tensor], alpha: float, beta: float) -> list[Tensor]:
    """Compute the probability to keep each entry: sigmoid(2 * beta * (s - alpha)) for its rank fraction s (RoAST).

    Args:
        fractions: Rank fractions in [0, 1].
        alpha: Fraction at which half of the entries are kept, in (0, 1).
        beta: Sharpness, above 0; the larger, the nearer to a hard threshold.
    """
    return [torch.sigmoid(2.0 * beta * (s - alpha)) for s in fractions]


def sample_multipliers(
    probabilities: Sequence[Tensor], generator: torch.Generator, *, unbiased: bool = True
) -> list[Tensor]:
    """Draw Bernoulli masks, divided by their probability where `unbiased`, so that the mean multiplier is 1.

    Returns:
        float32 tensors of 0 and 1, or of 0 and 1 / (p + 1e-12).
    """
    # Use float64: in float32, uniform numbers are so coarse that a probability of 1e-8 is drawn too often.
    masks = [torch.bernoulli(p.double(), generator=generator).to(p.dtype) for p in probabilities]
    if unbiased:
        torch._foreach_div_(masks, torch._foreach_add(list(probabilities), 1e-12))
    return masks
