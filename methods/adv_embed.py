"""AdvEmbed: adversarial training on embeddings by FGSM or PGD (RoAST without its mask; MVP+Adv's attack)."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search, UsageError
from benchmark.training.toolbox.consistency import attend_padding, paired_loss
from benchmark.training.toolbox.perturbation import (
    differentiable,
    normalise_per_token,
    project,
    sequence_norm,
    uniform_noise,
)


@dataclass(kw_only=True, eq=False)
class AdvEmbed(Method):
    """Train on embeddings perturbed by one step (FGSM) or several (PGD) up the loss.

    Loss: (CE(z, y) + CE(z~, y)) / 2 + kl_weight * symKL(z, z~) where `clean`, else CE(z~, y) alone. z~ comes from
    embeddings moved `steps` times by rate * epsilon / steps along the gradient of the cross-entropy and kept within
    epsilon: `norm` l2 (g / ||g||_2 over the sequence), l_inf (sign g) or token (g over its token's largest entry, in
    the l_inf ball). `space` embeddings is the embedding layer's output; words is before positions and normalisation,
    where the attack sees no dropout, as in MVP.

    Defaults: AdvEmbed of RoAST's release. MVP+Adv is
    space=words,norm=l2,epsilon=1,rate=1.5,random_start=True,clean=False (composed with mvp). PGD as in FreeLB's
    release is clean=False, trained on the last perturbation only.

    Variants: ``paper`` is the intent. ``released`` does, in the space embeddings, what RoAST's code does (no CE(z~, y),
    KL summed over the batch, padding attended, the direction taken at a fresh noise point) and, in the space words,
    what MVP's does: the start is lopsided, and the attack's gradients of the parameters are kept and applied too. They
    do not reach the table of word embeddings through the input, since the attack reads detached vectors.
    """

    name: ClassVar[str] = "adv_embed"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Kim et al., Findings of EMNLP 2023; Raman et al., EMNLP 2023"

    space: Literal["embeddings", "words"] = "embeddings"
    norm: Literal["token", "l2", "l_inf"] = "token"
    steps: Annotated[int, Ge(1)] = 1
    epsilon: Annotated[
        float,
        Gt(0),
        Search.log(0.005, 0.5, source="ours: the release has 0.1 for a large model; a smaller one needs less"),
    ] = 0.1
    rate: Annotated[float, Gt(0)] = 1.0
    random_start: bool = False
    clean: bool = True
    kl_weight: Annotated[
        float,
        Ge(0),
        Search.log(0.001, 1.0, source="ours: the release has 0.01 with the KL summed over a batch of 16"),
    ] = 0.01
    variant: Literal["paper", "released"] = "paper"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_step = self.norm == "token" and self.steps == 1 and self.clean and not self.random_start
        if self._roast_released and not one_step:
            raise UsageError("adv_embed:variant=released in the space embeddings is RoAST's one token-wise step only.")
        if self._mvp_released and self.clean:
            raise UsageError("adv_embed:variant=released in the space words is MVP's, which needs clean=False.")

    @property
    def _roast_released(self) -> bool:
        return self.variant == "released" and self.space == "embeddings"

    @property
    def _mvp_released(self) -> bool:
        return self.variant == "released" and self.space == "words"

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Attend to the padding if RoAST's code does."""
        return attend_padding(batch) if self._roast_released else batch

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make the clean pass, the attack and the perturbed pass."""
        embeds = self._embed(model, batch)
        clean = self._logits(model, batch, embeds) if self.clean else None
        if self._roast_released:
            embeds = self._embed(model, batch)
        delta = self._attack(model, batch, ctx, embeds, clean)
        if clean is None:
            return nn.functional.cross_entropy(self._logits(model, batch, embeds + delta), batch.targets())
        perturbed = self._logits(model, batch, (embeds + delta).detach())
        return paired_loss(clean, perturbed, batch.targets(), self.kl_weight, released=self._roast_released)

    def _attack(self, model: Classifier, batch: Batch, ctx: Context, embeds: Tensor, clean: Tensor | None) -> Tensor:
        """Compute the perturbation; its first direction uses the clean pass's graph if it starts there."""
        delta = self._start(embeds.detach())
        free = clean is not None and self.space == "embeddings" and not self.random_start and not self._roast_released
        for number in range(self.steps):
            if clean is not None and free and number == 0:
                loss = nn.functional.cross_entropy(clean, batch.targets())
                gradient = ctx.input_gradient(loss, embeds, retain_graph=True)
            else:
                gradient = self._gradient(model, batch, ctx, embeds, delta)
            moved = delta + self.rate * self.epsilon / self.steps * direction(gradient, self.norm)
            delta = project(moved, 0.0 if self._roast_released else self.epsilon, self.norm).detach()
        return delta

    def _start(self, embeds: Tensor) -> Tensor:
        if self._roast_released:
            return uniform_noise(embeds, 1e-5)
        if self.random_start:
            return surface_start(embeds, self.epsilon, self.norm, lopsided=self._mvp_released)
        return torch.zeros_like(embeds)

    def _gradient(self, model: Classifier, batch: Batch, ctx: Context, embeds: Tensor, delta: Tensor) -> Tensor:
        delta = delta.detach().requires_grad_()
        with ctx.no_dropout() if self.space == "words" else nullcontext():
            loss = nn.functional.cross_entropy(self._logits(model, batch, embeds.detach() + delta), batch.targets())
        if not self._mvp_released:
            return ctx.input_gradient(loss, delta)
        ctx.backward(loss)
        return torch.zeros_like(delta) if delta.grad is None else delta.grad

    def _embed(self, model: Classifier, batch: Batch) -> Tensor:
        return differentiable(model.embed(batch) if self.space == "embeddings" else model.embed_words(batch))

    def _logits(self, model: Classifier, batch: Batch, embeds: Tensor) -> Tensor:
        logits: Tensor = model(batch, **{"embeds" if self.space == "embeddings" else "words": embeds})
        return logits


def direction(gradient: Tensor, norm: str) -> Tensor:
    """Compute the direction of steepest ascent: g / ||g||_2 for ``l2``, sign(g) for ``l_inf``.

    For ``token`` it is g divided by the largest entry of its token.
    """
    if norm == "token":
        return normalise_per_token(gradient)
    return gradient / sequence_norm(gradient, "l2") if norm == "l2" else gradient.sign()


def surface_start(embeds: Tensor, radius: float, norm: str, *, lopsided: bool = False) -> Tensor:
    """Draw a random start for an attack: on the surface of the l2 ball, or uniform in the l_inf ball.

    Args:
        embeds: Gives shape, type and device.
        radius: Of the ball, above 0.
        norm: ``l2``; any other value means an l_inf ball.
        lopsided: Draw r (2 r - 1) before rescaling, whose mean is 1/6, as MVP's released code does.
    """
    uniform = torch.rand_like(embeds)
    if norm != "l2":
        return (2 * uniform - 1) * radius
    noise = uniform * (2 * uniform - 1) if lopsided else 2 * uniform - 1
    return noise * (radius / sequence_norm(noise, "l2"))
