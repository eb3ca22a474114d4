"""LP-FT: linear probing, then fine-tuning (Kumar et al., ICLR 2022)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.training import Context, Method, UsageError
from benchmark.training.toolbox.probe import logistic_regression


@dataclass(kw_only=True, eq=False)
class LPFT(Method):
    """Fit the output layer on the frozen body's features first, then fine-tune everything from there.

    The probe is a logistic regression to its optimum: C * sum CE + |W|^2 / 2 over the training set, on the input of
    the head's last linear layer with dropout off. It takes one forward an example and no epoch of the recipe. Heads
    with a layer before the last one (RoBERTa's, say) keep it as it was drawn.

    C is 1, the usual default. Papers choose it on validation data, which a method does not see here. Variants:
    ``released`` is the probe of MVP's code (Raman et al., EMNLP 2023): features with the body's dropout on and the
    head's off, and for two classes a probe with the classes swapped, so that training starts from an inverted one.
    """

    name: ClassVar[str] = "lp_ft"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Kumar et al., ICLR 2022"

    inverse_strength: float = 1.0
    variant: str = "paper"

    def __post_init__(self) -> None:
        if self.inverse_strength <= 0:
            raise UsageError("lp_ft needs inverse_strength > 0.")
        if self.variant not in {"paper", "released"}:
            raise UsageError(f"lp_ft has the variants paper and released, not {self.variant!r}.")

    @torch.no_grad()
    def setup(self, ctx: Context) -> None:
        """Extract features, fit the probe and install it."""
        layer = ctx.model.output_layer
        features, labels = self._features(ctx)
        bias: Tensor | None = layer.bias
        weight, offset = logistic_regression(
            features, labels, ctx.model.classes, self.inverse_strength, bias=bias is not None
        )
        if self.variant == "released" and ctx.model.classes == 2:
            weight, offset = weight.flip(0), offset.flip(0)
        layer.weight.copy_(weight)
        if bias is not None:
            bias.copy_(offset)

    def _features(self, ctx: Context) -> tuple[Tensor, Tensor]:
        with ctx.no_dropout():
            ctx.model.body.train(self.variant == "released")
            rows = [(ctx.model.penultimate(batch), batch.targets()) for batch in ctx.train_batches("probe")]
        return torch.cat([x for x, _ in rows]), torch.cat([y for _, y in rows])
