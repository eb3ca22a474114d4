"""Adversarial sparse convex combinations: words moved inside the hull of their substitutes (Dong et al., ICLR 2021)."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.forward_hooks import at_least_float32
from benchmark.training.context import Context
from benchmark.training.toolbox.substitutes import Substitutes

_BARRED = -500.0
_DECAY = 2e-5


@dataclass(frozen=True)
class Hull:
    """Input vectors of a batch, n of whose words can be any convex combination of their choices.

    Attributes:
        points: Input vectors, shape (batch, length, width), with their graph.
        where: Row and position of those n words.
        choices: Input vectors of their choices, shape (n, choices, width), with their graph.
        valid: True where a choice exists, shape (n, choices); the first is the word itself.
        layer: The argument of `Classifier.forward` that takes such vectors: ``words`` or ``embeds``.
    """

    points: Tensor
    where: tuple[Tensor, Tensor]
    choices: Tensor
    valid: Tensor
    layer: str

    @classmethod
    def of_words(cls, model: Classifier, batch: Batch, substitutes: Substitutes) -> "Hull":
        """Make the hull of word embeddings, before positions and normalisation."""
        where, ids = _movable(batch, substitutes)
        choices = model.embed_words(batch.with_tokens(input_ids=ids.clamp(min=0)))
        return cls(model.embed_words(batch), where, choices, ids >= 0, "words")

    @classmethod
    def of_embeddings(cls, model: Classifier, batch: Batch, substitutes: Substitutes) -> "Hull":
        """Make the hull of outputs of the embedding layer.

        The layer runs once per choice on the whole text with that choice in place of every word that has it. So a
        substitute has its word's position, and in training each run draws its own dropout.
        """
        where, ids = _movable(batch, substitutes)
        runs = []
        for own in torch.where(ids >= 0, ids, ids[:, :1]).unbind(dim=1):
            swapped = batch.with_tokens(input_ids=batch.tokens["input_ids"].index_put(where, own))
            # Where the layer ends in a linear map, autocast makes its output bfloat16.
            runs.append(at_least_float32(model.embed(swapped)))
        return cls(runs[0], where, torch.stack([run[where] for run in runs], dim=1), ids >= 0, "embeds")

    def start(self) -> Tensor:
        """Draw logits of the combinations by Kaiming's normal rule, shape (n, choices).

        Its fan-in is that of a tensor (batch, length, choices): N(0, 2 / (length * choices)).
        """
        spread = math.sqrt(2.0 / (self.points.shape[1] * self.valid.shape[1]))
        return spread * torch.randn(self.valid.shape, dtype=self.points.dtype, device=self.points.device)

    def log_shares(self, logits: Tensor) -> Tensor:
        """Compute the logarithms of the shares of the choices; the logit of a missing choice is -500."""
        return logits.masked_fill(~self.valid, _BARRED).log_softmax(dim=-1)

    def at(self, shares: Tensor) -> dict[str, Tensor]:
        """Replace each of the n words by its combination.

        Returns:
            The vectors, shape (batch, length, width), as a keyword argument of `Classifier.forward`.
        """
        # Use float32, because in bfloat16 even a word with share 1 of itself would change.
        with torch.autocast(self.points.device.type, enabled=False):
            mixed = (shares.unsqueeze(1) @ self.choices).squeeze(1)
        return {self.layer: self.points.index_put(self.where, mixed)}


def _movable(batch: Batch, substitutes: Substitutes) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Find the words that have substitutes: row and position of each, and token ids of their choices (n, choices)."""
    choices = substitutes.of(batch)
    rows, positions = (choices[..., 1] >= 0).nonzero(as_tuple=True)
    return (rows, positions), choices[rows, positions]


@dataclass(frozen=True)
class SparseAttack:
    """Settings of the search for adversarial combinations.

    Attributes:
        steps: Steps of Adam, at least 1.
        rate: Its learning rate, above 0.
        sparsity: Weight of the entropy that the shares must not have, at least 0.
    """

    steps: int
    rate: float
    sparsity: float

    def shares(self, model: Classifier, batch: Batch, ctx: Context, hull: Hull, positions: float) -> Tensor:
        """Find the shares of the choices that change the prediction the most, shape (n, choices), without a graph.

        Adam, with weight decay 2e-5, climbs sum KL(p_clean || p) - sparsity * (sum of entropies) / positions, without
        dropout on either side. 1 + steps forwards, `steps` backwards to the inputs; no parameter gets a gradient. The
        hull is to be made without dropout; its graph is not used.
        """
        hull = replace(hull, points=hull.points.detach(), choices=hull.choices.detach())
        logits = hull.start().requires_grad_()
        if not len(logits):
            return logits.detach()
        optimizer = torch.optim.Adam([logits], lr=self.rate, weight_decay=_DECAY)
        with ctx.no_dropout():
            with torch.no_grad():
                clean = model(batch, **{hull.layer: hull.points}).log_softmax(dim=-1)
            for _ in range(self.steps):
                log_shares = hull.log_shares(logits)
                moved = model(batch, **hull.at(log_shares.exp())).log_softmax(dim=-1)
                gain = nn.functional.kl_div(moved, clean, reduction="sum", log_target=True)
                entropy = -(log_shares.exp() * log_shares).sum() / positions
                logits.grad = ctx.input_gradient(self.sparsity * entropy - gain, logits)
                optimizer.step()
        return hull.log_shares(logits.detach()).exp()
