"""A tiny random encoder and a tiny task, so that the real code paths run in milliseconds on any machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BertConfig

    from benchmark.data import Dataset
    from benchmark.models.classifier import Classifier
    from benchmark.training import Method
    from benchmark.training.loop import Trainer

WORDS = [
    "the",
    "a",
    "film",
    "movie",
    "plot",
    "script",
    "was",
    "is",
    "and",
    "but",
    "very",
    "not",
    "good",
    "great",
    "fine",
    "bad",
    "awful",
    "dull",
    "funny",
    "warm",
    "cold",
    "slow",
    "i",
    "we",
    "liked",
    "hated",
    "loved",
    "it",
    "this",
    "that",
    "acting",
    "scene",
    "end",
    "story",
]
PROMPT_WORDS = ["negative", "positive", "true", "false", "sentiment", "of", "statement", "answer", "question", "."]
GOOD, BAD = ["good", "great", "fine", "funny", "warm"], ["bad", "awful", "dull", "cold", "slow"]


def write_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Write config, safetensors weights and tokenizer of a 2 x 32 BERT; the same bytes for the same seed."""
    import torch
    from transformers import BertModel

    from benchmark.models.pretrained import quiet_transformers

    config = _write_vocabulary(folder, WORDS)
    torch.manual_seed(seed)
    with quiet_transformers():
        BertModel(config).save_pretrained(folder, safe_serialization=True)
    return folder


def write_tiny_masked_lm(folder: Path, seed: int = 0) -> Path:
    """Write a 2 x 32 BERT with its masked-LM head, with additional words for prompts."""
    import torch
    from transformers import BertForMaskedLM

    from benchmark.models.pretrained import quiet_transformers

    config = _write_vocabulary(folder, [*WORDS, *PROMPT_WORDS])
    torch.manual_seed(seed)
    with quiet_transformers():
        BertForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    return folder


def _write_vocabulary(folder: Path, words: list[str]) -> "BertConfig":
    """Write a tokenizer with one token per word and return the configuration of a model for it."""
    from transformers import BertConfig, BertTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join(special + words) + "\n")
    BertTokenizerFast.from_pretrained(str(folder), model_max_length=64).save_pretrained(folder)
    return BertConfig(
        vocab_size=len(special) + len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )


def sentences(count: int, seed: int = 0) -> list[tuple[str, int]]:
    """Return labelled sentences whose label follows from one word."""
    import random

    rng = random.Random(seed)
    labelled = []
    for index in range(count):
        label = index % 2
        words = [*rng.choices(WORDS[:10], k=rng.randint(2, 7)), rng.choice(GOOD if label else BAD)]
        rng.shuffle(words)
        labelled.append((" ".join(words), label))
    return labelled


def dataset(count: int, seed: int = 0) -> "Dataset":
    """Return a tiny data set of `sentences`."""
    from benchmark.data import Dataset, Example

    examples = [Example(str(i), (text,), label) for i, (text, label) in enumerate(sentences(count, seed))]
    return Dataset(f"tiny-{seed}", tuple(examples), ("negative", "positive"))


def trainer(method: "Method", backbone: Path, folder: Path, seed: int = 0, **recipe: object) -> "Trainer":
    """Create a trainer for a few steps that uses the real code with tiny sizes."""
    from benchmark.data import DataSpec
    from benchmark.models.backbones import Backbone
    from benchmark.suites import Recipe, SplitSpec, TrainingTask
    from benchmark.training.loop import Trainer

    spec = DataSpec(source="file", text=("text",), path="none", format="csv")
    task = TrainingTask("t", "d", ("negative", "positive"), 16, spec, SplitSpec("example", 0.1))
    settings: dict[str, Any] = {"epochs": 2, "batch_size": 8, "learning_rate": 1e-3, "clip": 1.0, **recipe}
    return Trainer(
        method=method,
        backbone=Backbone("tiny", "folder:tiny", "0", backbone),
        task=task,
        recipe=Recipe(**settings),
        train=dataset(40),
        validation=dataset(12, seed=1),
        seed=seed,
        folder=folder,
    )


def weights(model: "Classifier") -> "dict[str, Tensor]":
    """Return a model's weights, detached."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def without_dropout(model: "Classifier") -> "Classifier":
    """Switch dropout off in every mode; fused attention keeps its rate as a plain number."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        if hasattr(module, "dropout_prob"):
            setattr(module, "dropout_prob", 0.0)  # noqa: B010 - modules declare their tensors only
    return model
