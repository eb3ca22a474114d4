"""RoAST: adversarial perturbation with selective training (Kim et al., Findings of EMNLP 2023)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.ascent import normalise_per_token, uniform_noise
from benchmark.training.toolbox.consistency import symmetric_kl
from benchmark.training.toolbox.importance import SquaredGradients
from benchmark.training.toolbox.masks import mask_gradients
from benchmark.training.toolbox.pairs import differentiable
from benchmark.training.toolbox.ranked import ranked_multipliers


@dataclass(kw_only=True, eq=False)
class RoAST(Method):
    """Train on clean and perturbed embeddings; mask gradients at random by relative importance.

    Loss: (CE(z, y) + CE(z~, y)) / 2 + kl_weight * symKL(z, z~), z~ from the embedding layer's output moved by epsilon
    along the gradient of CE(z, y), scaled to 1 in each token's largest coordinate. The gradient of the blocks is
    multiplied by a mask m / p, drawn once an epoch with p = sigmoid(2 beta (s - alpha)) for the global rank s of an
    entry's mean squared gradient over the epoch before (over a pass of plain cross-entropy, for the first).

    Hyper-parameters of the released run script for sentiment; it takes alpha 0.6 and beta 1 for entailment.

    Variants: ``paper`` is the intent. ``released`` does what the code does: no CE(z~, y), the KL summed over the
    batch, padding attended in training, the direction taken at a fresh noise point (one more forward), and the first
    batch left out of each importance mean. In both, the perturbed pass gives the embedding layer no gradient.
    """

    name: ClassVar[str] = "roast"
    paper: ClassVar[str] = "Kim et al., Findings of EMNLP 2023"

    alpha: float = 0.9
    beta: float = 10.0
    epsilon: float = 0.1
    kl_weight: float = 0.01
    unbiased: bool = True
    variant: str = "paper"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.beta <= 0 or self.epsilon <= 0 or self.kl_weight < 0:
            raise UsageError("roast needs 0 < alpha < 1, beta > 0, epsilon > 0 and kl_weight >= 0.")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"roast has the variants paper and released, not {self.variant!r}.")

    @property
    def _released(self) -> bool:
        return self.variant == "released"

    def setup(self, ctx: Context) -> None:
        """Importance from one pass of plain cross-entropy, then the first mask."""
        self._start(ctx)
        for batch in ctx.train_batches("importance"):
            with ctx.scratch_gradients():
                moved = self.transform_batch(batch, ctx)
                nn.functional.cross_entropy(ctx.model(moved), moved.targets()).backward()
                self._importance.add([p.grad for p in self._masked])
        self._refresh(ctx)

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend the padding where the released code does."""
        return batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask)) if self._released else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Clean and perturbed passes."""
        clean, perturbed = (self._released_passes if self._released else self._paper_passes)(model, batch, ctx)
        consistency = symmetric_kl(clean, perturbed, "sum" if self._released else "mean")
        loss = 0.5 * nn.functional.cross_entropy(clean, batch.targets()) + self.kl_weight * consistency
        return loss if self._released else loss + 0.5 * nn.functional.cross_entropy(perturbed, batch.targets())

    def _paper_passes(self, model: Classifier, batch: Batch, ctx: Context) -> tuple[Tensor, Tensor]:
        """The direction is taken on the clean pass's own graph, which saves the released code's second forward."""
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
        """The sums under way and the mask in force."""
        named = {"count": torch.tensor(self._importance.count)}
        for index, (total, multiplier) in enumerate(zip(self._importance.sums, self._multipliers, strict=True)):
            named |= {f"sum.{index}": total, f"multiplier.{index}": multiplier}
        return named

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Take both back."""
        self._start(ctx)
        self._importance.count = int(state["count"])
        self._importance.sums = [state[f"sum.{i}"] for i in range(len(self._masked))]
        self._multipliers = [state[f"multiplier.{i}"] for i in range(len(self._masked))]

    def _start(self, ctx: Context) -> None:
        self._masked = ctx.block_parameters()
        self._multipliers = [torch.ones((), device=p.device).expand_as(p) for p in self._masked]
        self._importance: SquaredGradients = SquaredGradients(self._masked, skip_first=self._released)

    def _refresh(self, ctx: Context) -> None:
        # A tensor that has had no gradient, in a phase that freezes it say, is not ranked and keeps its mask.
        # Sums over the same number of batches rank as their means do.
        seen = self._importance.seen()
        sums = [self._importance.sums[index] for index in seen]
        drawn = ranked_multipliers(sums, self.alpha, self.beta, ctx.generator("roast-mask"), unbiased=self.unbiased)
        for index, multiplier in zip(seen, drawn, strict=True):
            self._multipliers[index] = multiplier
        self._importance.reset()
