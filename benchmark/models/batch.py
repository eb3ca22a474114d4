"""A padded batch of token ids."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

Encoded = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Batch:
    """Tokenised examples, padded to the longest of them.

    Attributes:
        tokens: Model inputs by name, each int64 of shape (batch, length): ``input_ids``, ``attention_mask`` and, for
            families that have them, ``token_type_ids``. The attention mask is always there.
        labels: Class indices, int64 of shape (batch,), or None.
    """

    tokens: dict[str, Tensor]
    labels: Tensor | None = None

    def __len__(self) -> int:
        return int(self.tokens["input_ids"].shape[0])

    @property
    def attention_mask(self) -> Tensor:
        """1 for real tokens and 0 for padding, int64 of shape (batch, length)."""
        return self.tokens["attention_mask"]

    def targets(self) -> Tensor:
        """The labels, for code that cannot do without.

        Raises:
            ValueError: the batch has none.
        """
        if self.labels is None:
            raise ValueError("This batch has no labels; a training batch must have them.")
        return self.labels

    def with_tokens(self, **tokens: Tensor) -> "Batch":
        """The same batch with some inputs replaced."""
        return replace(self, tokens={**self.tokens, **tokens})

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        labels = None if self.labels is None else self.labels.to(device)
        return Batch({name: value.to(device) for name, value in self.tokens.items()}, labels)
