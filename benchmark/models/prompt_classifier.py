"""PromptClassifier: a language model that names the class with a word, with the interface of `Classifier`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from benchmark.models.architectures import family_facts
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.models.forward_hooks import at_least_float32, replaced
from benchmark.models.masked_lm import load_masked_lm, logits_at, packaged_head
from benchmark.models.pretrained import load_causal_lm, load_config, load_tokenizer
from benchmark.models.prompt import SLOT, Prompt, Template
from benchmark.models.text_classifiers import load_text_classifier
from benchmark.schema.errors import UsageError


class PromptClassifier(Classifier):
    """A masked or causal language model with templates around the text and label words as classes.

    Each example becomes one sequence per template, in adjacent rows of a batch: tokens, embeddings, hidden states and
    the pass counters have `Batch.sequences` rows per example, logits and features one. A class's logit is that of its
    most probable label word in the slot, averaged over templates (the prompts of MVP, Raman et al., EMNLP 2023). Only
    the slot's hidden state and only label words go through the head. Texts are lower-cased, as in that work.

    Attributes:
        prompt: Templates and label words.
        max_length: Maximum text length in tokens, which leaves room for the longest template.
    """

    _label_tokens: Tensor

    def __init__(self, network: nn.Module, tokenizer: Any, max_length: int, prompt: Prompt) -> None:
        causal = family_facts(cast(Any, network).config.model_type).causal
        templating = TemplateEncoder(tokenizer, prompt, causal=causal)
        tokens = label_tokens(tokenizer, prompt, causal=causal)
        super().__init__(network, tokenizer, max_length - templating.longest)
        if self.max_length < tokenizer.num_special_tokens_to_add(pair=True) + 2:
            raise UsageError(
                f"The templates take up to {templating.longest} of max_length {max_length} tokens, which leaves no "
                "room for a text. Raise max_length in a copy of the suite, or choose shorter templates."
            )
        self.prompt, self._templating, self._causal = prompt, templating, causal
        self._words_per_class = [len(own) for own in tokens]
        self.register_buffer("_label_tokens", torch.tensor([t for own in tokens for t in own]), persistent=False)

    @classmethod
    def from_backbone(cls, backbone: Backbone, prompt: Prompt, max_length: int) -> Self:
        """Load a pre-trained language model with its own head, or with the packaged one.

        Args:
            backbone: The model.
            prompt: Templates and label words.
            max_length: Maximum input length in tokens, including the template.

        Raises:
            UsageError: it has no head that predicts words, a class has no label word, or a text has no room.
        """
        try:
            network = _language_model(backbone.path, packaged_head(backbone))
        except UsageError as error:
            # Records store this reason, so replace the path on this machine.
            raise UsageError(str(error).replace(str(backbone.path), backbone.name)) from error
        return cls(network, load_tokenizer(backbone.path), max_length, prompt)

    @classmethod
    def restore(cls, folder: Path, saved: Any) -> Self:
        """Load what `save` wrote, from its entry in the configuration; call it through `load_classifier`."""
        prompt = Prompt.of(saved["templates"], saved["words"], saved.get("causal", ()))
        return cls(_language_model(folder, None), load_tokenizer(folder), saved["max_length"], prompt)

    def save(self, folder: Path) -> None:
        """Write config.json with the prompt in it, model.safetensors and the tokenizer's files."""
        self._config.temper_prompt = {**self.prompt.plain(), "max_length": self.max_length + self._templating.longest}
        super().save(folder)

    def normalised(self, texts: Sequence[str]) -> Sequence[str]:
        """Return the texts in lower case, without a template; see `collate`."""
        return [text.lower() for text in texts]

    def collate(self, encoded: Sequence[Encoded], labels: Sequence[int] | None = None) -> Batch:
        """Put every example into every template, pad the sequences and move them to the model's device."""
        plain = super().collate([row for example in encoded for row in self._templating.fill(example)], None)
        targets = None if labels is None else torch.tensor(labels, dtype=torch.long, device=self.device)
        return Batch(plain.tokens, targets, plain.marks, self._templating.count)

    def forward(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Compute logits in float32 (float64 for a model in float64), shape (batch, classes).

        Args:
            batch: From `collate`.
            embeds: Output of the embedding layer to start from, shape (sequences, length, width).
            words: Word embeddings to start from, of the same shape; the rest of the embedding layer still runs.
        """
        with self._starting_from(embeds, words):
            scores = at_least_float32(self._scores(batch, self._label_tokens))
        best = [own.amax(dim=-1) for own in scores.split(self._words_per_class, dim=-1)]
        return self._averaged(self.passes.watch(torch.stack(best, dim=-1)))

    def features(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Compute the last hidden state at the slot, averaged over templates, float32, shape (batch, width)."""
        with self._starting_from(embeds, words):
            hidden = self.body(**self._inputs(batch)).last_hidden_state[self._read(batch)]
        return self._averaged(self.passes.watch(at_least_float32(hidden)))

    def summary(self, batch: Batch, hidden: Tensor) -> Tensor:
        """Average the slots' hidden states, given all of shape (sequences, length, width); returns (batch, width)."""
        return self._averaged(hidden[self._read(batch)])

    def penultimate(self, batch: Batch) -> Tensor:
        """Compute the output layer's input at the slot, averaged over templates, shape (batch, width)."""
        with replaced(*self._output, nn.Identity()):
            return self._averaged(self.passes.watch(at_least_float32(self._scores(batch, None))))

    @property
    def output_layer(self) -> nn.Linear:
        """Refuse: there is no output layer that could be fitted.

        Raises:
            UsageError: always.
        """
        raise UsageError(
            "A prompt classifier computes its logits from the table of word embeddings, so it has no output layer that "
            "could be fitted on its own. Use a method without a linear probe."
        )

    @property
    def reads_first_token(self) -> bool:
        """The head reads the slot, whose place depends on the text."""
        return False

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.prompt.words)

    def _scores(self, batch: Batch, words: Tensor | None) -> Tensor:
        """Compute logits of some or all words at the slots, one row per sequence."""
        where = self._read(batch)
        if not self._causal:
            return logits_at(self.network, self._inputs(batch), where, words)
        hidden: Tensor = self.body(**self._inputs(batch)).last_hidden_state[where]
        if words is None:
            return hidden
        table: Tensor = cast(Any, self.network).lm_head.weight
        scores = nn.functional.linear(hidden, table[words])
        # Gemma 2 bounds its logits.
        bound = getattr(self._config, "final_logit_softcapping", None)
        return scores if bound is None else bound * torch.tanh(scores / bound)

    def _read(self, batch: Batch) -> Tensor:
        """Return a mask of the position that is read in each sequence, shape (sequences, length)."""
        return batch.marks[READ].bool()

    def _averaged(self, values: Tensor) -> Tensor:
        """Average over each example's sequences."""
        return values.view(-1, self._templating.count, values.shape[-1]).mean(dim=1)


def load_classifier(folder: Path) -> Classifier:
    """Load a model that `save` of `Classifier` or of a subclass wrote, in the class that wrote it."""
    if (text_classifier := load_text_classifier(folder)) is not None:
        return text_classifier
    config = load_config(folder)
    prompt = getattr(config, "temper_prompt", None)
    if prompt is not None:
        model: Classifier = PromptClassifier.restore(folder, prompt)
    else:
        model = Classifier.from_pretrained(folder, config.num_labels, config.temper_max_length)
    model.attend_padding = getattr(config, "temper_attend_padding", False)
    return model


def _language_model(folder: Path, head: Path | None) -> nn.Module:
    causal = family_facts(load_config(folder).model_type).causal
    return load_causal_lm(folder) if causal else load_masked_lm(folder, head)


READ = "read"
"""Key in `Encoded` and `Batch.marks`: 1 at the position whose prediction is read."""


@dataclass(frozen=True)
class _Piece:
    """Token ids to insert; the prediction is read at offset `read` from the insertion point."""

    front: bool
    ids: tuple[int, ...]
    read: int


class TemplateEncoder:
    """Inserts a prompt's templates into tokenised texts.

    A template at the front follows the opening special tokens, one at the back precedes the closing one. A causal
    model only sees the preceding tokens, so all its templates are at the back and end before the slot, and the
    prediction is read at the last token. Token type ids are 0 throughout, since MVP's released code passes none.

    Attributes:
        count: Number of templates.
        longest: Maximum number of tokens that a template adds.
    """

    def __init__(self, tokenizer: Any, prompt: Prompt, *, causal: bool) -> None:
        if not causal and tokenizer.mask_token_id is None:
            raise UsageError(
                f"{type(tokenizer).__name__} has no mask token for a template's slot. Use another backbone."
            )
        special = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        self._opening, self._closing = special.index(0), special[::-1].index(0)
        self._start = tokenizer.bos_token_id
        templates = (prompt.causal or prompt.templates) if causal else prompt.templates
        self._pieces = [_causal(tokenizer, t) if causal else _masked(tokenizer, t) for t in templates]
        self.count = len(self._pieces)
        self.longest = max(len(piece.ids) for piece in self._pieces)

    def fill(self, encoded: Encoded) -> list[Encoded]:
        """Insert the text into each template and set the mark `READ`; other marks are 0 on inserted tokens."""
        return [self._filled(encoded, piece) for piece in self._pieces]

    def _filled(self, encoded: Encoded, piece: _Piece) -> Encoded:
        size = len(encoded["input_ids"])
        at = self._opening if piece.front else size - self._closing
        if at + piece.read < 0:  # no token precedes the slot, so insert the start token
            piece = _Piece(piece.front, (self._start,), 0)
        added, position = len(piece.ids), at + piece.read
        row = {READ: [int(number == position) for number in range(size + added)]}
        for name, numbers in encoded.items():
            if name == "input_ids":
                inserted: Sequence[int] = piece.ids
            else:
                inserted = [int(name == "attention_mask")] * added
            row[name] = [*numbers[:at], *inserted, *numbers[at:]]
        if "token_type_ids" in row:
            row["token_type_ids"] = [0] * (size + added)
        return row


def label_tokens(tokenizer: Any, prompt: Prompt, *, causal: bool) -> list[list[int]]:
    """Look up the token ids of each class's label words, and keep only words that are a single token.

    Where spaces are part of tokens, a mask represents a word with its leading space, which a causal model has already
    read.

    Raises:
        UsageError: a class has no such word, or two classes share one.
    """
    space = " " if _keeps_spaces(tokenizer) and not causal else ""
    kept: list[list[int]] = []
    owner: dict[int, str] = {}
    for name, words in prompt.words:
        tokens = [_ids(tokenizer, f"{space}{word}") for word in words]
        single = sorted({ids[0] for ids in tokens if len(ids) == 1 and ids[0] != tokenizer.unk_token_id})
        if not single:
            raise UsageError(
                f"None of the label words of {name!r} ({', '.join(words)}) is a single token of the backbone's "
                "vocabulary. Set other label words in your own file of templates."
            )
        for token in single:
            if owner.setdefault(token, name) != name:
                raise UsageError(f"{owner[token]!r} and {name!r} share the label word {tokenizer.decode([token])!r}.")
        kept.append(single)
    return kept


def _masked(tokenizer: Any, template: Template) -> _Piece:
    front = template.place == "front"
    if _keeps_spaces(tokenizer):
        # As in MVP's released code: a space token before every template, and the template's own spaces unchanged.
        ids = [*_ids(tokenizer, " "), *_ids(tokenizer, template.text.replace(SLOT, tokenizer.mask_token))]
        return _Piece(front, tuple(ids), ids.index(tokenizer.mask_token_id))
    before, after = (_ids(tokenizer, part.strip()) for part in template.around)
    return _Piece(front, (*before, tokenizer.mask_token_id, *after), len(before))


def _causal(tokenizer: Any, template: Template) -> _Piece:
    before, _ = template.around
    ids = _ids(tokenizer, before if _keeps_spaces(tokenizer) else before.strip())
    return _Piece(False, tuple(ids), len(ids) - 1)


def _keeps_spaces(tokenizer: Any) -> bool:
    """Return whether a space is part of the next token and never added, as in RoBERTa's, GPT-2's and Gemma's."""
    bare, spaced = ("".join(tokenizer.tokenize(text)) for text in ("a", " a"))
    return spaced.startswith("Ġ") or (spaced.startswith("▁") and not bare.startswith("▁"))


def _ids(tokenizer: Any, text: str) -> list[int]:
    if not text:
        return []
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
