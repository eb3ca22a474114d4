"""Edit the feed-forward outputs of the blocks during a pass, given each block's attention probabilities."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from typing import Any, cast

from torch import Tensor, nn

from benchmark.models.architectures import ARCHITECTURES, family_facts
from benchmark.models.classifier import Classifier
from benchmark.models.pretrained import quiet_transformers
from benchmark.schema.errors import UsageError, nearest

Edit = Callable[[Tensor, Tensor], Tensor]


@contextmanager
def editing_feedforward(model: Classifier, edit: Edit) -> Iterator[None]:
    """Let `edit` change the output of each block's feed-forward layer before the residual connection.

    Inside, every pass computes its attention explicitly, and `edit(output, attention)` replaces the dropout of the
    feed-forward layer (on XLNet and ALBERT, it runs right after the last linear layer).

    Args:
        model: A classifier of any supported family.
        edit: Gets the output, shape (batch, length, width), and the block's attention probabilities after their
            dropout, shape (batch, heads, queries, keys), without gradient; returns the new output.

    Raises:
        UsageError: the family has no row here.
    """
    config = cast(Any, model.network).config
    require_feedforward(model)
    family = family_facts(config.model_type)
    time_major = family.time_major
    with ExitStack() as stack:
        # Fused attention does not return its probabilities, and warns if they are requested.
        stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
        config._attn_implementation = "eager"
        stack.enter_context(quiet_transformers())
        for block in model.blocks:
            for attending, ending in zip(
                _inside(block, family.attention), _inside(block, family.feedforward), strict=True
            ):
                seen: list[Tensor] = []
                stack.callback(attending.register_forward_pre_hook(_ask_for_attention, with_kwargs=True).remove)
                stack.callback(attending.register_forward_hook(_recorder(seen, time_major)).remove)
                stack.callback(ending.register_forward_hook(_editor(seen, edit, time_major)).remove)
        yield


def require_feedforward(model: Classifier) -> None:
    """Check before training that `editing_feedforward` supports a model's family.

    Raises:
        UsageError: the family has no row here.
    """
    family = model.family
    if family_facts(family).feedforward is None:
        known = [name for name, row in ARCHITECTURES.items() if row.feedforward is not None]
        raise UsageError(
            f"The feed-forward layers of model family {family!r} are unknown. Add `attention` and `feedforward` to its "
            f"row in benchmark/models/architectures.py. {nearest(family, known)}"
        )


def _inside(block: nn.Module, path: str | None) -> list[nn.Module]:
    return [module for name, module in block.named_modules() if path is not None and fnmatchcase(name, path)]


def _ask_for_attention(attending: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Request attention from the module itself: requested of a whole model, some families leave hooks behind."""
    call = inspect.signature(attending.forward).bind(*args, **kwargs)
    if "output_attentions" in call.signature.parameters:
        call.arguments["output_attentions"] = True
    return call.args, call.kwargs


def _recorder(seen: list[Tensor], time_major: bool) -> Callable[[nn.Module, Any, Any], None]:
    def record(_module: nn.Module, _inputs: Any, outputs: Any) -> None:
        attention = next(a for a in outputs if isinstance(a, Tensor) and a.dim() == 4).detach()
        seen[:] = [attention.permute(2, 3, 0, 1) if time_major else attention]

    return record


def _editor(seen: list[Tensor], edit: Edit, time_major: bool) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def apply(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        values = inputs[0] if isinstance(module, nn.Dropout) else output
        if time_major:
            return edit(values.transpose(0, 1), seen.pop()).transpose(0, 1)
        return edit(values, seen.pop())

    return apply
