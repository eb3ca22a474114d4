"""A linear probe in closed form: logistic regression on fixed features."""

import torch
from torch import Tensor, nn


@torch.enable_grad()
def logistic_regression(
    features: Tensor, labels: Tensor, classes: int, inverse_strength: float, *, bias: bool = True
) -> tuple[Tensor, Tensor]:
    """Weights (classes, width) and biases (classes,) that minimise C * sum CE + |W|^2 / 2, in float64.

    L-BFGS runs in coordinates in which the Hessian's bound of Böhning (1992), half of X'X plus the penalty, is the
    identity: nearly collinear features, which a pre-trained body gives, would stop it far from the optimum.

    Args:
        features: Shape (examples, width).
        labels: Class indices, shape (examples,).
        classes: Number of classes.
        inverse_strength: C, above 0; the larger, the weaker the regularisation.
        bias: Whether there are biases, which are not regularised; else they are zero.
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
