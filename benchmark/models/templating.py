"""Templates and label words as token ids of one tokenizer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.models.batch import Encoded
from benchmark.models.prompt import Prompt, Template
from benchmark.schema.errors import UsageError

READ = "read"
"""Name in `Encoded` and `Batch.marks`: 1 at the position whose prediction is read."""


@dataclass(frozen=True)
class _Piece:
    """Token ids to insert; the prediction is read at `read`, counted from the place of insertion."""

    front: bool
    ids: tuple[int, ...]
    read: int


class Templating:
    """Inserts a prompt's templates into tokenised texts.

    A template at the front stands behind the tokens that open a text, one at the back before the token that closes it.
    In a causal model, which has seen nothing but what stands before a word, all stand at the back and end before the
    slot, and the prediction is that of the last token.

    Attributes:
        count: Number of templates.
        longest: Most tokens that a template adds.
    """

    def __init__(self, tokenizer: Any, prompt: Prompt, *, causal: bool) -> None:
        if not causal and tokenizer.mask_token_id is None:
            raise UsageError(f"{type(tokenizer).__name__} has no mask token to put into a template's slot.")
        special = tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
        self._opening, self._closing = special.index(0), special[::-1].index(0)
        self._start = tokenizer.bos_token_id
        self._pieces = [_causal(tokenizer, t) if causal else _masked(tokenizer, t) for t in prompt.templates]
        self.count = len(self._pieces)
        self.longest = max(len(piece.ids) for piece in self._pieces)

    def fill(self, encoded: Encoded) -> list[Encoded]:
        """The text in each template, in their order, with the mark `READ`; other marks are 0 on inserted tokens."""
        return [self._filled(encoded, piece) for piece in self._pieces]

    def _filled(self, encoded: Encoded, piece: _Piece) -> Encoded:
        size = len(encoded["input_ids"])
        at = self._opening if piece.front else size - self._closing
        if at + piece.read < 0:  # nothing at all stands before the slot: the token that starts a text does
            piece = _Piece(piece.front, (self._start,), 0)
        added, position = len(piece.ids), at + piece.read
        row = {READ: [int(number == position) for number in range(size + added)]}
        for name, numbers in encoded.items():
            if name == "input_ids":
                inserted: Sequence[int] = piece.ids
            elif name == "attention_mask":
                inserted = [1] * added
            elif name == "token_type_ids" and at > 0:
                inserted = [numbers[at - 1]] * added
            else:
                inserted = [0] * added
            row[name] = [*numbers[:at], *inserted, *numbers[at:]]
        return row


def label_tokens(tokenizer: Any, prompt: Prompt) -> list[list[int]]:
    """Token ids of each class's label words; only words that are a single token are kept.

    Raises:
        UsageError: a class is left with none, or two classes share one.
    """
    kept: list[list[int]] = []
    owner: dict[int, str] = {}
    for name, words in prompt.words:
        tokens = [_ids(tokenizer, word, inside=True) for word in words]
        single = sorted({ids[0] for ids in tokens if len(ids) == 1 and ids[0] != tokenizer.unk_token_id})
        if not single:
            raise UsageError(
                f"None of the label words of {name!r} ({', '.join(words)}) is a single token of the backbone's "
                "vocabulary; give it others in a file of templates of your own."
            )
        for token in single:
            if owner.setdefault(token, name) != name:
                raise UsageError(f"{owner[token]!r} and {name!r} share the label word {tokenizer.decode([token])!r}.")
        kept.append(single)
    return kept


def _masked(tokenizer: Any, template: Template) -> _Piece:
    before, behind = template.around
    front = template.place == "front"
    ids = _ids(tokenizer, before, inside=not front)
    return _Piece(front, (*ids, tokenizer.mask_token_id, *_ids(tokenizer, behind, inside=True)), len(ids))


def _causal(tokenizer: Any, template: Template) -> _Piece:
    ids = tuple(_ids(tokenizer, template.around[0], inside=True))
    return _Piece(False, ids, len(ids) - 1)


def _ids(tokenizer: Any, text: str, *, inside: bool) -> list[int]:
    """Tokens of a piece of text; byte-level vocabularies tell a word inside a text by the space before it."""
    if not text:
        return []
    spaced = inside and "".join(tokenizer.tokenize(" a")).startswith("Ġ")
    ids: list[int] = tokenizer(f" {text}" if spaced else text, add_special_tokens=False)["input_ids"]
    return ids
