"""A masked language model as attacks ask it: which tokens it thinks likeliest at some places of a text."""

import copy
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.attacks.engine.oracles import Ranked, Tier
from benchmark.attacks.quickness import kept_type
from benchmark.attacks.text import AttackedText
from benchmark.schema.errors import UsageError, nearest

TOKENS_PER_BATCH = 1024
"""Padded tokens in a batch."""

MARGIN = 1e-4
"""Smallest margin of logits in full batches; with thousands of them for each token, some are further off than most."""

LONGEST = 512
"""Tokens of a text that are looked at, as TextAttack has it; fewer where the model reads fewer."""

_WORD_PIECES, _BYTE_LEVEL = "##", "Ġ"
_MARKS = {
    "bert": _WORD_PIECES, "distilbert": _WORD_PIECES, "electra": _WORD_PIECES, "roberta": _BYTE_LEVEL,
}  # fmt: skip
"""What a family marks tokens with: those that go on with a word, or those that begin one."""


@dataclass(frozen=True, slots=True)
class Slots:
    """Places of a text that a masked LM is asked about; nothing is masked.

    Attributes:
        text: The text.
        places: Numbers of its tokens, special ones counted, ascending.
        most: How many tokens are wanted for each.
    """

    text: str
    places: tuple[int, ...]
    most: int


class MaskedLM:
    """A masked language model with its tokenizer."""

    def __init__(self, network: Any, tokenizer: Any, device: str = "cpu") -> None:
        """Take a model.

        Args:
            network: What `benchmark.models.masked_lm.load_masked_lm` gives.
            tokenizer: The one it was trained with.
            device: Where it runs.

        Raises:
            UsageError: nothing is known about how the family marks parts of words.
        """
        family = network.config.model_type
        if family not in _MARKS:
            raise UsageError(f"A masked LM of the family {family!r} cannot attack. {nearest(family, _MARKS)}")
        self.network = network.float().eval().to(device)
        self.tokenizer = tokenizer
        self.longest = min(LONGEST, tokenizer.model_max_length, _positions(network.config))
        self._device = device
        self._mark = _MARKS[family]

    def places(self, text: AttackedText, index: int) -> range:
        """Where the tokens of a word stand, as TextAttack finds them; empty for a word behind what the model reads.

        They begin where the mask stands if the word is masked, and are as many as the word alone has: next to a
        character that the tokenizer takes for part of the word these can be other tokens than the word's.

        Args:
            text: The text.
            index: Number of the word.
        """
        masked = self._encode(text.replace(index, self.tokenizer.mask_token).joined)
        if self.tokenizer.mask_token_id not in masked:
            return range(0)
        first = masked.index(self.tokenizer.mask_token_id)
        # Told not to warn of a word that is longer than a text may be: what is behind the longest is cut off here.
        pieces = len(self.tokenizer.encode(text.words[index], add_special_tokens=False, verbose=False))
        return range(first, min(first + pieces, self.longest))

    def length(self, text: str) -> int:
        """Number of a text's tokens that the model reads, special ones included."""
        return len(self._encode(text))

    def token(self, number: int) -> str:
        """How a token is written, with the family's mark; empty for a number that the tokenizer does not know."""
        return self.tokenizer.convert_ids_to_tokens(int(number)) or ""

    def goes_on(self, token: str, *, first: bool) -> bool:
        """Whether a token is part of a word that began before it.

        Args:
            token: As `token` gives it.
            first: Whether it would stand at the text's beginning, where byte-level tokenizers mark nothing.
        """
        if self._mark == _WORD_PIECES:
            return _WORD_PIECES in token
        return not first and not token.startswith(_BYTE_LEVEL)

    def tiers(self) -> list[Tier]:
        """Ways to ask: in full batches, and each text alone.

        There is none in bfloat16: its error exceeds the distance between a word that is still wanted and the next one,
        so that nearly every question would be asked twice.
        """
        quick = copy.copy(self)
        quick.network = kept_type(self.network, self._device)
        return [quick.likeliest, lambda items: [row for item in items for row in self.likeliest([item])]]

    def likeliest(self, items: Sequence[Hashable]) -> list[Ranked]:
        """For each item the `most` + 1 likeliest tokens of each place, with their logits; equal ones by number.

        Args:
            items: `Slots`.
        """
        asked = [_slots(item) for item in items]
        encoded = [self._encode(slots.text) for slots in asked]
        # A place behind the text's end is padding, which TextAttack has up to the longest input.
        widths = [max(len(ids), slots.places[-1] + 1) for ids, slots in zip(encoded, asked, strict=True)]
        found: dict[int, Ranked] = {}
        for rows in _packed(widths):
            batch = self._ranked([encoded[row] for row in rows], [asked[row] for row in rows], widths[rows[-1]])
            found.update(zip(rows, batch, strict=True))
        return [found[row] for row in range(len(items))]

    def _ranked(self, encoded: Sequence[Sequence[int]], asked: Sequence[Slots], width: int) -> Iterable[Ranked]:
        import torch

        from benchmark.models.masked_lm import logits_at

        tokens = torch.full((len(asked), width), self.tokenizer.pad_token_id)
        attended, where = torch.zeros_like(tokens), torch.zeros_like(tokens, dtype=torch.bool)
        for row, (ids, slots) in enumerate(zip(encoded, asked, strict=True)):
            tokens[row, : len(ids)], attended[row, : len(ids)] = torch.tensor(ids), 1
            where[row, list(slots.places)] = True
        inputs = {"input_ids": tokens.to(self._device), "attention_mask": attended.to(self._device)}
        with torch.inference_mode():
            logits = logits_at(self.network, inputs, where.to(self._device)).float()
            top = logits.topk(min(max(slots.most for slots in asked) + 1, logits.shape[-1]))
        values, numbers = top.values.cpu().numpy(), top.indices.cpu().numpy()
        order = np.lexsort((numbers, -values))
        values, numbers = (np.take_along_axis(part, order, axis=1) for part in (values, numbers))
        ends = np.cumsum([len(slots.places) for slots in asked])
        for slots, end in zip(asked, ends.tolist(), strict=True):
            cut = slice(end - len(slots.places), end), slice(slots.most + 1)
            yield Ranked(values[cut].copy(), numbers[cut].copy())

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=self.longest)["input_ids"]
        return ids


def load_named(name: str, device: str) -> MaskedLM:
    """Load a backbone as a masked LM, with the head packaged for it where it has none of its own.

    Args:
        name: A packaged backbone, a folder or a Hub id.
        device: Where it runs.

    Raises:
        UnavailableError: it is not on this machine.
        UsageError: there is no such backbone, or it is no masked LM.
    """
    from benchmark.models.backbones import resolve_backbone
    from benchmark.models.masked_lm import load_masked_lm, packaged_head
    from benchmark.models.pretrained import load_tokenizer

    backbone = resolve_backbone(name)
    network = load_masked_lm(backbone.path, packaged_head(backbone))
    return MaskedLM(network, load_tokenizer(backbone.path), device)


def masked_lm_identity(name: str) -> str:
    """Hash over a backbone's files and the head packaged for it."""
    from benchmark.models.backbones import resolve_backbone
    from benchmark.models.masked_lm import head_fingerprints
    from benchmark.schema.canonical import fingerprint

    backbone = resolve_backbone(name)
    return fingerprint({"revision": backbone.revision, "heads": head_fingerprints(backbone)})


def _slots(item: Hashable) -> Slots:
    if not isinstance(item, Slots):
        raise TypeError(f"{item!r} is not a question for a masked LM")
    return item


def _positions(config: Any) -> int:
    """Longest input; byte-level families begin to count their positions behind the padding's."""
    kept = config.pad_token_id + 1 if _MARKS[config.model_type] == _BYTE_LEVEL else 0
    return int(config.max_position_embeddings) - kept


def _packed(widths: Sequence[int]) -> Iterable[list[int]]:
    """Row numbers by width, in batches of at most `TOKENS_PER_BATCH` padded tokens and at least one row."""
    rows: list[int] = []
    for row in sorted(range(len(widths)), key=widths.__getitem__):
        if rows and (len(rows) + 1) * widths[row] > TOKENS_PER_BATCH:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
