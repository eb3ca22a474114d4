"""InfoBERT: robustness from an information-theoretic perspective (Wang et al., ICLR 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, UsageError
from benchmark.training.toolbox.free import Ascent
from benchmark.training.toolbox.information import Critic, bottleneck, middle_ranked
from benchmark.training.toolbox.pairs import differentiable


@dataclass(kw_only=True, eq=False)
class InfoBERT(Method):
    """FreeLB with two terms of mutual information, one over the embeddings and one between tokens and summary.

    Loss of each of the K perturbed passes: CE + beta * bottleneck - alpha * InfoNCE. The bottleneck is the mean over
    tokens of half the squared distance between the embedding layer's output there and at another token of the batch.
    InfoNCE is between the summary token's last hidden state and the embedding layer's output at the tokens whose
    gradient norm ranks from `low` to `high` in their text, in shuffled groups as large as the batch, by a critic with
    300 hidden units that is trained along. The perturbation climbs CE + beta * bottleneck, as in FreeLB.

    Defaults: the authors' code for ANLI; it takes low 0.75 and high 0.95 for question answering.

    Accumulation contrasts tokens within a micro-batch, so it is not the same as a larger batch.
    """

    name: ClassVar[str] = "infobert"
    paper: ClassVar[str] = "Wang et al., ICLR 2021"

    alpha: float = 5e-3
    beta: float = 5e-3
    low: float = 0.5
    high: float = 0.9
    steps: int = 3
    rate: float = 0.04
    start: float = 0.08
    radius: float = 0.0

    def __post_init__(self) -> None:
        if self.alpha < 0 or self.beta < 0 or not 0 <= self.low < self.high <= 1:
            raise UsageError("infobert needs alpha and beta >= 0 and 0 <= low < high <= 1.")
        self._ascent.check("infobert")
        self._critic: Critic | None = None

    @property
    def _ascent(self) -> Ascent:
        return Ascent(self.steps, self.rate, self.start, self.radius, "l2")

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: Context) -> torch.optim.Optimizer:
        """The default one, with the critic in the decayed group."""
        first, *others = groups
        critic = self._critic_of(ctx)
        joined = {**first, "params": [*first["params"], *critic.parameters()]}
        return super().build_optimizer([joined, *others], ctx)

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """The passes of FreeLB, each with the two terms."""
        real, critic = batch.attention_mask.bool(), self._critic_of(ctx)
        delta = self._ascent.begin(model.embed_words(batch), batch.attention_mask)
        tokens = int(real.sum())
        # Drawn before the passes, which share their dropout and so start from the same generator.
        partners = torch.randint(tokens, (self.steps, tokens), device=model.device)
        shuffles = torch.rand(self.steps, tokens, device=model.device)
        with ctx.same_dropout(), model.watching_hidden() as seen:
            for number in range(self.steps):
                words = differentiable(model.embed_words(batch) + delta)
                loss = nn.functional.cross_entropy(model(batch, words=words), batch.targets())
                first = words if seen.first is None else seen.first
                loss = loss + self.beta * bottleneck(first[real], partners[number])
                gradient = ctx.input_gradient(loss, words, retain_graph=True)
                chosen = middle_ranked(gradient, batch.attention_mask, self.low, self.high)
                if seen.last is not None and bool(chosen.any()):
                    rows = chosen.nonzero()[shuffles[number, : int(chosen.sum())].argsort()]
                    whole = model.summary(batch, seen.last)[rows[:, 0] // batch.sequences]
                    loss = loss - self.alpha * critic(first[rows[:, 0], rows[:, 1]], whole, len(batch))
                ctx.backward(loss / self.steps)
                delta = self._ascent.move(delta, gradient)

    def _critic_of(self, ctx: Context) -> Critic:
        """The critic, drawn when it is first asked for."""
        if self._critic is None:
            model = ctx.model
            with model.passes.paused(), torch.no_grad(), ctx.no_dropout(), model.watching_hidden() as seen:
                model(model.encode([("a",)]))
            if seen.first is None or seen.last is None:
                raise UsageError("infobert needs a model with an embedding layer and a last hidden state.")
            self._critic = Critic(seen.first.shape[-1], seen.last.shape[-1]).to(model.word_table)
        return self._critic

    def state_dict(self) -> dict[str, Tensor]:
        """The critic."""
        return {} if self._critic is None else {f"critic.{k}": v for k, v in self._critic.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Take it back, in place: the optimizer already holds it."""
        self._critic_of(ctx).load_state_dict({k.removeprefix("critic."): v for k, v in state.items()})
