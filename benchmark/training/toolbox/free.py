"""The loop of FreeLB: every backward pass serves the parameters and the perturbation at once."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.context import Context
from benchmark.training.toolbox.ball import check_norm, masked_start, project, sequence_norm


@dataclass(frozen=True)
class Ascent:
    """How a perturbation of the word embeddings moves.

    Attributes:
        steps: Backward passes, at least 1; the perturbation moves between them.
        rate: Length of a move in the norm, above 0.
        start: Scale of the random start; 0 starts at zero.
        radius: Bound on the perturbation's norm; 0 stands for none.
        norm: ``l2`` or ``l_inf``, over a sequence.
    """

    steps: int
    rate: float
    start: float
    radius: float
    norm: str

    def check(self, method: str) -> None:
        """Refuse values out of range.

        Raises:
            UsageError: names the method.
        """
        if self.steps < 1 or self.rate <= 0 or self.start < 0 or self.radius < 0:
            raise UsageError(f"{method} needs steps >= 1, rate > 0, start >= 0 and radius >= 0.")
        check_norm(method, self.norm)

    def begin(self, words: Tensor, mask: Tensor) -> Tensor:
        """Where the perturbation starts, shaped like `words`."""
        return masked_start(words.detach(), mask, self.start, self.norm)

    def move(self, delta: Tensor, gradient: Tensor) -> Tensor:
        """One step along the gradient over its sequence's norm, then back into the ball."""
        moved = delta.detach() + self.rate * gradient / sequence_norm(gradient, self.norm)
        return project(moved, self.radius, self.norm)


def free_backward(
    model: Classifier,
    batch: Batch,
    ctx: Context,
    ascent: Ascent,
    loss_at: Callable[[Tensor], Tensor],
    *,
    same_dropout: bool = True,
) -> None:
    """Add the mean gradient of `ascent.steps` perturbed passes to the parameters'.

    The first pass is made at the random start, and the perturbation moves before each of the others.

    Args:
        model: Gives the word embeddings, computed again for each pass.
        batch: The examples.
        ctx: Back-propagates.
        ascent: The perturbation.
        loss_at: The loss for given word embeddings.
        same_dropout: Draw the same dropout masks in all passes.
    """
    delta = ascent.begin(model.embed_words(batch), batch.attention_mask)
    with ctx.same_dropout() if same_dropout else nullcontext():
        for left in range(ascent.steps - 1, -1, -1):
            delta.requires_grad_(left > 0)
            ctx.backward(loss_at(model.embed_words(batch) + delta) / ascent.steps)
            if delta.grad is not None:
                delta = ascent.move(delta, delta.grad)
