"""Encode templates and label words as token ids of a tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.models.batch import Encoded
from benchmark.models.prompt import SLOT, Prompt, Template
from benchmark.schema.errors import UsageError

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
