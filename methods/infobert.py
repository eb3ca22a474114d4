"""InfoBERT: robustness from an information-theoretic perspective (Wang et al., ICLR 2021)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search, UsageError
from benchmark.training.toolbox.perturbation import ascend, differentiable, masked_start


@dataclass(kw_only=True, eq=False)
class InfoBERT(Method):
    """Run FreeLB with two terms of mutual information, one over the embeddings and one between tokens and summary.

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

    alpha: Annotated[float, Ge(0), Search.log(5e-4, 5e-2, source="ours: a decade either side of the default")] = 5e-3
    beta: Annotated[float, Ge(0), Search.log(5e-4, 5e-2, source="ours: a decade either side of the default")] = 5e-3
    low: Annotated[float, Ge(0), Lt(1)] = 0.5
    high: Annotated[float, Gt(0), Le(1)] = 0.9
    steps: Annotated[int, Ge(1)] = 3
    rate: Annotated[float, Gt(0)] = 0.04
    start: Annotated[float, Ge(0)] = 0.08
    radius: Annotated[float, Ge(0)] = 0.0

    _critic: "Critic | None" = field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low >= self.high:
            raise UsageError(f"infobert:low={self.low}:high={self.high}: low must be below high.")

    def build_optimizer(self, groups: Sequence[Mapping[str, Any]], ctx: Context) -> torch.optim.Optimizer:
        """Build the default optimizer, with the critic in the decayed group."""
        first, *others = groups
        critic = self._critic_of(ctx)
        joined = {**first, "params": [*first["params"], *critic.parameters()]}
        return super().build_optimizer([joined, *others], ctx)

    def backward(self, model: Classifier, batch: Batch, ctx: Context) -> None:
        """Make the passes of FreeLB, each with the two terms."""
        real, critic = batch.attention_mask.bool(), self._critic_of(ctx)
        delta = masked_start(model.embed_words(batch).detach(), batch.attention_mask, self.start, "l2")
        tokens = int(real.sum())
        # Draw the partners before the passes, which share their dropout and so start from the same generator.
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
                delta = ascend(delta, gradient, self.rate, self.radius, "l2")

    def _critic_of(self, ctx: Context) -> "Critic":
        """Return the critic, which is initialised on first use."""
        if self._critic is None:
            model = ctx.model
            with model.passes.paused(), torch.no_grad(), ctx.no_dropout(), model.watching_hidden() as seen:
                model(model.encode([("a",)]))
            if seen.first is None or seen.last is None:
                raise UsageError("infobert needs a model with an embedding layer and a last hidden state.")
            self._critic = Critic(seen.first.shape[-1], seen.last.shape[-1]).to(model.word_table)
        return self._critic

    def state_dict(self) -> dict[str, Tensor]:
        """Return the critic's weights."""
        return {} if self._critic is None else {f"critic.{k}": v for k, v in self._critic.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor], ctx: Context) -> None:
        """Restore the critic in place, because the optimizer already holds it."""
        self._critic_of(ctx).load_state_dict({k.removeprefix("critic."): v for k, v in state.items()})


def bottleneck(tokens: Tensor, partners: Tensor) -> Tensor:
    """Bound the information that embeddings keep of the text: half the mean squared distance to a partner.

    CLUB's bound for a Gaussian around the embedding itself.

    Args:
        tokens: Embeddings of tokens, shape (tokens, width).
        partners: For each the number of the token to compare it with, shape (tokens,).
    """
    return 0.5 * (tokens - tokens[partners]).square().sum(dim=-1).mean()


def middle_ranked(gradient: Tensor, mask: Tensor, low: float, high: float) -> Tensor:
    """Select tokens whose gradient norm ranks from ceil(low * n) to below ceil(high * n) among the n of their text.

    Args:
        gradient: By the word embeddings, shape (batch, length, width).
        mask: 1 for real tokens, shape (batch, length).
        low: Share of the least relevant tokens left out.
        high: Share above which tokens are left out, too.

    Returns:
        True for the chosen tokens, shape (batch, length).
    """
    norms = gradient.norm(dim=-1).masked_fill(mask == 0, math.inf)
    ranks = norms.argsort(dim=1, stable=True).argsort(dim=1)
    lengths = mask.sum(dim=1, keepdim=True).double()
    chosen: Tensor = (ranks >= (low * lengths).ceil()) & (ranks < (high * lengths).ceil()) & mask.bool()
    return chosen


class Critic(nn.Module):
    """Critic of InfoNCE between local and global features, with a learnt score softplus(w relu(W [x; y] + b) + c).

    Args:
        local_width: Width of the local features x.
        global_width: Width of the global features y.
        hidden: Width of the hidden layer.
    """

    def __init__(self, local_width: int, global_width: int, hidden: int = 300) -> None:
        super().__init__()
        self.local = nn.Linear(local_width, hidden)
        # Split the map of a pair into two parts, so that all pairs need only one map of each side.
        self.whole = nn.Linear(global_width, hidden, bias=False)
        self.score = nn.Linear(hidden, 1)

    def forward(self, local: Tensor, whole: Tensor, group: int) -> Tensor:
        """Compute a lower bound on the mutual information of n pairs, the mean over groups of `group` pairs, in nats.

        In a group of m: mean T(x_i, y_i) - mean over i of logsumexp over j of T(x_j, y_i) + log m.

        Args:
            local: Shape (n, local_width), n at least 1.
            whole: Shape (n, global_width).
            group: Number of pairs that are contrasted with each other.
        """
        bounds = []
        for x, y in zip(self.local(local).split(group), self.whole(whole).split(group), strict=True):
            scores = nn.functional.softplus(self.score((x.unsqueeze(0) + y.unsqueeze(1)).relu()).squeeze(-1))
            bounds.append(scores.diagonal().mean() - scores.logsumexp(dim=1).mean() + math.log(len(x)))
        return torch.stack(bounds).mean()
