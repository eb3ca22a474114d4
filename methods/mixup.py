"""Mixup of hidden states: TMix, from MixText (Chen et al., ACL 2020)."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn

from benchmark.training import Batch, Classifier, Context, Method, Search, UsageError


@dataclass(kw_only=True, eq=False)
class Mixup(Method):
    """Train on mixtures of two texts' hidden states, with their labels mixed alike.

    Each micro-batch is paired with a permutation of itself. After one of the `layers`, drawn per micro-batch, the
    hidden states become w h + (1 - w) h', with w = max(v, 1 - v) and v ~ Beta(alpha, alpha); the loss is
    w CE(z, y) + (1 - w) CE(z, y'). `layers` are those of a model of 12 layers, at the same share of the depth of
    another, rounded up.

    Until the mixture, each text attends to its own tokens. Where one text has ended, the other's hidden state is taken
    as it is; after the mixture, attention is to the tokens of both. So padding never enters. The release pads all texts
    to one length and attends to the padding.

    The texts are mixed position by position, so the head must read the first token. Decoders read the last one, before
    which a mixture would hold two texts of different lengths; XLNet feeds the token types of one text into every layer;
    prompts are read at a place that depends on the text. These are refused.

    TMix was chosen over SSMix (Yoon et al., Findings of ACL 2021) because it works in feature space and needs no
    additional pass. Defaults: the release's command for TMix.
    """

    name: ClassVar[str] = "mixup"
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = "Chen et al., ACL 2020"

    alpha: Annotated[
        float,
        Gt(0),
        Search.log(
            0.2, 16.0, source="ours: from hardly mixed to the release's 16; an earlier README of it has 2 for TMix"
        ),
    ] = 16.0
    layers: Literal["7-9-12", "6-7-9", "3-4"] = "7-9-12"

    def setup(self, ctx: Context) -> None:
        """Check that hidden states of two texts can be mixed.

        Raises:
            UsageError: the head does not read the first token.
        """
        if not ctx.model.reads_first_token:
            raise UsageError(
                "mixup mixes two texts position by position, so the head must read the first token. This "
                f"{ctx.model.family} model reads another. Use a family such as bert, without a prompt."
            )

    def loss(self, model: Classifier, batch: Batch, ctx: Context) -> Tensor:
        """Make one pass that mixes each text with its partner."""
        choices = [int(layer) for layer in self.layers.split("-")]
        layer = -(-choices[int(torch.randint(len(choices), ()))] * model.depth // 12)
        share = float(torch.distributions.Beta(self.alpha, self.alpha).sample())
        share = max(share, 1.0 - share)
        partner = torch.randperm(len(batch)).to(model.device)
        mask = batch.attention_mask
        weights = mixing_weights(mask, mask[partner], share)

        def mix(hidden: Tensor) -> Tensor:
            own = weights.to(hidden).unsqueeze(-1)
            return own * hidden + (1.0 - own) * hidden[partner]

        logits = model.forward_edited(batch, layer, mix, after=mask | mask[partner])
        targets, cross_entropy = batch.targets(), nn.functional.cross_entropy
        return share * cross_entropy(logits, targets) + (1.0 - share) * cross_entropy(logits, targets[partner])


def mixing_weights(mask: Tensor, other: Tensor, share: float) -> Tensor:
    """Compute the weight of a text's own hidden states next to its partner's, shape (batch, length).

    Args:
        mask: 1 for the text's tokens and 0 for padding, shape (batch, length).
        other: The same for the partner.
        share: Weight where both have a token.
    """
    return torch.where(mask == other, share, mask.float())
