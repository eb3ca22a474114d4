"""Edit the feed-forward outputs of the blocks during a pass, given each block's attention probabilities."""

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fnmatch import fnmatchcase
from typing import Any, cast

from torch import Tensor, nn

from benchmark.models.architectures import LIKE_BERT
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError, nearest

Edit = Callable[[Tensor, Tensor], Tensor]

_PARTS_OF_BERT = ("attention.self", "output.dropout")
# Paths inside a block of (1) the module that returns attention probabilities, (2) the dropout after the feed-forward
# layer or, if a family has no such module, the linear layer at its end.
_PARTS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(LIKE_BERT, _PARTS_OF_BERT),
    "distilbert": ("attention", "ffn.dropout"),
    "albert": ("albert_layers.*.attention", "albert_layers.*.ffn_output"),
    "xlnet": ("rel_attn", "ff.layer_2"),
    "gpt2": ("attn", "mlp.dropout"),
}


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
    attention_path, output_path = _parts(config.model_type)
    time_major = config.model_type == "xlnet"
    with ExitStack() as stack:
        # Fused attention does not return its probabilities, and warns if they are requested.
        stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
        config._attn_implementation = "eager"
        stack.enter_context(_quiet())
        for block in model.blocks:
            for attending, ending in zip(_inside(block, attention_path), _inside(block, output_path), strict=True):
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
    _parts(cast(Any, model.network).config.model_type)


def _parts(family: str) -> tuple[str, str]:
    try:
        return _PARTS[family]
    except KeyError:
        raise UsageError(
            f"The feed-forward layers of model family {family!r} are unknown. Add its row to "
            f"benchmark/models/feedforward.py. {nearest(family, _PARTS)}"
        ) from None


def _inside(block: nn.Module, path: str) -> list[nn.Module]:
    return [module for name, module in block.named_modules() if fnmatchcase(name, path)]


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


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide the library's warning that fused attention is not used; that is intended here."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
