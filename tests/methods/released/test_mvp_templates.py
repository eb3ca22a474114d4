"""MVP's templates token by token: acmi-lab/mvp at be91f37, src/utils/model_utils.py and configs/templates_*.yaml."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from benchmark.models.backbones import Backbone
from methods.mvp import MVP
from tests.support.prompts import write_family
from tests.support.tiny import write_tiny_masked_lm

SENTIMENT = (
    "Sentiment of the statement is [MASK] . ",
    "[SEP] [MASK] ",
    "This is a [MASK] statement ",
    "[SEP] The statement is [MASK] ",
)
TEXT = "this was a good film"


class Task:
    """The part of a training task that `build_model` reads."""

    classes, max_length = ("negative", "positive"), 40


def released(tokenizer: Any, text: str, template: str, *, roberta: bool) -> list[int]:
    """insert_tokenized_template_front and _back, for a text that is not padded."""
    template = template.replace("[MASK]", tokenizer.mask_token)
    back = template.split(" ")[0] == "[SEP]"
    if back:
        template = " ".join(template.split(" ")[1:])
    ids = tokenizer(template)["input_ids"][1:-1]
    if roberta:
        ids = tokenizer(" ")["input_ids"][1:-1] + ids
    encoded = tokenizer(text)["input_ids"]
    return [*encoded[:-1], *ids, encoded[-1]] if back else [encoded[0], *ids, *encoded[1:]]


def bert(folder: Path) -> Path:
    return write_tiny_masked_lm(folder)


def roberta(folder: Path) -> Path:
    """With a mask that takes the space before it, as RoBERTa's does."""
    from transformers import AutoTokenizer

    write_family(folder, "roberta", folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"mask_token": AddedToken("<mask>", lstrip=True, special=True)})
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("write", [bert, roberta])
def test_the_sentiment_templates(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    folder = write(tmp_path)
    backbone = Backbone("tiny", "folder:tiny", "0", folder)
    model = MVP(templates="sentiment").build_model(backbone, Task())  # type: ignore[arg-type]
    batch = model.encode([(TEXT,)])
    rows = zip(batch.tokens["input_ids"].tolist(), batch.attention_mask.tolist(), strict=True)
    got = [[token for token, real in zip(ids, mask, strict=True) if real] for ids, mask in rows]
    want = [released(model.tokenizer, TEXT, template, roberta=write is roberta) for template in SENTIMENT]
    assert [model.tokenizer.convert_ids_to_tokens(row) for row in got] == [
        model.tokenizer.convert_ids_to_tokens(row) for row in want
    ]
