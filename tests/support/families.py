"""Every family's real classes at a tiny size, and a few steps of a method on one of them, looked at closely."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.suites import Recipe
from benchmark.training import Context, Method
from benchmark.training.optimization import parameter_groups
from tests.models.test_classifier import tiny_network
from tests.support.tiny import WORDS, sentences

FAMILIES = (
    "albert", "bert", "deberta", "deberta-v2", "distilbert", "electra", "gemma", "gpt2", "llama", "modernbert",
    "mpnet", "roberta", "xlnet",
)  # fmt: skip
BARE = ("gemma", "llama", "modernbert")
"""Families without biases and without dropout."""
REFUSED = {
    **dict.fromkeys(("bitfit", "r_drop", "rose-ensemble", "rose-first"), BARE),
    "dora": ("xlnet",),
    "lora": ("xlnet",),
    "mixup": ("gemma", "gpt2", "llama", "xlnet"),
    "mvp": ("xlnet",),
}
"""Families that a method refuses with its defaults. The methods' tests train the others; docs/methods.md shows both."""

_WITHOUT_TYPES = {"distilbert", "gemma", "gpt2", "llama", "modernbert", "mpnet", "roberta"}
BATCH, BATCHES, STEPS = 4, 3, 3

Values = dict[str, Tensor]


@dataclass
class Step:
    """One optimizer step: gradients as `backward` left them and as the optimizer saw them, weights around it."""

    raw: Values
    seen: Values
    before: Values
    after: Values


@dataclass
class Run:
    """A model before and after a few steps of a method.

    Attributes:
        start: Weights before `setup`.
        moved: Deltas that `Context.perturbed` was given, by name, in order.
    """

    model: Classifier
    method: Method
    start: Values
    steps: list[Step] = field(default_factory=list)
    moved: list[Values] = field(default_factory=list)
    passes: dict[str, float] = field(default_factory=dict)

    @property
    def table(self) -> str:
        """Name of the table of word embeddings."""
        return table_name(self.model)

    @property
    def blocks(self) -> set[str]:
        """Names of the blocks' parameters."""
        inside = {p for block in self.model.blocks for p in block.parameters()}
        return {name for name, p in self.model.named_parameters() if p in inside}

    @property
    def body(self) -> set[str]:
        """Names of the body's parameters."""
        inside = set(self.model.body.parameters())
        return {name for name, p in self.model.named_parameters() if p in inside}


def family_model(family: str, backbone: Path, *, types: bool = True) -> Classifier:
    """A tiny classifier of a family, fed as by its own tokenizer: token types where it has them, XLNet padded left."""
    tokenizer = Classifier.from_pretrained(backbone, 2, 16).tokenizer
    names = ["input_ids", "attention_mask", "token_type_ids"]
    tokenizer.model_input_names = names[: 3 if types and family not in _WITHOUT_TYPES else 2]
    tokenizer.padding_side = "left" if family == "xlnet" else "right"
    return Classifier(tiny_network(family), tokenizer, 16)


def table_name(model: Classifier) -> str:
    """Return the name of the table of word embeddings among a model's parameters."""
    place = model.word_table.data_ptr()
    return next(name for name, p in model.named_parameters() if p.data_ptr() == place)


def run_steps(make: Callable[[], Method], model: Classifier) -> Run:
    """Do what the loop does: the first phase's set-up, an epoch of `STEPS` steps, its end, and one more step."""
    torch.manual_seed(5)
    method, batches = make(), list(_batches(model.train()))
    method.adapt_model(model)
    context = Context(model, Recipe(epochs=2, batch_size=BATCH, learning_rate=1e-3), 0, 2, lambda _p: iter(batches))
    context.steps = STEPS + 1
    run = Run(model, method, _weights(model))
    groups = parameter_groups(model, context.recipe)
    context.optimizer = method.build_optimizer([{**g, "weight_decay": 0.0} for g in groups], context)
    method.setup(context)
    trainable = method.phases(context.recipe)[0].trainable
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trainable is None or trainable(name))
    before = model.passes.counts()
    with _watched(context, run):
        for number in range(STEPS):
            run.steps.append(_step(method, batches[number % BATCHES], context))
    counted = {key: value - before[key] for key, value in model.passes.counts().items()}
    run.passes = {key: value / (STEPS * BATCH) for key, value in counted.items()}
    context.epoch = 1
    method.on_epoch_end(context)
    run.steps.append(_step(method, batches[0], context))
    return run


def _step(method: Method, batch: Batch, context: Context) -> Step:
    model, before = context.model, _weights(context.model)
    method.backward(model, method.transform_batch(batch, context), context)
    assert 0 < context.take_loss() < 20
    raw = _gradients(model)
    # What was perturbed or spied on is as it was.
    assert all(torch.equal(before[name], value) for name, value in _weights(model).items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert all(m.training for m in model.modules())
    method.transform_gradients(list(model.parameters()), context)
    seen = _gradients(model)
    context.optimizer.step()
    context.optimizer.zero_grad(set_to_none=True)
    context.step += 1
    method.after_step(context)
    return Step(raw, seen, before, _weights(model))


def _batches(model: Classifier) -> Iterator[Batch]:
    pairs = sentences(BATCH * BATCHES, seed=5)
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        yield model.encode([(text,) for text, _ in part], [label for _, label in part])


def _weights(model: Classifier) -> Values:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def _gradients(model: Classifier) -> Values:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@contextmanager
def _watched(context: Context, run: Run) -> Iterator[None]:
    """Note what weights are perturbed by."""
    names, perturbed = {p: name for name, p in context.model.named_parameters()}, context.perturbed

    def watching(deltas):
        run.moved.append({names[p]: delta.clone() for p, delta in deltas.items()})
        return perturbed(deltas)

    context.perturbed = watching  # type: ignore[method-assign]
    try:
        yield
    finally:
        del context.perturbed


def write_tiny_family(family: str, folder: Path) -> Path:
    """Write a tiny pre-trained body of a family with a tokenizer of one token a word, laid out as the family's own."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import AutoModel, PreTrainedTokenizerFast

    special = {"unk_token": "<unk>", "cls_token": "<cls>", "sep_token": "<sep>", "pad_token": "<pad>"}
    words = Tokenizer(models.WordLevel({w: i for i, w in enumerate([*special.values(), *WORDS])}, unk_token="<unk>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    layout = {"xlnet": "$A:0 <sep>:0 <cls>:2"}.get(family, "$A:0")
    words.post_processor = processors.TemplateProcessing(single=layout, special_tokens=[("<cls>", 1), ("<sep>", 2)])
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if family == "xlnet" else [])]
    side = "left" if family == "xlnet" else "right"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side=side, model_input_names=names, model_max_length=64, **special
    )
    tokenizer.save_pretrained(folder)
    AutoModel.from_config(tiny_network(family).config).save_pretrained(folder, safe_serialization=True)
    return folder
