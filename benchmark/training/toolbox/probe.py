"""A linear probe in closed form: logistic regression on fixed features."""

import torch
from torch import Tensor, nn


@torch.enable_grad()
def logistic_regression(
    features: Tensor, labels: Tensor, classes: int, inverse_strength: float, *, bias: bool = True
) -> tuple[Tensor, Tensor]:
    """Weights (classes, width) and biases (classes,) that minimise C * sum CE + |W|^2 / 2 by L-BFGS, in float64.

    Args:
        features: Shape (examples, width).
        labels: Class indices, shape (examples,).
        classes: Number of classes.
        inverse_strength: C, above 0; the larger, the weaker the regularisation.
        bias: Whether there are biases, which are not regularised; else they are zero.
    """
    x = features.double()
    weight = torch.zeros(classes, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    offset = torch.zeros(classes, dtype=x.dtype, device=x.device, requires_grad=bias)
    optimizer = torch.optim.LBFGS(
        [weight, offset] if bias else [weight],
        max_iter=500,
        tolerance_grad=1e-9,
        tolerance_change=1e-12,
        line_search_fn="strong_wolfe",
    )

    def objective() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(x @ weight.T + offset, labels)
        loss = loss + weight.square().sum() / (2 * inverse_strength * len(x))
        loss.backward()
        return loss

    optimizer.step(objective)
    return weight.detach(), offset.detach()
