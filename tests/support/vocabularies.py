"""Tiny tokenizers of the two kinds that write spaces differently from BERT's, made on the spot."""

from typing import Any

TEXT = [
    "a film was negative", "the film is positive", "this was a good film", "the statement is negative .",
    "the plot was not positive", "it was bad but this is good", "i think the answer is true and the plot is false",
]  # fmt: skip


def byte_level(*, special: bool = True) -> Any:
    """Like RoBERTa's, with <s> and </s> around a text and between two, or without: like GPT-2's.

    As in RoBERTa's, the mask takes the space before it. As in GPT-2's, some words are tokens without a space too.
    """
    from tokenizers import AddedToken, ByteLevelBPETokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    names = ["<s>", "</s>", "<pad>", "<unk>", "<mask>"]
    made = ByteLevelBPETokenizer()
    bare = [] if special else ["negative", "positive", "bad", "good", "true"]
    made.train_from_iterator(
        [*TEXT, *bare] * 20, vocab_size=400, min_frequency=1, special_tokens=names, show_progress=False
    )
    backend = made._tokenizer
    if special:
        around = [("<s>", backend.token_to_id("<s>")), ("</s>", backend.token_to_id("</s>"))]
        pair = "<s> $A </s> </s> $B </s>"
        backend.post_processor = TemplateProcessing(single="<s> $A </s>", pair=pair, special_tokens=around)
        roles: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
        roles["mask_token"] = AddedToken("<mask>", lstrip=True, special=True)
        backend.add_special_tokens([roles["mask_token"]])
    else:
        roles = {"bos_token": "</s>", "eos_token": "</s>"}
    inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", model_input_names=inputs, **roles)


def pieces(*, added: bool = True) -> Any:
    """Like ALBERT's and XLM-R's: a mark in front of every word, the first one too.

    Or, without added marks, like Gemma's: a mark for each space, a start token, and words with and without a mark.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", "[CLS]", "[SEP]", "<pad>", "[MASK]"]
    words = sorted({f"▁{word}" for line in TEXT for word in line.split()})
    if not added:
        words += [word.removeprefix("▁") for word in words]
    scored = [(name, 0.0) for name in names] + [(word, -2.0) for word in words] + [("▁", -9.0)]
    backend = Tokenizer(models.Unigram(scored, unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if added else "never")
    around = [("[CLS]", 1), ("[SEP]", 2)]
    backend.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=around
    )
    roles = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "<pad>", "mask_token": "[MASK]"}
    if not added:
        backend.post_processor = TemplateProcessing(single="[CLS] $A", pair="[CLS] $A $B", special_tokens=around)
        roles = {"bos_token": "[CLS]", "eos_token": "[SEP]", "pad_token": "<pad>"}
        roles["model_input_names"] = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", **roles)
