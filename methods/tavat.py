"""TAVAT: token-aware virtual adversarial training (Li and Qiu, AAAI 2021)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.perturbation import masked_start, sequence_norm


@dataclass(kw_only=True, eq=False)
class TAVAT(Method):
    """Run FreeLB with a second perturbation per token, which is stored per word between batches.

    Word embeddings are moved by delta, one perturbation per sentence as in FreeLB, and eta, which starts from a table
    with one row per word. After each pass both move by `rate` along the gradient over its norm (the sentence's, the
    token's); each token's eta is scaled by its norm over the sentence's largest; delta + eta are scaled together into
    the ball of `radius` (0: unbounded). The gradients of the passes are summed, not averaged. At the end each word's
    row becomes its eta, the mean over its occurrences. Defaults: the released command for SST-2.

    Variants: ``paper`` is the above. ``released`` does what the code does: eta's start is divided by the norm of the
    whole batch's, eta is added to the table instead of replacing its rows, and padding has an eta like any token.

    The table changes after every micro-batch, so accumulation is not the same as a larger batch.
    """

    name: ClassVar[str] = "tavat"
    paper: ClassVar[str] = "Li and Qiu, AAAI 2021"

    steps: Annotated[int, Ge(1)] = 2
    rate: Annotated[float, Gt(0), Search.log(0.005, 0.5, source="ours: a decade either side of the default")] = 0.05
    start: Annotated[float, Ge(0)] = 0.2
    radius: Annotated[float, Ge(0), Search.log(0.05, 5.0, source="ours: a decade either side of the default")] = 0.5
    variant: Literal["paper", "released"] = "paper"

    def setup(self, ctx: Context) -> None:
        """Draw the table, U(-1, 1) * start / sqrt(width)."""
        words = ctx.model.word_table
        noise = 2 * torch.rand(words.shape, device=words.device) - 1
        self._table = (noise * (self.start / math.sqrt(words.shape[-1]))).to(words.dtype)

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes; each backward gives the gradients of the parameters and of both perturbations."""
        delta = masked_start(model.embed_words(batch).detach(), batch.attention_mask, self.start, "l2")
        eta = self._recall(batch)
        for left in range(self.steps - 1, -1, -1):
            both = (delta + eta).detach().requires_grad_(left > 0)
            logits = model(batch, words=model.embed_words(batch) + both)
            ctx.backward(nn.functional.cross_entropy(logits, batch.targets()))
            if both.grad is not None:
                delta, eta = self._move(delta, eta, both.grad)
        self._remember(batch, eta)

    def _recall(self, batch: Batch) -> Tensor:
        eta = self._table[batch.tokens["input_ids"]]
        return eta / eta.norm() if self.variant == "released" else eta * batch.attention_mask.unsqueeze(-1)

    def _move(self, delta: Tensor, eta: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        delta = delta + self.rate * gradient / sequence_norm(gradient, "l2")
        eta = eta + self.rate * gradient / gradient.norm(dim=-1, keepdim=True).clamp(min=1e-8)
        norms = eta.norm(dim=-1, keepdim=True)
        eta = eta * norms / norms.amax(dim=1, keepdim=True).clamp(min=1e-8)
        if self.radius > 0:
            scale = (self.radius / sequence_norm(delta + eta, "l2")).clamp(max=1.0)
            delta, eta = delta * scale, eta * scale
        return delta, eta

    def _remember(self, batch: Batch, eta: Tensor) -> None:
        ids = batch.tokens["input_ids"]
        if self.variant == "released":
            self._table.index_put_((ids,), eta.to(self._table.dtype), accumulate=True)
            return
        real = batch.attention_mask.bool()
        words, rows = ids[real].unique(return_inverse=True)
        sums = torch.zeros_like(self._table[words]).index_add_(0, rows, eta[real].to(self._table.dtype))
        self._table[words] = sums / rows.bincount().unsqueeze(-1)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the table."""
        return {"table": self._table}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the table."""
        self._table = state["table"]
