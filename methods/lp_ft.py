"""LP-FT: linear probing, then fine-tuning (Kumar et al., ICLR 2022)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn

from benchmark.training import Context, Method, Search


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

    inverse_strength: Annotated[
        float,
        Gt(0),
        Search.log(0.1, 100.0, source="the grid of MVP's release: 50 values from 1e-1 to 1e2"),
    ] = 1.0
    variant: Literal["paper", "released"] = "paper"

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


@torch.enable_grad()
def logistic_regression(
    features: Tensor, labels: Tensor, classes: int, inverse_strength: float, *, bias: bool = True
) -> tuple[Tensor, Tensor]:
    """Fit weights (classes, width) and biases (classes,) that minimise C * sum CE + |W|^2 / 2, in float64.

    L-BFGS runs in coordinates in which the Hessian's bound of Böhning (1992), half of X'X plus the penalty, is the
    identity: nearly collinear features, which a pre-trained body gives, would stop it far from the optimum.

    Args:
        features: Shape (examples, width).
        labels: Class indices, shape (examples,).
        classes: Number of classes.
        inverse_strength: C, above 0; the larger, the weaker the regularisation.
        bias: Whether to fit biases, which are not regularised; otherwise they are zero.
    """
    x = features.detach().double()
    count, width = x.shape
    x = torch.cat([x, x.new_ones(count, 1)], dim=1) if bias else x
    penalty = x.new_full((x.shape[1],), 1.0 / (inverse_strength * count))
    penalty[width:] = 0.0
    factor = torch.linalg.cholesky(x.T @ x / (2 * count) + penalty.diag())
    whitened = torch.linalg.solve_triangular(factor, x.T, upper=False).T
    scores = x.new_zeros(classes, x.shape[1]).requires_grad_()

    def coefficients() -> Tensor:
        solved: Tensor = torch.linalg.solve_triangular(factor.T, scores.T, upper=True).T
        return solved

    def objective() -> Tensor:
        scores.grad = None
        loss = nn.functional.cross_entropy(whitened @ scores.T, labels)
        loss = loss + (coefficients().square() * penalty).sum() / 2
        loss.backward()
        return loss

    optimizer = torch.optim.LBFGS(
        [scores], max_iter=500, tolerance_grad=1e-10, tolerance_change=1e-15, line_search_fn="strong_wolfe"
    )
    optimizer.step(objective)
    found = torch.cat([coefficients().detach(), x.new_zeros(classes, 1)], dim=1)
    return found[:, :width], found[:, width]
