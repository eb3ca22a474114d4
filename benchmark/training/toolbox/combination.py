"""Adversarial sparse convex combinations: words moved inside the hull of their substitutes (Dong et al., ICLR 2021)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.context import Context
from benchmark.training.toolbox.substitutes import Substitutes

_BARRED = -500.0
_DECAY = 2e-5


@dataclass(frozen=True)
class Hull:
    """Word embeddings of a batch, n of whose words can be any convex combination of their choices.

    Attributes:
        words: Word embeddings, shape (batch, length, width), with their graph.
        where: Row and position of those n words.
        choices: Word embeddings of their choices, shape (n, choices, width), with their graph.
        valid: Which choices there are, shape (n, choices); the first is the word itself.
    """

    words: Tensor
    where: tuple[Tensor, Tensor]
    choices: Tensor
    valid: Tensor

    @classmethod
    def of(cls, model: Classifier, batch: Batch, substitutes: Substitutes) -> "Hull":
        """The hull around a batch; no text but its own words where nothing has a substitute."""
        choices = substitutes.of(batch)
        rows, positions = (choices[..., 1] >= 0).nonzero(as_tuple=True)
        ids = choices[rows, positions]
        embedded = model.embed_words(batch.with_tokens(input_ids=ids.clamp(min=0)))
        return cls(model.embed_words(batch), (rows, positions), embedded, ids >= 0)

    def start(self) -> Tensor:
        """Logits of the combinations by Kaiming's normal rule, shape (n, choices).

        Its fan-in is that of a tensor (batch, length, choices): N(0, 2 / (length * choices)).
        """
        spread = math.sqrt(2.0 / (self.words.shape[1] * self.valid.shape[1]))
        return spread * torch.randn(self.valid.shape, dtype=self.words.dtype, device=self.words.device)

    def log_shares(self, logits: Tensor) -> Tensor:
        """Logarithms of the shares that make the combinations; where there is no choice, the logit is -500."""
        return logits.masked_fill(~self.valid, _BARRED).log_softmax(dim=-1)

    def at(self, shares: Tensor) -> Tensor:
        """Word embeddings with each of the n words replaced by its combination, shape (batch, length, width)."""
        # In bfloat16 a word that keeps to itself would no longer be itself.
        with torch.autocast(self.words.device.type, enabled=False):
            mixed = (shares.unsqueeze(1) @ self.choices).squeeze(1)
        return self.words.index_put(self.where, mixed)

    def detached(self) -> "Hull":
        """The same points, without a graph to the parameters."""
        return Hull(self.words.detach(), self.where, self.choices.detach(), self.valid)


@dataclass(frozen=True)
class SparseAttack:
    """How the combinations are found.

    Attributes:
        steps: Steps of Adam, at least 1.
        rate: Its learning rate, above 0.
        sparsity: Weight of the entropy that the shares must not have, at least 0.
    """

    steps: int
    rate: float
    sparsity: float

    def check(self, method: str) -> None:
        """Refuse values out of range.

        Raises:
            UsageError: names the method.
        """
        if self.steps < 1 or self.rate <= 0 or self.sparsity < 0:
            raise UsageError(f"{method} needs steps >= 1, rate > 0 and sparsity >= 0.")

    def shares(self, model: Classifier, batch: Batch, ctx: Context, hull: Hull, positions: float) -> Tensor:
        """Shares of the choices that change the prediction the most, shape (n, choices), without a graph.

        Adam, with weight decay 2e-5, climbs sum KL(p_clean || p) - sparsity * (sum of entropies) / positions, without
        dropout on either side. 1 + steps forwards, `steps` backwards to the inputs; no parameter gets a gradient.
        """
        hull = hull.detached()
        logits = hull.start().requires_grad_()
        if not len(logits):
            return logits.detach()
        optimizer = torch.optim.Adam([logits], lr=self.rate, weight_decay=_DECAY)
        with ctx.no_dropout():
            with torch.no_grad():
                clean = model(batch, words=hull.words).log_softmax(dim=-1)
            for _ in range(self.steps):
                log_shares = hull.log_shares(logits)
                moved = model(batch, words=hull.at(log_shares.exp())).log_softmax(dim=-1)
                gain = nn.functional.kl_div(moved, clean, reduction="sum", log_target=True)
                entropy = -(log_shares.exp() * log_shares).sum() / positions
                logits.grad = ctx.input_gradient(self.sparsity * entropy - gain, logits)
                optimizer.step()
        return hull.log_shares(logits.detach()).exp()
