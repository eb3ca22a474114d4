"""LoRA: low-rank adaptation (Hu et al., ICLR 2022), through the peft library."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Lt

from benchmark.training import Classifier, Context, Method, Phase, Recipe, Search


@dataclass(kw_only=True, eq=False)
class LoRA(Method):
    """Train a low-rank change of frozen linear layers: W + (alpha / rank) B A, A random and B zero at the start.

    The body is frozen. Trained are the adapters and the head: everything outside the body, and the pooling layer that
    some families keep in it, since most pre-trained models come without one. After the last epoch the adapters of the
    best one are merged into the weights, so that the saved model is a plain one.

    `targets` query_value adapts the attention's queries and values, as in the paper; GPT-2, DeBERTa and ModernBERT
    compute them in one layer with the keys, which is adapted as a whole. XLNet computes them without a linear layer, so
    it is refused. linear adapts every linear layer of the blocks.

    Defaults: RoBERTa base in the paper's appendix D; the released scripts have alpha 16. `rate_factor` multiplies the
    recipe's learning rate, which suits full fine-tuning: the released scripts have 4e-4 and 5e-4 where RoBERTa's rate
    is 1e-5 to 3e-5, and 10 is the ratio of the best rates in Schulman et al. (2025, LoRA Without Regret). Both
    are cited from accounts of them (docs/fidelity.md).
    """

    name: ClassVar[str] = "lora"
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = "Hu et al., ICLR 2022"
    decomposed: ClassVar[bool] = False
    """Whether the norms of the adapted weights' rows are trained on their own."""

    rank: Annotated[int, Ge(1), Search.choice(1, 2, 4, 8, 64, source="the ranks of the paper's Table 6")] = 8
    alpha: Annotated[float, Gt(0)] = 8.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0
    targets: Literal["query_value", "linear"] = "query_value"
    rate_factor: Annotated[float, Gt(0)] = 10.0

    def adapt_model(self, model: Classifier) -> None:
        """Put an adapter on every target layer."""
        from peft import LoraConfig, LoraModel

        pooling = getattr(model.body, "pooler", None)
        frozen = set(model.body.parameters()) - set(pooling.parameters() if pooling is not None else ())
        config = LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=model.linear_layers(self.targets),
            fan_in_fan_out=model.family == "gpt2",
            use_dora=self.decomposed,
        )
        self._adapters = LoraModel(model.network, config, "default")
        self._trained = {name for name, parameter in model.named_parameters() if parameter not in frozen}

    def phases(self, recipe: Recipe) -> Sequence[Phase]:
        """Train the adapters and the head."""
        return [Phase("adapters", recipe.epochs, self._trained.__contains__, self.rate_factor)]

    def finish(self, ctx: Context) -> None:
        """Merge the adapters, in the weights' own precision."""
        with torch.autocast(ctx.model.device.type, enabled=False):
            self._adapters.merge_and_unload()
