"""WiSE-FT: interpolate between the pre-trained and the fine-tuned weights (Wortsman et al., CVPR 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Ge, Le
from torch import Tensor, nn

from benchmark.training import Context, Method, Search
from benchmark.training.toolbox.init_weights import Origin
from benchmark.training.toolbox.prompts import PromptClassifier


@dataclass(kw_only=True, eq=False)
class WiSEFT(Method):
    """After training, set the weights to (1 - alpha) * pre-trained + alpha * fine-tuned (equation 1).

    It runs on the weights of the best epoch, which is chosen before the interpolation. All weights that pre-training
    gives are interpolated: the body, and with `mvp` also the language-model head, which makes the pre-trained model a
    zero-shot classifier as in the paper. A new head has no pre-trained weights, so it stays as trained.

    0.5 is what the paper recommends without data of the shifted domain. In a composition with a method whose `finish`
    merges weights, name that one first: ``lora+wise_ft``.
    """

    name: ClassVar[str] = "wise_ft"
    paper: ClassVar[str] = "Wortsman et al., CVPR 2022"

    alpha: Annotated[
        float, Ge(0), Le(1), Search.linear(0.1, 1.0, source="the paper's curves run over 0 to 1; 0 is no fine-tuning")
    ] = 0.5

    def setup(self, ctx: Context) -> None:
        """Store a copy of the pre-trained weights."""
        self._origin = Origin(pretrained_parameters(ctx))

    def finish(self, ctx: Context) -> None:
        """Interpolate."""
        self._origin.pull_weights(1.0 - self.alpha)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the copy of the pre-trained weights."""
        return self._origin.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the copy."""
        self._origin = Origin.from_state(pretrained_parameters(ctx), state)


def pretrained_parameters(ctx: Context) -> list[nn.Parameter]:
    """Return the parameters whose values come from pre-training, in order."""
    if isinstance(ctx.model, PromptClassifier):
        return list(ctx.model.parameters())
    return ctx.body_parameters()
