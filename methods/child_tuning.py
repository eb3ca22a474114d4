"""Child-Tuning: update a part of the network (Xu et al., EMNLP 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.training import Context, Method, UsageError
from benchmark.training.toolbox.importance import SquaredGradients
from benchmark.training.toolbox.masks import keep_largest, mask_gradients, thin_gradients


@dataclass(kw_only=True, eq=False)
class ChildTuning(Method):
    """Update only a child network: the entries that matter most (mode D), or random ones at each step (mode F).

    D: the entries of the blocks with the `reserve` largest share, globally, of mean squared gradient of the
    cross-entropy over one pass of the training set (each batch's gradient clipped as in training); all others get no
    gradient. F: every gradient entry is multiplied by m / reserve with a fresh m ~ Bernoulli(reserve), on all
    parameters. Both before Adam's moments and after clipping; weight decay is not masked. Embeddings and head are
    unmasked in D.

    reserve is 0.3 in the released script. Accumulation does not change the method: one mask a step, on the whole
    window's gradient.
    """

    name: ClassVar[str] = "child_tuning"
    paper: ClassVar[str] = "Xu et al., EMNLP 2021"

    mode: str = "D"
    reserve: float = 0.3

    def __post_init__(self) -> None:
        if self.mode not in {"D", "F"}:
            raise UsageError(f"child_tuning has the modes D and F, not {self.mode!r}.")
        if not 0 < self.reserve < 1:
            raise UsageError("child_tuning needs 0 < reserve < 1.")

    def setup(self, ctx: Context) -> None:
        """Mode D: one pass for the importance, then the mask for all of training."""
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
        """Mode D's mask."""
        if self.mode == "F":
            return {}
        return {f"mask.{index}": mask.bool() for index, mask in enumerate(self._multipliers)}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Take it back."""
        if self.mode == "D":
            self._blocks = ctx.block_parameters()
            self._multipliers = [state[f"mask.{index}"].to(p.dtype) for index, p in enumerate(self._blocks)]
