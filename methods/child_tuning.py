"""Child-Tuning: update a part of the network (Xu et al., EMNLP 2021)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt, Lt
from torch import Tensor, nn

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.chunked import in_chunks
from benchmark.training.toolbox.gradients import SquaredGradients, mask_gradients


@dataclass(kw_only=True, eq=False)
class ChildTuning(Method):
    """Update only a child network: the entries that matter most (mode D), or random ones at each step (mode F).

    D: the entries of the blocks with the `reserve` largest share, globally, of mean squared gradient of the
    cross-entropy over one pass of the training set (each batch's gradient clipped as in training); all others get no
    gradient. F: every gradient entry is multiplied by m / reserve with a fresh m ~ Bernoulli(reserve), on all
    parameters. Both before Adam's moments and after clipping; weight decay is not masked. Embeddings and head are
    unmasked in D.

    reserve is 0.3 in the released script. Accumulation does not change the method: one mask per step, on the whole
    window's gradient.
    """

    name: ClassVar[str] = "child_tuning"
    paper: ClassVar[str] = "Xu et al., EMNLP 2021"

    mode: Literal["D", "F"] = "D"
    reserve: Annotated[
        float,
        Gt(0),
        Lt(1),
        Search.linear(0.1, 0.9, source="ours: from a tenth to nearly all; the release has 0.3"),
    ] = 0.3

    def setup(self, ctx: Context) -> None:
        """Compute the importance in one pass and then the mask for all of training (mode D)."""
        if self.mode == "F":
            return
        self._blocks = ctx.block_parameters()
        importance = SquaredGradients(self._blocks)
        for batch in ctx.train_batches("importance"):
            with ctx.scratch_gradients():
                seen = self.transform_batch(batch, ctx)
                nn.functional.cross_entropy(ctx.model(seen), seen.targets()).backward()
                if ctx.recipe.clip is not None:
                    nn.utils.clip_grad_norm_(ctx.model.parameters(), ctx.recipe.clip)
                importance.add([p.grad for p in self._blocks])
        ranked = importance.seen()
        self._multipliers = [torch.ones_like(total) for total in importance.sums]
        masks = keep_largest([importance.sums[i] for i in ranked], self.reserve)
        for index, mask in zip(ranked, masks, strict=True):
            self._multipliers[index] = mask

    def transform_gradients(self, parameters: Sequence[nn.Parameter], ctx: Context) -> None:
        """Mask the gradient."""
        if self.mode == "D":
            mask_gradients(self._blocks, self._multipliers)
        else:
            thin_gradients(parameters, self.reserve, ctx.generator("child-tuning"))

    def state_dict(self) -> dict[str, Tensor]:
        """Return mode D's mask."""
        if self.mode == "F":
            return {}
        return {f"mask.{index}": mask.bool() for index, mask in enumerate(self._multipliers)}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the mask."""
        if self.mode == "D":
            self._blocks = ctx.block_parameters()
            self._multipliers = [state[f"mask.{index}"].to(p.dtype) for index, p in enumerate(self._blocks)]


def keep_largest(scores: Sequence[Tensor], share: float) -> list[Tensor]:
    """Mark the largest entries of all tensors, a given share: 1 where kept and 0 elsewhere, in the scores' type.

    The threshold is the (1 - share) quantile, found without sorting; entries that tie with it are kept.
    """
    flat = torch.cat([s.reshape(-1) for s in scores])
    below = math.ceil((1.0 - share) * (flat.numel() - 1))
    threshold = flat.kthvalue(below + 1).values
    return [(s >= threshold).to(s.dtype) for s in scores]


def thin_gradients(parameters: Sequence[Tensor], keep: float, generator: torch.Generator) -> None:
    """Multiply every entry of the existing gradients by m / p, m ~ Bernoulli(p), in place.

    p is `keep` rounded to a multiple of 2^-16, so that four draws come from one 64-bit random number.
    """
    levels = min(2**16 - 1, max(1, round(keep * 2**16)))
    for (pieces,) in in_chunks([p.grad for p in parameters if p.grad is not None]):
        sizes = [piece.numel() for piece in pieces]
        numbers = torch.empty((sum(sizes) + 3) // 4, dtype=torch.int64, device=pieces[0].device)
        draws = numbers.random_(-(2**63), None, generator=generator).view(torch.int16)[: sum(sizes)]
        multipliers = draws.lt_(levels - 2**15).to(pieces[0].dtype).mul_(2**16 / levels)
        torch._foreach_mul_(pieces, list(multipliers.split(sizes)))
