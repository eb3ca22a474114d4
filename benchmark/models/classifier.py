"""Classifier: how training, attacks and evaluation see every model."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import Place, architecture_of, last_linear, submodule
from benchmark.models.batch import Batch, Encoded, padded_rows
from benchmark.models.passes import Passes
from benchmark.models.pretrained import load_config, load_tokenizer, load_with_head, placeholder_token
from benchmark.models.splicing import Given, Hidden, at_least_float32, first_answer, replaced, watching


class Classifier(nn.Module):
    """A Hugging Face encoder with its family's own classification head.

    Attributes:
        passes: Counters of the passes made through the model.
        max_length: Longest input in tokens; longer texts are cut.
        attend_padding: Whether the network is given a mask of ones, as in RoAST's released code; saved with the
            model. `Batch.attention_mask` stays the real one.
    """

    def __init__(self, network: nn.Module, tokenizer: Any, max_length: int) -> None:
        super().__init__()
        self.network = network
        self.tokenizer = tokenizer
        self.max_length = max_length
        self.passes = Passes()
        self.attend_padding = False
        self._architecture = architecture_of(self._config.model_type, self.body)

    @classmethod
    def from_pretrained(cls, folder: Path, classes: int, max_length: int) -> Self:
        """Load a pre-trained body and put a fresh head on it, drawn from torch's global generator.

        Args:
            folder: Holds config.json, weights in safetensors and the tokenizer; no pickle, no remote code.
            classes: Number of classes, at least 2.
            max_length: Longest input in tokens.
        """
        tokenizer, config = load_tokenizer(folder), load_config(folder, num_labels=classes)
        config.pad_token_id = tokenizer.pad_token_id
        return cls(load_with_head(folder, config), tokenizer, max_length)

    @staticmethod
    def load(folder: Path) -> "Classifier":
        """Load what `save` wrote, whichever kind of classifier wrote it."""
        config = load_config(folder)
        prompt = getattr(config, "temper_prompt", None)
        if prompt is not None:
            from benchmark.models.prompt_classifier import PromptClassifier

            model: Classifier = PromptClassifier.restore(folder, prompt)
        else:
            model = Classifier.from_pretrained(folder, config.num_labels, config.temper_max_length)
        model.attend_padding = getattr(config, "temper_attend_padding", False)
        return model

    def save(self, folder: Path) -> None:
        """Write config.json, model.safetensors and the tokenizer's files."""
        self._config.temper_max_length = self.max_length
        if self.attend_padding:
            self._config.temper_attend_padding = True
        cast(Any, self.network).save_pretrained(str(folder), safe_serialization=True)
        self.tokenizer.save_pretrained(str(folder))

    def name_classes(self, names: Sequence[str]) -> None:
        """Keep the names of the classes in the configuration, in place of those that the backbone came with.

        Args:
            names: One per class, in the order of the class numbers.
        """
        self._config.id2label = dict(enumerate(names))
        self._config.label2id = {name: number for number, name in enumerate(names)}
        # Tells these names from a backbone's own, which models trained by earlier versions still carry.
        self._config.temper_named_classes = True

    def tokenise(self, texts: Sequence[str]) -> Encoded:
        """Tokenise one example of one or two texts, cut to `max_length`, of two texts the longer one first.

        There is always at least one token: where the family adds none of its own to an empty text, that is the token
        that starts a text, so that an empty text has an answer that does not depend on the rest of the batch.
        """
        encoded = dict(self.tokenizer(*self.normalised(texts), truncation=True, max_length=self.max_length))
        if not encoded["input_ids"]:
            values = {"input_ids": placeholder_token(self.tokenizer), "attention_mask": 1}
            encoded = {name: [values.get(name, 0)] for name in encoded}
        return cast(Encoded, encoded)

    def normalised(self, texts: Sequence[str]) -> Sequence[str]:
        """Texts as the tokenizer gets them: by default as they are."""
        return texts

    def collate(self, encoded: Sequence[Encoded], labels: Sequence[int] | None = None) -> Batch:
        """Pad encoded examples to the longest, on the family's own side, and move them to the model's device.

        What an example holds next to the model's inputs, a number per token, becomes the batch's `marks`.
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
        """Output of the embedding layer, shape (batch, length, width), with its graph.

        Where the family normalises and drops out in the embedding layer (all but XLNet), both are done.
        """
        return self._turned(first_answer(getattr(*self._embedding), lambda: self.network(**self._inputs(batch))))

    def embed_words(self, batch: Batch) -> Tensor:
        """Word embeddings of the tokens, before positions and normalisation, shape (batch, length, width)."""
        embedded: Tensor = getattr(*self._words)(batch.tokens["input_ids"])
        return embedded

    def forward(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Logits in float32 (float64 for a model in float64), shape (batch, classes).

        Args:
            batch: Tokenised examples; an attention mask is always passed on.
            embeds: Output of the embedding layer to go on from, shape (batch, length, width), instead of embedding
                the token ids.
            words: Word embeddings to go on from, of the same shape; the rest of the embedding layer still runs.
        """
        with self._going_on_from(embeds, words):
            logits: Tensor = self.network(**self._inputs(batch)).logits
        return self.passes.watch(at_least_float32(logits))

    def features(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Last hidden state of the token that the head reads, float32, shape (batch, width)."""
        with self._going_on_from(embeds, words):
            hidden: Tensor = self.body(**self._inputs(batch)).last_hidden_state
        return self.passes.watch(at_least_float32(self.summary(batch, hidden)))

    def summary(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Of hidden states of shape (batch, length, width), that of the token that the head reads: (batch, width)."""
        if self._architecture.summary == "first":
            return hidden[:, 0]
        # The last real token: padding may stand on either side.
        positions = torch.arange(hidden.shape[1], device=hidden.device) * batch.attention_mask
        return hidden[torch.arange(len(batch), device=hidden.device), positions.argmax(dim=1)]

    def watching_hidden(self) -> AbstractContextManager[Hidden]:
        """Inside, each pass leaves its first and last hidden states, with their graph, in the object yielded."""
        return watching(getattr(*self._embedding), self.body, self._turned)

    def penultimate(self, batch: Batch) -> Tensor:
        """What the output layer would see, float32, shape (batch, width): the features of a linear probe."""
        with replaced(*self._output, nn.Identity()):
            return self.forward(batch)

    @property
    def output_layer(self) -> nn.Linear:
        """The head's last linear map: its outputs are the logits."""
        return cast(nn.Linear, getattr(*self._output))

    @property
    def body(self) -> nn.Module:
        """The pre-trained encoder, without the head on it."""
        return cast(nn.Module, cast(Any, self.network).base_model)

    @property
    def blocks(self) -> list[nn.Module]:
        """The transformer blocks, first to last; ALBERT's shared group counts once."""
        return list(getattr(*submodule(self.body, self._architecture.blocks)))

    @property
    def word_table(self) -> Tensor:
        """The table of word embeddings, shape (words, width), without its graph; it is the parameter's own memory."""
        table: Tensor = getattr(*self._words).weight
        return table.detach()

    @property
    def family(self) -> str:
        """The network's kind, such as "bert": ``model_type`` of its configuration."""
        return str(self._config.model_type)

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
    def _embedding(self) -> Place:
        return submodule(self.body, self._architecture.embedding)

    @property
    def _words(self) -> Place:
        return submodule(self.body, self._architecture.words)

    @property
    def _output(self) -> Place:
        return last_linear(self.network, self.body)

    @contextmanager
    def reading_mask(self) -> Iterator[None]:
        """Inside, padding is not attended to, whatever `attend_padding` says."""
        before, self.attend_padding = self.attend_padding, False
        try:
            yield
        finally:
            self.attend_padding = before

    def _inputs(self, batch: Batch) -> dict[str, Tensor]:
        """What the network is given."""
        if not self.attend_padding:
            return batch.tokens
        return {**batch.tokens, "attention_mask": torch.ones_like(batch.attention_mask)}

    def _turned(self, embeds: Tensor) -> Tensor:
        """Between our (batch, length, width) and the family's own order; its own inverse."""
        return embeds.transpose(0, 1) if self._architecture.time_major else embeds

    @contextmanager
    def _going_on_from(self, embeds: Tensor | None, words: Tensor | None) -> Iterator[None]:
        """Put modules that return the given tensors in place of those that would have made them.

        The look-up that nobody needs, and its dropout, are skipped that way.
        """
        with ExitStack() as stack:
            for place, tensor in ((self._embedding, embeds), (self._words, words)):
                if tensor is not None:
                    stack.enter_context(replaced(*place, Given(self._turned(tensor))))
            yield
