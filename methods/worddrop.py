"""WordDrop: consistency under dropped tokens, a baseline of RoAST's release (Kim et al., 2023)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.pairs import attend_padding, paired_loss


@dataclass(kw_only=True, eq=False)
class WordDrop(Method):
    """Train on clean inputs and on inputs whose token embeddings are zeroed at random.

    Loss: (CE(z, y) + CE(z~, y)) / 2 + kl_weight * symKL(z, z~). z~ starts from the embedding layer's output with each
    token's whole vector set to 0 with probability `probability`, independently, [CLS] and [SEP] included.

    kl_weight is that of RoAST's run script. No source gives a probability; 0.1 is ours.

    Variants: ``paper`` is the intent. ``released`` does what RoAST's code does: no CE(z~, y), the KL summed over the
    batch (so that accumulation changes its weight), padding attended in training, and a fresh dropout draw in the
    second pass's embedding layer.
    """

    name: ClassVar[str] = "worddrop"
    paper: ClassVar[str] = "Kim et al., Findings of EMNLP 2023 (baseline)"

    probability: float = 0.1
    kl_weight: float = 0.01
    variant: str = "paper"

    def __post_init__(self) -> None:
        if not 0 < self.probability < 1 or self.kl_weight < 0:
            raise UsageError("worddrop needs 0 < probability < 1 and kl_weight >= 0.")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"worddrop has the variants paper and released, not {self.variant!r}.")

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend the padding where the released code does."""
        return attend_padding(batch) if self.variant == "released" else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """A clean pass and one with dropped tokens."""
        released = self.variant == "released"
        embeds = model.embed(batch)
        clean = model(batch, embeds=embeds)
        embeds = model.embed(batch) if released else embeds
        kept = torch.rand(embeds.shape[:2], device=embeds.device) >= self.probability
        dropped = model(batch, embeds=embeds * kept.unsqueeze(-1))
        return paired_loss(clean, dropped, batch.targets(), self.kl_weight, released=released)
