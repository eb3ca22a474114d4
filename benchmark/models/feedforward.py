"""The blocks' feed-forward outputs, edited in flight with their block's attention in view."""

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
# Paths inside a block of (1) the module that answers with attention probabilities, (2) the dropout after the
# feed-forward layer or, where a family has none that is its own, the linear map that ends the layer.
_PARTS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(LIKE_BERT, _PARTS_OF_BERT),
    "distilbert": ("attention", "ffn.dropout"),
    "albert": ("albert_layers.*.attention", "albert_layers.*.ffn_output"),
    "xlnet": ("rel_attn", "ff.layer_2"),
    "gpt2": ("attn", "mlp.dropout"),
}


@contextmanager
def editing_feedforward(model: Classifier, edit: Edit) -> Iterator[None]:
    """Let `edit` change the output of each block's feed-forward layer before it joins the residual stream.

    Inside, every pass computes its attention explicitly, and `edit(output, attention)` stands where the dropout of the
    feed-forward layer stood (on XLNet and ALBERT, before what follows its last linear map).

    Args:
        model: A classifier of any supported family.
        edit: Gets the output, shape (batch, length, width), and the block's attention probabilities after their
            dropout, shape (batch, heads, length, length) with the queries before the keys, without gradient; returns
            the new output.

    Raises:
        UsageError: the family has no row here.
    """
    config = cast(Any, model.network).config
    attention_path, output_path = _parts(config.model_type)
    time_major = config.model_type == "xlnet"
    with ExitStack() as stack:
        # Fused attention keeps its probabilities to itself, and says so where it is asked for them.
        stack.callback(setattr, config, "_attn_implementation", config._attn_implementation)
        config._attn_implementation = "eager"
        stack.enter_context(_quiet())
        for block in model.blocks:
            for attending, ending in zip(_inside(block, attention_path), _inside(block, output_path), strict=True):
                seen: list[Tensor] = []
                stack.callback(attending.register_forward_pre_hook(_ask_for_attention, with_kwargs=True).remove)
                stack.callback(attending.register_forward_hook(_keeper(seen, time_major)).remove)
                stack.callback(ending.register_forward_hook(_editor(seen, edit, time_major)).remove)
        yield


def require_feedforward(model: Classifier) -> None:
    """Find out before training whether `editing_feedforward` knows a model's family.

    Raises:
        UsageError: it has no row here.
    """
    _parts(cast(Any, model.network).config.model_type)


def _parts(family: str) -> tuple[str, str]:
    try:
        return _PARTS[family]
    except KeyError:
        raise UsageError(
            f"The feed-forward layers of model family {family!r} are not known; add its row to "
            f"benchmark/models/feedforward.py. {nearest(family, _PARTS)}"
        ) from None


def _inside(block: nn.Module, path: str) -> list[nn.Module]:
    return [module for name, module in block.named_modules() if fnmatchcase(name, path)]


def _ask_for_attention(attending: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Ask where it is computed: some models, asked as a whole, put hooks of their own on their parts and leave them."""
    call = inspect.signature(attending.forward).bind(*args, **kwargs)
    if "output_attentions" in call.signature.parameters:
        call.arguments["output_attentions"] = True
    return call.args, call.kwargs


def _keeper(seen: list[Tensor], time_major: bool) -> Callable[[nn.Module, Any, Any], None]:
    def keep(_module: nn.Module, _inputs: Any, answers: Any) -> None:
        attention = next(a for a in answers if isinstance(a, Tensor) and a.dim() == 4).detach()
        seen[:] = [attention.permute(2, 3, 0, 1) if time_major else attention]

    return keep


def _editor(seen: list[Tensor], edit: Edit, time_major: bool) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    def apply(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        values = inputs[0] if isinstance(module, nn.Dropout) else output
        if time_major:
            return edit(values.transpose(0, 1), seen.pop()).transpose(0, 1)
        return edit(values, seen.pop())

    return apply


@contextmanager
def _quiet() -> Iterator[None]:
    """The library warns that fused attention is not used, which is what was asked for."""
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
