"""ASCC: adversarial sparse convex combination (Dong et al., ICLR 2021)."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn

from benchmark.training import Backbone, Batch, Classifier, Context, Encoded, Example, Method, Search
from benchmark.training.toolbox.convex_hull import Hull, SparseAttack
from benchmark.training.toolbox.substitutes import Substitutes, lexicon_reads, mark_words


@dataclass(kw_only=True, eq=False)
class ASCC(Method):
    """Train on words moved inside the convex hull of their substitutes.

    Loss: CE(z, y) + kl_weight * mean KL(p || p~), gradients through both sides. z~ comes from word embeddings
    sum_j a_j e_j over a word and up to nine substitutes, before positions and normalisation. The shares a = softmax(w)
    are found by `steps` of Adam that climb sum KL(p || p~) - sparsity * mean entropy of a, without dropout, from w by
    Kaiming's normal rule. e_j are trained, a is not. Of two texts only the second is moved.

    A word takes part where it is one token, with those substitutes that are one token too. All others stay as they
    are. The authors' code has instead a tokenizer of one token per word, in which BERT knows no other words.

    Defaults: the authors' options for BERT; their LSTM and CNN take rate 10. `min_cosine` is ours; a JSON lexicon has
    no cosines and is not filtered. Variants: ``paper`` takes the mean entropy over the words that have substitutes,
    ``released`` over all positions of inputs that are padded to the longest that the task allows.

    Accumulation attacks a micro-batch at a time, so it is not quite the same as a larger batch.
    """

    name: ClassVar[str] = "ascc"
    version: ClassVar[str] = "2"
    paper: ClassVar[str] = "Dong et al., ICLR 2021"

    kl_weight: Annotated[float, Ge(0), Search.log(0.4, 40.0, source="ours: a decade either side of the default")] = 4.0
    steps: Annotated[int, Ge(1)] = 10
    rate: Annotated[float, Gt(0)] = 1.0
    sparsity: Annotated[float, Ge(0)] = 15.0
    lexicon: str = "counterfitted-glove-wordnet"
    min_cosine: Annotated[float, Ge(-1), Le(1)] = 0.7
    variant: Literal["paper", "released"] = "paper"

    _substitutes: Substitutes | None = field(default=None, init=False)

    @property
    def _attack(self) -> SparseAttack:
        return SparseAttack(self.steps, self.rate, self.sparsity)

    def reads(self, backbone: Backbone) -> dict[str, str]:
        """Return the lexicon's hash."""
        return lexicon_reads(self.lexicon)

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Tokenise, and mark the words that may be moved."""
        return mark_words(model, example.texts)

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Attack the batch, then make a clean pass and an adversarial one."""
        shares = self._shares(model, batch, ctx)
        moved = self._hull(model, batch).at(shares)
        return self._supervised(model(batch), model(batch, **moved), batch)

    def _supervised(self, clean: Tensor, moved: Tensor, batch: Batch) -> Tensor:
        divergence = nn.functional.kl_div(
            moved.log_softmax(dim=-1), clean.log_softmax(dim=-1), reduction="batchmean", log_target=True
        )
        return nn.functional.cross_entropy(clean, batch.targets()) + self.kl_weight * divergence

    def _shares(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Attack the batch; shape (n, choices), without a graph."""
        with ctx.no_dropout(), torch.no_grad():
            hull = self._hull(model, batch)
        return self._attack.shares(model, batch, ctx, hull, self._positions(model, batch, hull))

    def _hull(self, model: Classifier, batch: Batch) -> Hull:
        """Build the convex hulls of a batch's words."""
        return Hull.of_words(model, batch, self._substitutes_of(model))

    def _substitutes_of(self, model: Classifier) -> Substitutes:
        """Look up the substitutes of the model's words, once per run."""
        if self._substitutes is None:
            self._substitutes = Substitutes.read(model, self.lexicon, self.min_cosine)
        return self._substitutes

    def _positions(self, model: Classifier, batch: Batch, hull: Hull) -> float:
        """Count the positions by which the sum of entropies is divided."""
        released = len(batch.attention_mask) * model.max_length
        return float(released if self.variant == "released" else len(hull.valid))
