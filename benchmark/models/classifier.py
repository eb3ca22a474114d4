"""Classifier: how training, attacks and evaluation see every model."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import architecture_of, submodule
from benchmark.models.batch import Batch, Encoded
from benchmark.models.passes import Passes


class Classifier(nn.Module):
    """A Hugging Face encoder with its family's own classification head.

    Attributes:
        passes: Counters of the passes made through the model.
        max_length: Longest input in tokens; longer texts are cut.
    """

    def __init__(self, network: nn.Module, tokenizer: Any, max_length: int) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.passes = Passes()
        self._architecture = architecture_of(self._config.model_type, self._base)

    @classmethod
    def from_pretrained(cls, folder: Path, classes: int, max_length: int) -> Self:
        """Load a pre-trained body and put a fresh head on it, drawn from torch's global generator.

        Args:
            folder: Holds config.json, weights in safetensors and the tokenizer; no pickle, no remote code.
            classes: Number of classes, at least 2.
            max_length: Longest input in tokens.
        """
        from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
        config = AutoConfig.from_pretrained(str(folder), num_labels=classes, trust_remote_code=False)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        config.pad_token_id = tokenizer.pad_token_id
        network = AutoModelForSequenceClassification.from_pretrained(
            str(folder), config=config, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
        return cls(network, tokenizer, max_length)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote."""
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(str(folder), trust_remote_code=False)
        return cls.from_pretrained(folder, config.num_labels, config.temper_max_length)

    def save(self, folder: Path) -> None:
        """Write config.json, model.safetensors and the tokenizer's files."""
        self._config.temper_max_length = self.max_length
        cast(Any, self.network).save_pretrained(str(folder), safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))

    def tokenise(self, texts: Sequence[str]) -> Encoded:
        """Token ids of one example of one or two texts, cut to `max_length`, of two texts the longer one first."""
        encoded = self.tokenizer(*texts, truncation=True, max_length=self.max_length)
        return cast(Encoded, dict(encoded))

    def collate(self, encoded: Sequence[Encoded], labels: Sequence[int] | None = None) -> Batch:
        """Pad encoded examples to the longest and move them to the model's device."""
        padded = self.tokenizer.pad([dict(e) for e in encoded], padding=True, return_tensors="pt")
        targets = None if labels is None else torch.tensor(labels, dtype=torch.long)
        return Batch(dict(padded), targets).to(self.device)

    def encode(self, texts: Sequence[Sequence[str]], labels: Sequence[int] | None = None) -> Batch:
        """Tokenise and pad several examples, each of one or two texts."""
        return self.collate([self.tokenise(t) for t in texts], labels)

    def embed(self, batch: Batch) -> Tensor:
        """Output of the embedding layer, shape (batch, length, width), with its graph.

        Where the family normalises and drops out in the embedding layer (all but XLNet), both are done.
        """
        caught: list[Tensor] = []

        def stop(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            caught.append(output)
            raise _EmbeddingReached

        parent, name = self._embedding
        handle = getattr(parent, name).register_forward_hook(stop)
        try:
            self.network(**batch.tokens)
        except _EmbeddingReached:
            return self._turned(caught[0])
        finally:
            handle.remove()
        raise RuntimeError(f"{type(self.network).__name__} never called its embedding layer {name!r}.")

    def embed_words(self, batch: Batch) -> Tensor:
        """Word embeddings of the tokens, before positions and normalisation, shape (batch, length, width)."""
        parent, name = self._words
        embedded: Tensor = getattr(parent, name)(batch.tokens["input_ids"])
        return embedded

    def forward(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Logits in float32 (float64 for a model in float64), shape (batch, classes).

        Args:
            batch: Tokenised examples; the attention mask is always passed on.
            embeds: Output of the embedding layer to go on from, shape (batch, length, width), instead of embedding
                the token ids.
            words: Word embeddings to go on from, of the same shape; the rest of the embedding layer still runs.
        """
        with self._going_on_from(embeds, words):
            logits: Tensor = self.network(**batch.tokens).logits
        return self.passes.watch(_at_least_float32(logits))

    def features(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Last hidden state of the token that the head reads, float32, shape (batch, width)."""
        with self._going_on_from(embeds, words):
            hidden: Tensor = self._base(**batch.tokens).last_hidden_state
        return self.passes.watch(_at_least_float32(self.summary(batch, hidden)))

    def summary(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Of hidden states of shape (batch, length, width), that of the token that the head reads: (batch, width)."""
        if self._architecture.summary == "first":
            return hidden[:, 0]
        # The last real token: padding may stand on either side.
        positions = torch.arange(hidden.shape[1], device=hidden.device) * batch.attention_mask
        return hidden[torch.arange(len(batch), device=hidden.device), positions.argmax(dim=1)]

    @contextmanager
    def watching_hidden(self) -> Iterator["Hidden"]:
        """Inside, each pass leaves its first and last hidden states, with their graph, in the object yielded."""
        seen = Hidden()

        def first(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            seen.first = self._turned(output)

        def last(_module: nn.Module, _inputs: object, output: Any) -> None:
            seen.last = output.last_hidden_state

        def begin(_module: nn.Module, _inputs: object) -> None:
            seen.first = seen.last = None

        parent, name = self._embedding
        with ExitStack() as stack:
            stack.callback(getattr(parent, name).register_forward_hook(first).remove)
            stack.callback(self._base.register_forward_pre_hook(begin).remove)
            stack.callback(self._base.register_forward_hook(last).remove)
            yield seen

    def penultimate(self, batch: Batch) -> Tensor:
        """What the output layer would see, float32, shape (batch, width): the features of a linear probe."""
        with _replaced(*self._output, nn.Identity()):
            return self.forward(batch)

    @property
    def output_layer(self) -> nn.Linear:
        """The head's last linear map: its outputs are the logits."""
        parent, name = self._output
        return cast(nn.Linear, getattr(parent, name))

    @property
    def body(self) -> nn.Module:
        """The pre-trained encoder, without the head on it."""
        return self._base

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks, first to last; ALBERT's shared group counts once."""
        parent, name = submodule(self._base, self._architecture.blocks)
        return list(getattr(parent, name))

    @property
    def word_table(self) -> Tensor:
        """The table of word embeddings, shape (words, width), without its graph; it is the parameter's own memory."""
        parent, name = self._words
        table: Tensor = getattr(parent, name).weight
        return table.detach()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self._config.num_labels)

    @property
    def _config(self) -> Any:
        return cast(Any, self.network).config

    @property
    def _base(self) -> nn.Module:
        return cast(nn.Module, cast(Any, self.network).base_model)

    @property
    def _embedding(self) -> tuple[nn.Module, str]:
        return submodule(self._base, self._architecture.embedding)

    @property
    def _words(self) -> tuple[nn.Module, str]:
        return submodule(self._base, self._architecture.words)

    @property
    def _output(self) -> tuple[nn.Module, str]:
        body = set(self._base.modules())
        linear = [n for n, m in self.network.named_modules() if isinstance(m, nn.Linear) and m not in body]
        return submodule(self.network, linear[-1])

    def _turned(self, embeds: Tensor) -> Tensor:
        """Between our (batch, length, width) and the family's own order; its own inverse."""
        return embeds.transpose(0, 1) if self._architecture.time_major else embeds

    @contextmanager
    def _going_on_from(self, embeds: Tensor | None, words: Tensor | None) -> Iterator[None]:
        """Put modules that return the given tensors in place of those that would have made them.

        The look-up that nobody needs, and its dropout, are skipped that way.
        """
        with ExitStack() as stack:
            if embeds is not None:
                stack.enter_context(_replaced(*self._embedding, _Given(self._turned(embeds))))
            if words is not None:
                stack.enter_context(_replaced(*self._words, _Given(self._turned(words))))
            yield


@contextmanager
def _replaced(parent: nn.Module, name: str, module: nn.Module) -> Iterator[None]:
    original = getattr(parent, name)
    setattr(parent, name, module)
    try:
        yield
    finally:
        setattr(parent, name, original)


@dataclass
class Hidden:
    """Hidden states of the latest pass, each of shape (batch, length, width).

    Attributes:
        first: Output of the embedding layer; None before a pass, and after one that was given this very output.
        last: Output of the last block, before the head.
    """

    first: Tensor | None = None
    last: Tensor | None = None


class _EmbeddingReached(Exception):  # noqa: N818 - a signal, not an error
    """Unwinds a forward pass once the embedding layer has answered."""


class _Given(nn.Module):
    """Answers with a tensor whatever it is asked."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output

    def forward(self, *_args: object, **_kwargs: object) -> Tensor:
        """The tensor."""
        return self.output


def _at_least_float32(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
