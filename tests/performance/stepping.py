"""One method, a step at a time, and what the parts of a vanilla step take."""

import ctypes
import gzip
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmark.data import DataSpec, Example
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch
from benchmark.suites import Recipe, SplitSpec, TrainingTask
from benchmark.training import Context
from benchmark.training.optimization import parameter_groups

CLASSES = ("negative", "positive")


@dataclass(frozen=True)
class Shape:
    """Return the training data.

    Attributes:
        batch: Examples of a step.
        length: Tokens of an example.
        device: Where.
        precision: ``fp32`` or ``bf16``.
    """

    batch: int = 16
    length: int = 64
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - a device does not change
    precision: str = "fp32"

    @property
    def autocast(self) -> torch.dtype | None:
        return torch.bfloat16 if self.precision == "bf16" else None


class Stepper:
    """A method on a model of its own; `step` is what the loop does for a step, without its bookkeeping."""

    def __init__(self, method: str, backbone: Backbone, shape: Shape) -> None:
        torch.manual_seed(0)
        self.name, self.shape = method, shape
        self.method = configure(MethodRequest.parse(method)).make()
        spec = DataSpec(source="file", text=("text",), path="none", format="csv")
        task = TrainingTask("t", "d", CLASSES, shape.length, spec, SplitSpec("example", 0.1))
        self.model = self.method.build_model(backbone, task)
        self.method.adapt_model(self.model)
        self.model.to(shape.device).train()
        self.examples = texts_of(self.model.tokenizer, 2 * shape.batch, shape.length)
        recipe = Recipe(epochs=1, batch_size=shape.batch, learning_rate=1e-6, clip=1.0)
        self.context = Context(self.model, recipe, 0, 1, self._batches, shape.autocast, steps=1000)
        self.context.optimizer = self.method.build_optimizer(parameter_groups(self.model, recipe), self.context)
        self.batch = next(self._batches("epoch"))
        with self.context.autocast():
            self.method.setup(self.context)
        trainable = self.method.phases(recipe)[0].trainable
        for name, parameter in self.model.named_parameters():
            parameter.requires_grad_(trainable is None or trainable(name))
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def _batches(self, _purpose: str) -> Iterator[Batch]:
        """One batch, for the importance pass too: only steps are timed."""
        rows = next(self.method.batches(self.examples, self.shape.batch, np.random.default_rng(0)))
        chosen = [self.examples[row] for row in rows]
        encoded = [self.method.encode_example(self.model, example) for example in chosen]
        yield self.model.collate(encoded, [int(example.label or 0) for example in chosen])

    def step(self) -> None:
        """One optimizer step."""
        context = self.context
        batch = self.method.transform_batch(self.batch, context)
        with context.autocast():
            self.method.backward(self.model, batch, context)
        float(torch.nn.utils.clip_grad_norm_(self.parameters, 1.0))
        self.method.transform_gradients(self.parameters, context)
        context.optimizer.step()
        context.optimizer.zero_grad(set_to_none=True)
        context.step += 1
        context.take_loss()
        self.method.after_step(context)

    def passes(self) -> dict[str, float]:
        """Passes of one step by kind, in batches."""
        before = self.model.passes.counts()
        self.step()
        return {kind: (count - before[kind]) / self.shape.batch for kind, count in self.model.passes.counts().items()}


def texts_of(tokenizer: object, count: int, length: int) -> list[Example]:
    """Texts of known words, each a token of its own, and more of them than fit."""
    spelt = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])  # type: ignore[attr-defined]
    words = sorted({word.strip() for word in spelt if word.strip().isascii() and word.strip().isalpha()})
    words = [word for word in words if len(word) > 2 and word.islower()]
    drawn = np.random.default_rng(0).choice(words, (count, length))
    return [Example(str(row), (" ".join(text),), row % 2) for row, text in enumerate(drawn)]


def time_parts(vanilla: Stepper, seconds: Callable[[Callable[[], object]], float]) -> dict[str, float]:
    """Seconds of a forward, a backward to the inputs, a full backward, and of clipping with the optimizer's step."""
    model, batch, logits = vanilla.model, vanilla.batch, list[torch.Tensor]()
    embeds = model.embed(batch)

    def forward() -> None:
        with vanilla.context.autocast():
            logits.append(model(batch, embeds=embeds))

    def update() -> None:
        torch.nn.utils.clip_grad_norm_(vanilla.parameters, 1.0)
        vanilla.context.optimizer.step()
        vanilla.context.optimizer.zero_grad(set_to_none=True)

    return {
        "forward": seconds(forward),
        "input_backward": seconds(lambda: torch.autograd.grad(logits[0].sum(), embeds, retain_graph=True)),
        "backward": seconds(lambda: logits[0].sum().backward()),
        "update": seconds(update),
    }


def stopwatch(clock: str, device: torch.device) -> Callable[[Callable[[], object]], float]:
    """A timer of calls: ``wall``, or ``cpu`` for the processor's time, which other processes disturb less."""
    now = time.process_time if clock == "cpu" else time.perf_counter
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None

    def seconds(work: Callable[[], object]) -> float:
        wait()
        started = now()
        work()
        wait()
        return now() - started

    return seconds


def random_backbone(folder: Path, layers: int, width: int, vocabulary: int) -> Backbone:
    """Write a RoBERTa with random weights whose tokenizer knows the words of the packaged lexicon."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

    from benchmark.lexicons import lexicon_path
    from benchmark.testing.tiny import PROMPT_WORDS

    with gzip.open(lexicon_path("counterfitted-glove-wordnet"), "rt", encoding="utf-8") as lines:
        words = [line.partition("\t")[0] for line in lines]
    names = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *PROMPT_WORDS, *CLASSES, "terrible", "great"]
    entries = list(dict.fromkeys([*names, *words]))[:vocabulary]
    backend = Tokenizer(models.WordLevel({word: index for index, word in enumerate(entries)}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    around = [("<s>", 0), ("</s>", 2)]
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=around
    )
    roles = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    PreTrainedTokenizerFast(
        tokenizer_object=backend, model_input_names=["input_ids", "attention_mask"], **roles
    ).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=max(1, width // 64),
        intermediate_size=4 * width, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    RobertaForMaskedLM(config).save_pretrained(folder, safe_serialization=True)
    return Backbone(folder.name, f"folder:{folder.name}", "0", folder)


def keep_freed_memory() -> None:
    """Let glibc's malloc keep up to 2 GiB of freed memory, in blocks of up to 32 MiB.

    Where all steps have one shape, the heap can end with a step's activations: malloc then gives them back to the
    kernel after each step, which hands them out again zeroed, page by page. Batches of texts, whose lengths differ,
    do not meet that: the processor's time of a hundred of their steps was the same with and without this.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD
        library.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD
