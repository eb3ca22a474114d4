"""Classifier: the interface of every model to training, attacks and evaluation."""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import ChildModule, architecture_of, last_linear, submodule
from benchmark.models.batch import Batch, Encoded, padded_rows
from benchmark.models.forward_hooks import (
    ConstantOutput,
    HiddenStates,
    at_least_float32,
    first_output,
    first_outputs,
    replaced,
    replaying,
    watching,
)
from benchmark.models.pass_counter import Passes
from benchmark.models.pretrained import (
    load_config,
    load_tokenizer,
    load_with_head,
    placeholder_token,
    quiet_transformers,
)
from benchmark.schema.errors import UsageError


class Classifier(nn.Module):
    """A Hugging Face encoder or decoder with its family's own classification head.

    The head of a decoder reads the last token of the attention mask. The library's code looks for the last token that
    is not the padding token, which skips a real end-of-text token if the tokenizer pads with it.

    Attributes:
        passes: Counters of the passes through the model.
        max_length: Maximum input length in tokens; longer texts are truncated.
        attend_padding: Whether the network gets a mask of ones, as in RoAST's released code; saved with the model.
            `Batch.attention_mask` stays the real one.
        has_input_gradients: Whether `embed` exists, so that a loss has a gradient with respect to its result.
    """

    has_input_gradients: ClassVar[bool] = True

    def __init__(self, network: nn.Module, tokenizer: Any, max_length: int) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.passes = Passes()
        self.attend_padding = False
        self._architecture = architecture_of(self._config.model_type, self.body)
        # Positions follow the mask, so that padding on the left changes nothing.
        accepted = inspect.signature(network.forward).parameters
        self._takes_positions = self._architecture.causal and "position_ids" in accepted
        if self._architecture.causal:
            # Padding gets no gradient, and the padding token may also be a real one, which learns.
            getattr(*self._words).padding_idx = None

    @classmethod
    def from_pretrained(cls, folder: Path, classes: int, max_length: int) -> Self:
        """Load a pre-trained body with a new head, initialised from torch's global generator.

        Args:
            folder: Holds config.json, weights in safetensors and the tokenizer. Neither pickle files nor remote code
                are loaded.
            classes: Number of classes, at least 2.
            max_length: Maximum input length in tokens.
        """
        tokenizer, config = load_tokenizer(folder), load_config(folder, num_labels=classes)
        config.pad_token_id = tokenizer.pad_token_id
        return cls(load_with_head(folder, config), tokenizer, max_length)

    def save(self, folder: Path) -> None:
        """Write config.json, model.safetensors and the tokenizer's files."""
        self._config.temper_max_length = self.max_length
        if self.attend_padding:
            self._config.temper_attend_padding = True
        with quiet_transformers():
            cast(Any, self.network).save_pretrained(str(folder), safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))

    def name_classes(self, names: Sequence[str]) -> None:
        """Store the class names in the configuration, in place of the backbone's own.

        Args:
            names: One per class, in the order of the class numbers.
        """
        self._config.id2label = dict(enumerate(names))
        self._config.label2id = {name: number for number, name in enumerate(names)}
        # Distinguishes these names from a backbone's own, which models of earlier versions still hold.
        self._config.temper_named_classes = True

    def tokenise(self, texts: Sequence[str]) -> Encoded:
        """Tokenise one example of one or two texts, truncated to `max_length`, the longer text first.

        There is always at least one token: if the family adds none to an empty text, the start token is used. The
        logits of an empty text then do not depend on the rest of the batch.
        """
        encoded = dict(self.tokenizer(*self.normalised(texts), truncation=True, max_length=self.max_length))
        if not encoded["input_ids"]:
            values = {"input_ids": placeholder_token(self.tokenizer), "attention_mask": 1}
            encoded = {name: [values.get(name, 0)] for name in encoded}
        return cast(Encoded, encoded)

    def normalised(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the texts as the tokenizer gets them; by default they are unchanged."""
        return texts

    def collate(self, encoded: Sequence[Encoded], labels: Sequence[int] | None = None) -> Batch:
        """Pad encoded examples to the longest, on the family's side, and move them to the model's device.

        Entries of an example that are not inputs of the model, with one number per token, become the batch's `marks`.
        """
        side = self._architecture.padding_side
        inputs = set(self.tokenizer.model_input_names)
        known = [{name: numbers for name, numbers in e.items() if name in inputs} for e in encoded]
        padded = self.tokenizer.pad(known, padding=True, padding_side=side, return_tensors="pt")
        targets = None if labels is None else torch.tensor(labels, dtype=torch.long)
        marked = [name for name in encoded[0] if name not in inputs]
        marks = {name: padded_rows([e[name] for e in encoded], side) for name in marked}
        return Batch(dict(padded), targets, marks).to(self.device)

    def encode(self, texts: Sequence[Sequence[str]], labels: Sequence[int] | None = None) -> Batch:
        """Tokenise and pad several examples, each of one or two texts."""
        return self.collate([self.tokenise(t) for t in texts], labels)

    def embed(self, batch: Batch) -> Tensor:
        """Compute the output of the embedding layer, shape (batch, length, width), with its graph.

        It includes the scale, normalisation and dropout of the embedding layer (in all families but XLNet).
        """
        return self._embedded(first_output(getattr(*self._embedding), lambda: self.network(**self._inputs(batch))))

    def embed_words(self, batch: Batch) -> Tensor:
        """Look up the tokens' word embeddings, before scale, positions and normalisation, (batch, length, width)."""
        embedded: Tensor = getattr(*self._words)(batch.tokens["input_ids"])
        inside, _ = self._scales
        return embedded if inside == 1.0 else embedded / inside

    def forward(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Compute logits in float32 (float64 for a model in float64), shape (batch, classes).

        Args:
            batch: Tokenised examples.
            embeds: Output of the embedding layer to start from, shape (batch, length, width), instead of embedding
                the token ids.
            words: Word embeddings to start from, of the same shape; the rest of the embedding layer still runs.
        """
        with self._starting_from(embeds, words):
            if self._architecture.causal:
                hidden: Tensor = self.body(**self._inputs(batch)).last_hidden_state
                logits: Tensor = cast(Any, self.network).score(self.summary(batch, hidden))
            else:
                logits = self.network(**self._inputs(batch)).logits
        return self.passes.watch(at_least_float32(logits))

    def features(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Compute the last hidden state of the token (or the mean) that the head reads, float32, (batch, width)."""
        with self._starting_from(embeds, words):
            hidden: Tensor = self.body(**self._inputs(batch)).last_hidden_state
        return self.passes.watch(at_least_float32(self.summary(batch, hidden)))

    def summary(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Select the head's token from hidden states of shape (batch, length, width); returns (batch, width).

        It is the mean over the tokens if the configuration says so (`classifier_pooling` of ModernBERT).
        """
        if self._reads_mean:
            mask = self._inputs(batch)["attention_mask"].unsqueeze(-1)
            return (hidden * mask).sum(dim=1) / mask.sum(dim=1)
        if self._architecture.summary == "first":
            return hidden[:, 0]
        # Find the last real token; padding may be on either side.
        positions = torch.arange(hidden.shape[1], device=hidden.device) * batch.attention_mask
        return hidden[torch.arange(len(batch), device=hidden.device), positions.argmax(dim=1)]

    def forward_edited(self, batch: Batch, layer: int, edit: Callable[[Tensor], Tensor], after: Tensor) -> Tensor:
        """Compute logits from hidden states that are changed after a layer; float32, shape (batch, classes).

        Args:
            batch: Tokenised examples.
            layer: Number of transformer layers before the change, from 1 to `depth`.
            edit: Gets the layer's output, shape (batch, length, width), and returns the new one.
            after: Attention mask of the layers after the change, shape (batch, length).
        """
        outputs = first_outputs(self.blocks, layer, lambda: self.network(**self._inputs(batch)))
        # Most families' blocks return a tuple that begins with the hidden states.
        last = (outputs[-1],) if isinstance(outputs[-1], Tensor) else outputs[-1]
        edited = (self._batch_major(edit(self._batch_major(last[0]))), *last[1:])
        outputs[-1] = edited[0] if isinstance(outputs[-1], Tensor) else edited
        with replaying(self.blocks, outputs):
            logits: Tensor = self(batch.with_tokens(attention_mask=after))
        return logits

    def watching_hidden(self) -> AbstractContextManager[HiddenStates]:
        """Record the first and last hidden states of each pass, with their graph, in the yielded object."""
        return watching(getattr(*self._embedding), self.body, self._embedded)

    def penultimate(self, batch: Batch) -> Tensor:
        """Compute the input of the output layer, float32, shape (batch, width): the features of a linear probe."""
        with replaced(*self._output, nn.Identity()):
            return self.forward(batch)

    @property
    def feature_width(self) -> int:
        """Width of the features of `penultimate`."""
        return int(getattr(*self._output).in_features)

    @property
    def output_layer(self) -> nn.Linear:
        """Last linear layer of the head, whose outputs are the logits."""
        return cast(nn.Linear, getattr(*self._output))

    @property
    def body(self) -> nn.Module:
        """Pre-trained encoder or decoder without the head."""
        network = cast(Any, self.network)
        # The language model of Gemma 3 declares another name for its body than it has.
        return cast(nn.Module, network.model if network.base_model is network else network.base_model)

    @property
    def blocks(self) -> list[nn.Module]:
        """Transformer blocks, first to last; ALBERT's shared group counts once."""
        return list(getattr(*submodule(self.body, self._architecture.blocks)))

    @property
    def depth(self) -> int:
        """Number of transformer layers that a pass goes through; more than `blocks` in ALBERT."""
        return int(self._config.num_hidden_layers)

    @property
    def reads_first_token(self) -> bool:
        """Whether the head reads the first token of every text."""
        return self._architecture.summary == "first" and not self._reads_mean

    def require_dropout(self, method: str) -> None:
        """Check that two passes in train mode can differ.

        Args:
            method: Name of the method that compares them, for the message.

        Raises:
            UsageError: the configuration has no dropout, as those of ModernBERT and of most decoders.
        """
        settings: dict[str, Any] = self._config.to_dict()
        if not any("drop" in name and isinstance(value, float) and value > 0 for name, value in settings.items()):
            raise UsageError(
                f"{method} compares two passes that differ in their dropout, and this {self.family} model has none. "
                "Use another method, or set a dropout probability, such as attention_dropout, in its config.json."
            )

    def linear_layers(self, part: Literal["query_value", "linear"]) -> list[str]:
        """Return the names in `network` of the blocks' linear layers: of queries and values, or all.

        Raises:
            UsageError: the family has no such layers, or they are unknown.
        """
        patterns = self._architecture.query_value if part == "query_value" else ("*",)
        chosen = {
            layer
            for block in self.blocks
            for name, layer in block.named_modules()
            # GPT-2 has the library's Conv1D, which is a linear layer with its weight transposed.
            if isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }
        if not chosen:
            raise UsageError(
                f"Model family {self.family!r} has no linear layers that are known to compute queries and values. "
                "Choose all linear layers of the blocks, or add `query_value` to its row in "
                "benchmark/models/architectures.py."
            )
        return [name for name, layer in self.network.named_modules() if layer in chosen]

    @property
    def word_table(self) -> Tensor:
        """Table of word embeddings, shape (words, width), detached; it shares the parameter's memory."""
        table: Tensor = getattr(*self._words).weight
        return table.detach()

    @property
    def family(self) -> str:
        """Model family, such as "bert": ``model_type`` of the configuration."""
        return str(self._config.model_type)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return next(self.parameters()).device

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self._config.num_labels)

    @property
    def _config(self) -> Any:
        return cast(Any, self.network).config

    @property
    def _reads_mean(self) -> bool:
        return getattr(self._config, "classifier_pooling", None) == "mean"

    @property
    def _scales(self) -> tuple[float, float]:
        """Factors of the word embeddings inside the family's embedding module, and after it.

        The scale of Gemma is in the code of the model, that of Gemma 3 in its embedding module.
        """
        if not self._architecture.scaled_words:
            return 1.0, 1.0
        scale = math.sqrt(self._config.hidden_size)
        return (scale, 1.0) if hasattr(getattr(*self._embedding), "embed_scale") else (1.0, scale)

    @property
    def _embedding(self) -> ChildModule:
        return submodule(self.body, self._architecture.embedding)

    @property
    def _words(self) -> ChildModule:
        return submodule(self.body, self._architecture.words)

    @property
    def _output(self) -> ChildModule:
        return last_linear(self.network, self.body)

    @contextmanager
    def reading_mask(self) -> Iterator[None]:
        """Mask padding inside the context, also if `attend_padding` is set."""
        before, self.attend_padding = self.attend_padding, False
        try:
            yield
        finally:
            self.attend_padding = before

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        """Return the network's inputs."""
        tokens = batch.tokens
        if self.attend_padding:
            tokens = {**tokens, "attention_mask": torch.ones_like(batch.attention_mask)}
        if self._takes_positions:
            tokens = {**tokens, "position_ids": (tokens["attention_mask"].cumsum(dim=1) - 1).clamp(min=0)}
        return tokens

    def _embedded(self, output: Tensor) -> Tensor:
        """Convert the output of the embedding module to that of the embedding layer, (batch, length, width)."""
        _, after = self._scales
        embeds = self._batch_major(output)
        return embeds if after == 1.0 else embeds * after

    def _batch_major(self, embeds: Tensor) -> Tensor:
        """Convert between (batch, length, width) and the family's own order; the function is its own inverse."""
        return embeds.transpose(0, 1) if self._architecture.time_major else embeds

    @contextmanager
    def _starting_from(self, embeds: Tensor | None, words: Tensor | None) -> Iterator[None]:
        """Replace the embedding modules by modules that return the given tensors.

        This also skips the unnecessary look-up and its dropout.
        """
        inside, after = self._scales
        with ExitStack() as stack:
            for child, tensor, factor in ((self._embedding, embeds, 1.0 / after), (self._words, words, inside)):
                if tensor is not None:
                    output = tensor if factor == 1.0 else tensor * factor
                    stack.enter_context(replaced(*child, ConstantOutput(self._batch_major(output))))
            yield
