"""R3F: robust representations through regularised finetuning (Aghajanyan et al., ICLR 2021)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.consistency import attend_padding, paired_loss, symmetric_kl


@dataclass(kw_only=True, eq=False)
class R3F(Method):
    """Penalise changes of the prediction under tiny parametric noise on the embeddings.

    Loss: CE(z, y) + kl_weight * (KL(z || z~) + KL(z~ || z)), averaged over examples. z~ starts from the detached word
    embeddings plus noise, U(-epsilon, epsilon) or N(0, epsilon^2); positions and normalisation follow. Defaults are
    those of fairseq's rxf example, whose script for RTE takes kl_weight 0.7.

    Variants: ``paper`` is the above. ``released`` is the version in RoAST's release: noise on the embedding layer's
    output, CE(z, y) / 2 + kl_weight * half the KLs summed over the batch (so that accumulation changes their weight),
    padding attended in training.
    """

    name: ClassVar[str] = "r3f"
    paper: ClassVar[str] = "Aghajanyan et al., ICLR 2021"

    kl_weight: Annotated[
        float,
        Ge(0),
        Search.log(0.1, 10.0, source="ours: a decade either side of the default; the release has 0.7 and 1"),
    ] = 1.0
    epsilon: Annotated[
        float,
        Gt(0),
        Search.log(1e-6, 1e-1, source="ours: up to where the noise is as large as RoAST's step"),
    ] = 1e-5
    noise: Literal["uniform", "normal"] = "uniform"
    variant: Literal["paper", "released"] = "paper"

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend to the padding if RoAST's code does."""
        return attend_padding(batch) if self.variant == "released" else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make a clean pass and one from noisy embeddings, which are detached."""
        clean, targets = model(batch), batch.targets()
        if self.variant == "released":
            noisy = model(batch, embeds=self._noised(model.embed(batch).detach()))
            return paired_loss(clean, noisy, targets, self.kl_weight, released=True)
        noisy = model(batch, words=self._noised(model.embed_words(batch).detach()))
        return nn.functional.cross_entropy(clean, targets) + self.kl_weight * 2 * symmetric_kl(clean, noisy)

    def _noised(self, embeds: Tensor) -> Tensor:
        if self.noise == "normal":
            return embeds + self.epsilon * torch.randn_like(embeds)
        return embeds + self.epsilon * (2 * torch.rand_like(embeds) - 1)
