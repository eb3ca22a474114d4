"""SMART: smoothness-inducing regularisation with Bregman proximal steps (Jiang et al., ACL 2020)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.ascent import normalise_per_token
from benchmark.training.toolbox.average import MovingAverage
from benchmark.training.toolbox.consistency import symmetric_kl


@dataclass(kw_only=True, eq=False)
class SMART(Method):
    """Keep predictions smooth around each input and close to those of a slow copy of the model.

    Loss: CE(z, y) + kl_weight * D(z, z~) + bregman * D(z, t), D(a, b) = KL(a || b) + KL(b || a) averaged over examples.
    z~ comes from the detached embedding layer's output plus noise N(0, sigma^2) off padding, moved by `step_size` along
    the gradient of KL(z || .) at the noise, over its token's largest entry + 1e-6. t is predicted, without dropout, by
    an exponential moving average of the weights: momentum 0.99 for the first tenth of the steps, then 0.999.

    kl_weight, sigma and step_size are those of mt-dnn, the authors' code; bregman and the momenta are those of the
    paper's experiments as published notes on it give them, not checked in the paper itself.

    Variants: ``paper`` is the above. ``released`` is mt-dnn, which has no Bregman term.
    """

    name: ClassVar[str] = "smart"
    paper: ClassVar[str] = "Jiang et al., ACL 2020"

    kl_weight: float = 1.0
    sigma: float = 1e-5
    step_size: float = 1e-3
    bregman: float = 1.0
    momentum: float = 0.99
    late_momentum: float = 0.999
    variant: str = "paper"

    def __post_init__(self) -> None:
        if self.kl_weight < 0 or self.bregman < 0 or self.sigma <= 0 or self.step_size <= 0:
            raise UsageError("smart needs kl_weight and bregman >= 0, sigma and step_size > 0.")
        if not 0 <= self.momentum < 1 or not 0 <= self.late_momentum < 1:
            raise UsageError("smart needs its momenta in [0, 1).")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"smart has the variants paper and released, not {self.variant!r}.")
        self._teacher: MovingAverage | None = None

    def setup(self, ctx: Context) -> None:
        """Start the slow copy."""
        if self.variant == "paper" and self.bregman > 0:
            self._teacher = MovingAverage(ctx.model)

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Clean, noisy and moved passes, and the slow copy's."""
        embeds = model.embed(batch)
        clean = model(batch, embeds=embeds)
        moved = model(batch, embeds=self._neighbour(model, batch, ctx, embeds.detach(), clean.detach()))
        loss = nn.functional.cross_entropy(clean, batch.targets()) + self.kl_weight * 2 * symmetric_kl(clean, moved)
        if self._teacher is None:
            return loss
        with ctx.no_dropout():
            slow = self._teacher.logits(batch)
        return loss + self.bregman * 2 * symmetric_kl(clean, slow)

    def _neighbour(self, model: Classifier, batch: Batch, ctx: Context, embeds: Tensor, clean: Tensor) -> Tensor:
        """The point where predictions differ the most, by one step from noise: the KL is flat at no noise at all."""
        noise = torch.randn_like(embeds) * self.sigma * batch.attention_mask.unsqueeze(-1)
        start = (embeds + noise).requires_grad_()
        noisy = model(batch, embeds=start).log_softmax(dim=-1)
        divergence = nn.functional.kl_div(noisy, clean.softmax(dim=-1), reduction="batchmean")
        direction = normalise_per_token(ctx.input_gradient(divergence, start), floor=1e-6)
        return (start + self.step_size * direction).detach()

    def after_step(self, ctx: Context) -> None:
        """Let the slow copy follow."""
        if self._teacher is not None:
            self._teacher.follow(self.momentum if 10 * ctx.step <= ctx.steps else self.late_momentum)

    def state_dict(self) -> dict[str, Tensor]:
        """The slow copy."""
        return {} if self._teacher is None else self._teacher.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Take it back."""
        self.setup(ctx)
        if self._teacher is not None:
            self._teacher.load_state_dict(state)
