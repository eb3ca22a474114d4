"""A padded batch of token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

Encoded = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Batch:
    """Tokenised examples, padded to the longest of them.

    Attributes:
        tokens: Model inputs by name, each int64 of shape (batch, length): ``input_ids``, ``attention_mask`` and, for
            families that have them, ``token_type_ids``. The attention mask always exists.
        labels: Class indices, int64 of shape (batch,), or None.
        marks: Further numbers per token by name, from a method's `encode_example`, which are not inputs of the model;
            each int64 of shape (batch, length), 0 on padding.
        sequences: Number of adjacent rows of `tokens` and `marks` per example; 1 except for models that read a text
            several times. `len` and `labels` count examples.
    """

    tokens: dict[str, Tensor]
    labels: Tensor | None = None
    marks: dict[str, Tensor] = field(default_factory=dict)
    sequences: int = 1

    def __len__(self) -> int:
        return int(self.tokens["input_ids"].shape[0]) // self.sequences

    @property
    def attention_mask(self) -> Tensor:
        """Attention mask: 1 for real tokens and 0 for padding, int64 of shape (batch, length)."""
        return self.tokens["attention_mask"]

    def targets(self) -> Tensor:
        """Return the labels.

        Raises:
            ValueError: the batch has no labels.
        """
        if self.labels is None:
            raise ValueError("This batch has no labels. A training batch needs them.")
        return self.labels

    def with_tokens(self, **tokens: Tensor) -> "Batch":
        """Return the batch with some inputs replaced."""
        return replace(self, tokens={**self.tokens, **tokens})

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        tokens, marks = ({name: t.to(device) for name, t in named.items()} for named in (self.tokens, self.marks))
        return replace(self, tokens=tokens, labels=labels, marks=marks)


def padded_rows(rows: Sequence[Sequence[int]], side: str) -> Tensor:
    """Pad rows with zeros to the longest, on the ``left`` or ``right``; int64 of shape (rows, length)."""
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_side=side)
