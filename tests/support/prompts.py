"""Prompted models: one in float64 next to its loss written out by hand, and a tiny one of every family."""

from pathlib import Path

import torch
from torch import Tensor

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.backbones import Backbone
from benchmark.models.prompt_classifier import READ
from benchmark.suites import Recipe
from benchmark.training import Context, Method
from tests.models.test_classifier import tiny_network
from tests.support.plain_bert import Weights, embedding_layer, last_hidden_from, word_scores
from tests.support.steps import Setting
from tests.support.tiny import sentences, without_dropout
from tests.support.vocabularies import byte_level, pieces

PROMPTED = tuple(sorted(set(ARCHITECTURES) - {"xlnet"}))
"""Families with a language model that can fill a slot; ELECTRA's is its generator."""

TWO_TEMPLATES = """
[mine]
source = "for tests"
templates = [{ front = "the statement is [MASK] ." }, { back = "and it was [MASK]" }]
words = { negative = ["negative", "bad"], positive = ["positive", "good", "neverheard"] }
"""
FRONT, BACK = "[CLS] the statement is [MASK] . {} [SEP]", "[CLS] {} and it was [MASK] [SEP]"
LABEL_WORDS = (("negative", "bad"), ("positive", "good"))


def write_two_templates(folder: Path) -> str:
    """Write one template at the front and one at the back; two words per class, and one that is not a token."""
    path = folder / "mine.toml"
    path.write_text(TWO_TEMPLATES)
    return str(path)


def write_family(folder: Path, family: str, bert: Path) -> Path:
    """A tiny random language model of a family, with a tiny tokenizer of its kind."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

    causal = ARCHITECTURES[family].causal
    without_types = {"model_input_names": ["input_ids", "attention_mask"]} if family == "mpnet" else {}
    tokenizer = {
        "": lambda: AutoTokenizer.from_pretrained(bert, **without_types),
        "▁": lambda: pieces(added=not causal),
        "Ġ": lambda: byte_level(special=not causal),
    }[before_words(family)]()
    tokenizer.save_pretrained(folder)
    config = tiny_network(family).config
    config.save_pretrained(folder)
    # transformers 5 reads Qwen2's tokenizer with a padding token of its own.
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config.vocab_size, config.pad_token_id = len(tokenizer), tokenizer.pad_token_id
    torch.manual_seed(0)
    (AutoModelForCausalLM if causal else AutoModelForMaskedLM).from_config(config).save_pretrained(folder)
    return folder


def before_words(family: str) -> str:
    """Return the character that a family's tokens have for a space."""
    if family in ("albert", "deberta-v2", "gemma", "gemma2", "gemma3_text", "xlm-roberta"):
        return "▁"
    byte_level = ("deberta", "distilbert", "gpt2", "llama", "modernbert", "qwen2", "qwen3", "roberta")
    return "Ġ" if family in byte_level else ""


class PromptSetting(Setting):
    """A float64 prompt classifier without dropout, one batch with padding, and the context of a run."""

    def __init__(self, backbone: Path, method: Method, count: int = 6) -> None:
        torch.manual_seed(3)
        task = _Task(("negative", "positive"), 20)
        built = method.build_model(Backbone("tiny", "folder:tiny", "0", backbone), task)  # type: ignore[arg-type]
        self.model = without_dropout(built).double().train()
        # A fresh head and fresh attention are nearly flat; larger ones make the text and every word matter.
        with torch.no_grad():
            self.model.network.bert.embeddings.word_embeddings.weight.mul_(10)
            for block in self.model.blocks:
                block.attention.output.dense.weight.mul_(30)
        self.vocabulary = (backbone / "vocab.txt").read_text().split()
        self.texts, labels = zip(*sentences(count, seed=5), strict=True)
        self.batch = self.model.encode([(t,) for t in self.texts], labels)
        self._level_words()
        recipe = Recipe(epochs=2, batch_size=6, learning_rate=1e-3)
        self.context = Context(self.model, recipe, 0, 2, lambda _purpose: iter([self.batch]))
        self.method = method

    @torch.no_grad()
    def _level_words(self) -> None:
        """Let every label word win somewhere: without that, a maximum over words could not be told from a choice."""
        with self.model.watching_hidden() as seen:
            self.model(self.batch)
        numbers = [self.number(word) for own in LABEL_WORDS for word in own]
        scores = self.model.network.cls(seen.last[self.batch.marks[READ].bool()])[:, numbers]
        self.model.network.cls.predictions.bias[numbers] -= scores.median(0).values

    def number(self, word: str) -> int:
        return self.vocabulary.index(word)

    def rows(self) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids, mask and the slot's place of every text in both templates, padded; nothing here asks the model."""
        spelt = [t.format(text).split() for text in self.texts for t in (FRONT, BACK)]
        longest = max(map(len, spelt))
        ids = torch.tensor([[self.number(w) for w in row] + [0] * (longest - len(row)) for row in spelt])
        return ids, (ids != 0).long(), torch.tensor([row.index("[MASK]") for row in spelt])

    def logits(self, w: Weights, hidden: Tensor, mask: Tensor, slots: Tensor) -> Tensor:
        """Of sequences from the embedding layer's output on: the class's best word, averaged over both templates."""
        last = last_hidden_from(w, hidden, mask, 2, 2)
        states = last[torch.arange(len(slots)), slots]
        best = [word_scores(w, states, [self.number(x) for x in own]).max(-1).values for own in LABEL_WORDS]
        z = torch.stack(best, -1)
        return (z[0::2] + z[1::2]) / 2

    def plain_logits(self, w: Weights) -> Tensor:
        ids, mask, slots = self.rows()
        return self.logits(w, embedding_layer(w, ids), mask, slots)


class _Task:
    def __init__(self, classes: tuple[str, ...], max_length: int) -> None:
        self.classes, self.max_length = classes, max_length
