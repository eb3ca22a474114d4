"""A masked language model as attacks use it: the most likely tokens at given positions of a text."""

import copy
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.engine.oracles import Tier, TopK
from benchmark.attacks.engine.questions import MASKED_LM, Answer, Ask, Question
from benchmark.attacks.precision import kept_type
from benchmark.attacks.transformations import joined_pieces, one_word
from benchmark.schema.errors import UsageError, nearest

TOKENS_PER_BATCH = 1024
"""Padded tokens in a batch."""

MARGIN = 1e-4
"""Smallest margin of logits in full batches; among thousands of logits per token some errors are larger than most."""

LONGEST = 512
"""Maximum number of tokens of a text, as in TextAttack; fewer if the model's maximum is lower."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Positions of a text for a masked LM to predict; nothing is masked.

    Attributes:
        text: The text.
        positions: Ascending indices of its tokens, special tokens included.
        most: Number of predictions per position.
    """

    text: str
    positions: tuple[int, ...]
    most: int


class MaskedLM:
    """A masked language model with its tokenizer."""

    def __init__(self, network: Any, tokenizer: Any, device: str = "cpu") -> None:
        """Store the model.

        Args:
            network: A model from `benchmark.models.masked_lm.load_masked_lm`.
            tokenizer: The model's tokenizer.
            device: Device of the model.

        Raises:
            UsageError: the mark of the family's tokens is not known.
        """
        from benchmark.models.architectures import ARCHITECTURES, family_facts, unused_positions

        config = network.config
        family = family_facts(config.model_type)
        self._continues, self._begins = family.continues_word, family.begins_word
        if not (self._continues or self._begins):
            known = [name for name, row in ARCHITECTURES.items() if row.continues_word or row.begins_word]
            raise UsageError(
                f"A masked LM of the family {config.model_type!r} cannot attack. {nearest(config.model_type, known)}"
            )
        positions = int(config.max_position_embeddings) - unused_positions(config.model_type, config.pad_token_id)
        self.network = network.float().eval().to(device)
        self.tokenizer = tokenizer
        self.longest = min(LONGEST, tokenizer.model_max_length, positions)
        self._device = device

    def positions(self, text: AttackedText, index: int) -> range:
        """Return the positions of a word's tokens, as TextAttack finds them; empty for a word that is truncated.

        The first is the position of the mask if the word is masked, and the count is that of the word alone. If the
        tokenizer joins the word with a neighbouring character, these tokens can differ from the word's.

        Args:
            text: The text.
            index: Index of the word.
        """
        masked = self._encode(text.replace(index, self.tokenizer.mask_token).joined)
        if self.tokenizer.mask_token_id not in masked:
            return range(0)
        first = masked.index(self.tokenizer.mask_token_id)
        # verbose=False: no warning about a word longer than the maximum, because the range is truncated below.
        pieces = len(self.tokenizer.encode(text.words[index], add_special_tokens=False, verbose=False))
        return range(first, min(first + pieces, self.longest))

    def length(self, text: str) -> int:
        """Count a text's tokens after truncation, special tokens included."""
        return len(self._encode(text))

    def token(self, number: int) -> str:
        """Return a token with the family's mark by its id; empty for an id that the tokenizer does not know."""
        return self.tokenizer.convert_ids_to_tokens(int(number)) or ""

    def continues_word(self, token: str, *, first: bool) -> bool:
        """Return whether a token continues a word instead of beginning one.

        Args:
            token: A token as `token` returns it.
            first: Whether the token is the first of the text, which byte-level tokenizers do not mark.
        """
        if self._continues:
            return self._continues in token
        return not first and not token.startswith(str(self._begins))

    def tiers(self) -> list[Tier]:
        """Return the tiers: full batches in float32, and each text alone.

        There is no bfloat16 tier: its error exceeds the gap between the last used prediction and the next, so nearly
        every text would be evaluated twice.
        """
        packed = copy.copy(self)
        packed.network = kept_type(self.network, self._device)
        return [packed.predict, lambda items: [row for item in items for row in self.predict([item])]]

    def predict(self, items: Sequence[Hashable]) -> list[TopK]:
        """Return the logits of the `most` + 1 most likely tokens per position of each item; ties are ordered by id.

        Args:
            items: `Slots`.
        """
        requests = [_slots(item) for item in items]
        encoded = [self._encode(slots.text) for slots in requests]
        # A position after the text's end is padding; TextAttack pads every input to the maximum length.
        widths = [max(len(ids), slots.positions[-1] + 1) for ids, slots in zip(encoded, requests, strict=True)]
        predictions: dict[int, TopK] = {}
        for rows in _packed(widths):
            batch = self._top([encoded[row] for row in rows], [requests[row] for row in rows], widths[rows[-1]])
            predictions.update(zip(rows, batch, strict=True))
        return [predictions[row] for row in range(len(items))]

    def _top(self, encoded: Sequence[Sequence[int]], requests: Sequence[Slots], width: int) -> Iterable[TopK]:
        import torch

        from benchmark.models.masked_lm import logits_at

        tokens = torch.full((len(requests), width), self.tokenizer.pad_token_id)
        attended, where = torch.zeros_like(tokens), torch.zeros_like(tokens, dtype=torch.bool)
        for row, (ids, slots) in enumerate(zip(encoded, requests, strict=True)):
            tokens[row, : len(ids)], attended[row, : len(ids)] = torch.tensor(ids), 1
            where[row, list(slots.positions)] = True
        inputs = {"input_ids": tokens.to(self._device), "attention_mask": attended.to(self._device)}
        with torch.inference_mode():
            logits = logits_at(self.network, inputs, where.to(self._device)).float()
            top = logits.topk(min(max(slots.most for slots in requests) + 1, logits.shape[-1]))
        values, indices = top.values.cpu().numpy(), top.indices.cpu().numpy()
        order = np.lexsort((indices, -values))
        values, indices = (np.take_along_axis(part, order, axis=1) for part in (values, indices))
        ends = np.cumsum([len(slots.positions) for slots in requests])
        for slots, end in zip(requests, ends.tolist(), strict=True):
            cut = slice(end - len(slots.positions), end), slice(slots.most + 1)
            yield TopK(values[cut].copy(), indices[cut].copy())

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=self.longest)["input_ids"]
        return ids


@dataclass
class MaskedLMSubstitutes:
    """A masked LM's substitutes for the words of one text after another.

    Attributes:
        model: The masked LM.
        most: Number of tokens tried per position, and of words tried for a word of several pieces.
        limit: Maximum number of combinations of pieces.
    """

    model: MaskedLM
    most: int
    limit: int
    _text: str | None = None
    _positions: Sequence[int] = ()
    _ranking: "Ranking | None" = None

    def words(self, text: AttackedText, index: int) -> Ask[list[str]]:
        """Return the substitutes of a word, as TextAttack's WordSwapMaskedLM finds them."""
        positions = self.model.positions(text, index)
        if not positions:
            return []
        ranking = yield from self._predictions(text.joined, positions)
        # A single token needs the set of top tokens only; combinations of tokens depend on their order too.
        rows = [self._positions.index(position) for position in positions]
        ids = yield from ranking.top(rows, in_order=len(rows) > 1)
        tokens = [[self.model.token(id) for id in row] for row in ids]
        if len(tokens) > 1:
            words = joined_pieces(tokens, self.most, self.limit)
        else:
            words = [t for t in tokens[0] if one_word(t) and not self.model.continues_word(t, first=index == 0)]
        return [word.strip("Ġ") for word in words]

    def _predictions(self, text: str, positions: range) -> "Ask[Ranking]":
        """Predict the tokens of one word of a new text, and of all words once a second word of it is needed.

        A successful swap makes a new text, so that predictions for the other words would be wasted.
        """
        known = text == self._text
        if self._ranking is None or not known or not set(positions) <= set(self._positions):
            self._text = text
            self._positions = range(max(self.model.length(text), positions.stop)) if known else positions
            item = Slots(text, tuple(self._positions), self.most)
            (answer,) = yield Question(MASKED_LM, (item,))
            self._ranking = Ranking(MASKED_LM, item, answer)
        return self._ranking


@dataclass(slots=True)
class Ranking:
    """An item with the oracle's most exact top-k answer so far; its rows hold one value more than is used.

    Attributes:
        oracle: Name of the oracle.
        item: The item.
        answer: The most exact answer so far, with ids.
    """

    oracle: str
    item: Hashable
    answer: Answer

    def top(self, rows: Iterable[int], *, in_order: bool) -> Ask[NDArray[np.int64]]:
        """Return the top ids of some rows, as the oracle's last tier ranks them.

        The item is evaluated again if the margin leaves open which ids these are, or their order.

        Args:
            rows: Rows of the answer.
            in_order: Whether the order of the ids matters, and not only the set.

        Returns:
            Ids, shape (rows, k).
        """
        chosen = list(rows)
        while self.answer.margin > 0 and self._is_open(chosen, in_order=in_order):
            (self.answer,) = yield Question(self.oracle, (self.item,), self.answer.tier + 1)
        if self.answer.ids is None:
            raise TypeError(f"the oracle {self.oracle!r} returns no ids")
        return self.answer.ids[chosen, :-1]

    def _is_open(self, rows: list[int], *, in_order: bool) -> bool:
        values = self.answer.values[rows].astype(np.float64)
        gaps = values[:, :-1] - values[:, 1:]
        return bool(((gaps if in_order else gaps[:, -1:]) <= 2 * self.answer.margin).any())


def load_named(name: str, device: str) -> MaskedLM:
    """Load a backbone as a masked LM, with its packaged head if its files have no head.

    Args:
        name: A packaged backbone, a folder or a Hub id.
        device: Device of the model.

    Raises:
        UnavailableError: the backbone is not on this machine.
        UsageError: there is no such backbone, or it is not a masked LM.
    """
    from benchmark.models.backbones import resolve_backbone
    from benchmark.models.masked_lm import load_masked_lm, packaged_head
    from benchmark.models.pretrained import load_tokenizer

    backbone = resolve_backbone(name)
    network = load_masked_lm(backbone.path, packaged_head(backbone))
    return MaskedLM(network, load_tokenizer(backbone.path), device)


def masked_lm_identity(name: str) -> str:
    """Return the hash of a backbone's files and of its packaged head."""
    from benchmark.models.backbones import resolve_backbone
    from benchmark.models.masked_lm import head_fingerprints
    from benchmark.schema.canonical import fingerprint

    backbone = resolve_backbone(name)
    return fingerprint({"revision": backbone.revision, "heads": head_fingerprints(backbone)})


def _slots(item: Hashable) -> Slots:
    if not isinstance(item, Slots):
        raise TypeError(f"{item!r} is not an item for a masked LM")
    return item


def _packed(widths: Sequence[int]) -> Iterable[list[int]]:
    """Sort row numbers by width into batches of at most `TOKENS_PER_BATCH` padded tokens and at least one row."""
    rows: list[int] = []
    for row in sorted(range(len(widths)), key=widths.__getitem__):
        if rows and (len(rows) + 1) * widths[row] > TOKENS_PER_BATCH:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
