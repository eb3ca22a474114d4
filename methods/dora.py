"""DoRA: weight-decomposed low-rank adaptation (Liu et al., ICML 2024), through the peft library."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Lt

from benchmark.training import Search
from methods.lora import LoRA


@dataclass(kw_only=True, eq=False)
class DoRA(LoRA):
    """Train the rows' norms m of a weight and, by LoRA, their direction: m V / |V|, V = W + (alpha / rank) B A.

    m starts as the norms of W. No gradient goes through |V|, as in section 4.3 of the paper. The rest is as in LoRA.

    Defaults: the paper's and its code's for LLaMA (rank 32, alpha twice the rank, dropout 0.05), which adapt queries,
    keys, values and two of three feed-forward layers; ``targets=linear`` adapts the others and the attention's output
    layer, too. The recipe's weight decay applies to m as to any weight.
    """

    name: ClassVar[str] = "dora"
    version: ClassVar[str] = "1"
    paper: ClassVar[str] = "Liu et al., ICML 2024"
    decomposed: ClassVar[bool] = True

    rank: Annotated[int, Ge(1), Search.choice(4, 8, 16, 32, 64, source="the ranks of the paper's comparison")] = 32
    alpha: Annotated[float, Gt(0)] = 64.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.05
    targets: Literal["query_value", "linear"] = "linear"
