"""Mixout: stochastic mixing with the pre-trained weights (Lee et al., ICLR 2020)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, cast

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search
from benchmark.training.toolbox.gradients import mask_gradients
from benchmark.training.toolbox.init_weights import Origin


@dataclass(kw_only=True, eq=False)
class Mixout(Method):
    """Compute with weights of which some input neurons' are the pre-trained ones, instead of dropout.

    For each input neuron of each linear layer of the body, m ~ Bernoulli(1 - p) decides over all its outgoing weights:
    w~ = w_pre + m * (w - w_pre) / (1 - p), whose mean is w; the gradient of w is that of w~ times m / (1 - p). Dropout
    is off. Embeddings, biases, normalisation and raw tensors outside linear layers (XLNet's attention) are not
    mixed. One draw serves all micro-batches of a step, so 4 x 4 equals 1 x 16; the released code draws per forward.

    p is 0.9 in both released examples. All linear layers are mixed as in the one for Hugging Face models; the other
    mixes those behind a dropout only. Variants: ``paper`` leaves the new output layer alone, which is ours and not
    checked in the paper. ``released`` mixes every linear layer, the head's with its random start, and its backward
    lacks the factor 1 / (1 - p).
    """

    name: ClassVar[str] = "mixout"
    paper: ClassVar[str] = "Lee et al., ICLR 2020"
    uses_loss: ClassVar[bool] = True

    p: Annotated[
        float,
        Ge(0),
        Lt(1),
        Search.linear(0.1, 0.95, source="ours: from little to nearly all; the default is 0.9"),
    ] = 0.9
    variant: Literal["paper", "released"] = "paper"

    def setup(self, ctx: Context) -> None:
        """Store a copy of the weights."""
        self._origin = Origin(list(self._mixed(ctx.model)))

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make one pass over the accumulation window with mixed weights."""
        window = ctx.collect(batch)
        if not window:
            return
        axes = self._mixed(model)
        masks = [self._draw(p, axis) for p, axis in axes.items()]
        scaled = list(torch._foreach_div(masks, 1.0 - self.p))
        offsets = torch._foreach_mul(self._origin.offsets(), torch._foreach_sub(scaled, 1.0))
        with ctx.perturbed(dict(zip(axes, offsets, strict=True))), ctx.no_dropout():
            for part in window:
                ctx.backward(self.loss(model, part, ctx), part)
        mask_gradients(list(axes), masks if self.variant == "released" else scaled)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the copy of the initial weights."""
        return self._origin.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the copy."""
        self._origin = Origin.from_state(list(self._mixed(ctx.model)), state)

    def _draw(self, weight: Tensor, axis: int) -> Tensor:
        kept = torch.full((weight.shape[axis],), 1.0 - self.p, dtype=weight.dtype, device=weight.device).bernoulli()
        return kept if axis == 1 else kept[:, None]

    def _mixed(self, model: Classifier) -> dict[nn.Parameter, int]:
        """Return the weights of linear layers, with their axis of input neurons."""
        return dict(_linear_weights(model if self.variant == "released" else model.body))


def _linear_weights(module: nn.Module) -> Iterator[tuple[nn.Parameter, int]]:
    for part in module.modules():
        if isinstance(part, nn.Linear):
            yield cast(nn.Parameter, part.weight), 1
        elif type(part).__name__ == "Conv1D":  # GPT-2's linear layer, transposed
            yield part.get_parameter("weight"), 0
