"""WordDrop: consistency under dropped tokens, a baseline of RoAST's release (Kim et al., 2023)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.consistency import attend_padding, paired_loss


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

    probability: Annotated[
        float,
        Gt(0),
        Lt(1),
        Search.log(0.02, 0.5, source="ours: from one word in fifty to every other; the paper's value is unknown"),
    ] = 0.1
    kl_weight: Annotated[
        float,
        Ge(0),
        Search.log(0.001, 1.0, source="ours: the release has 0.01 with the KL summed over a batch of 16"),
    ] = 0.01
    variant: Literal["paper", "released"] = "paper"

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend to the padding if the released code does."""
        return attend_padding(batch) if self.variant == "released" else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make a clean pass and one with dropped tokens."""
        released = self.variant == "released"
        embeds = model.embed(batch)
        clean = model(batch, embeds=embeds)
        embeds = model.embed(batch) if released else embeds
        kept = torch.rand(embeds.shape[:2], device=embeds.device) >= self.probability
        dropped = model(batch, embeds=embeds * kept.unsqueeze(-1))
        return paired_loss(clean, dropped, batch.targets(), self.kl_weight, released=released)
