"""A tiny masked LM whose tokenizer cuts words into pieces, and a victim that has an opinion about every word."""

import string
import zlib
from pathlib import Path

import numpy as np

from benchmark.attacks import Parts
from benchmark.attacks.suite_attack import Attack
from benchmark.attacks.token_predictions import MaskedLM
from benchmark.data import Dataset, Example
from tests.attacks.fakes import WordEncoder

STOPWORDS = frozenset({"the", "a", "is", "this", "to"})
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
_WORDS = """
the a is this to good fine bad poor dull film movie watch view great big slow charm un real of and it well act little
pac waste ugly no some body nai cafe snake case star br amp per
"""
_ENDS = "ing ed ly er al able body ful ve watch real acted"
_PIECES = [f"##{end}" for end in (*_ENDS.split(), *string.ascii_lowercase)]
_ALL = (*_SPECIAL, *_WORDS.split(), *_PIECES, *string.ascii_lowercase, *"0123456789.,'-!*&")
VOCABULARY = list(dict.fromkeys(_ALL))


def write_masked_lm(folder: Path, seed: int = 0) -> Path:
    """A random 2 x 32 BERT of 64 positions, whose logits depend on the text."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    BertTokenizerFast.from_pretrained(str(folder), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(VOCABULARY), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.3,
    )  # fmt: skip
    BertForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    return folder


def write_byte_level(folder: Path) -> Path:
    """A random RoBERTa whose tokenizer marks where words begin."""
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizerFast

    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator([*SENTENCES] * 3, vocab_size=360, min_frequency=1, special_tokens=special)
    tokenizer.save_model(str(folder))
    RobertaTokenizerFast.from_pretrained(str(folder), model_max_length=64).save_pretrained(folder)
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=360, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=66, initializer_range=0.3, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    return folder


def load(folder: Path) -> MaskedLM:
    from benchmark.models.masked_lm import load_masked_lm
    from benchmark.models.pretrained import load_tokenizer

    return MaskedLM(load_masked_lm(folder), load_tokenizer(folder))


def parts(model: MaskedLM) -> Parts:
    return Parts(encoder=WordEncoder(), stopwords=STOPWORDS, masked_lm=model)


def weight(word: str) -> float:
    # Small enough that a long text's probability is not 1 in float64, where TextAttack sees no difference any more.
    return (zlib.crc32(word.encode()) % 2001 - 1000) / 5000


def victim(texts):
    """Classify as a bag of words: the hash of each word of the last text decides which class it supports.

    Weights are multiples of 1/5000; half of one keeps every total away from a tie, which processors break differently.
    """
    totals = [sum(weight(word) for word in text[-1].split()) + 0.0001 for text in texts]
    return np.array([[-total, total] for total in totals], dtype=np.float32)


def dataset(*texts) -> Dataset:
    """Texts, or pairs of them, each labelled as the victim has it."""
    given = [text if isinstance(text, tuple) else (text,) for text in texts]
    examples = [Example(str(i), text, int(victim([text])[0].argmax())) for i, text in enumerate(given)]
    return Dataset("tiny", tuple(examples), ("negative", "positive"))


def attack(folder: Path, backend: str = "engine", **parameters) -> Attack:
    return Attack(
        id="bert-attack", version=1, title="A title", description="A description.", on="in-distribution", subset=10,
        recipe="bert_attack", backend=backend,
        parameters={"masked_lm": str(folder), "stopwords": "textfooler", **parameters},
    )  # fmt: skip


SENTENCES = (
    "a good film to watch",
    "this charming movie is unreal",
    "The Big slow watching of a dulled film, really!",
    "poor pacing; wasteful, ugly and unwatchable",
    "it's a well-acted 'fine' little movie",
    "great",
)
PAIRS = (("a charming film .", "the film is good"), ("nobody watched this", "somebody is watching a film"))
ODD = (
    "",
    "!!! ...",
    "the a is",
    "🙂 🙂",
    "a good🙂 film",
    "🙂unwatchable film",
    "watch☃ing☃unwatchable",
    "<br /> good <b>film</b> &amp;",
    "  good  film ",
    "GOOD Film",
    "naïve café good",
    "good\u00a0film\u2028watch",
    "a [MASK] in a good film",
    "[UNK] film [SEP] good",
    "snake_case *** stars",
    "x" * 150,
    "unwatchable " * 40,
    "good " * 70 + "film",
    "1,000 $5 films",
)
