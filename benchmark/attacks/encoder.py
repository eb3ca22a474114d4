"""Sentence vectors by mean pooling, for the similarity constraint of attacks."""

import copy
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmark.attacks.precision import batched
from benchmark.schema.errors import UsageError

Vectors = NDArray[np.float32]

TOKENS_PER_BATCH = 1024
"""Padded tokens in a batch; a CPU gains nothing beyond about 500."""


class Encoder(Protocol):
    """Maps sentences to vectors."""

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors of length 1, float32, shape (sentences, dimensions)."""


class SentenceEncoder:
    """A transformer that averages its token vectors over the sentence and scales the mean to length 1."""

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        """Load the model in float32.

        Args:
            folder: A Hugging Face model folder with safetensors weights; texts are truncated to the ``max_seq_length``
                of its ``sentence_bert_config.json``, or to 512 tokens without that file.
            device: Device of the model.

        Raises:
            UsageError: the folder has no model.
        """
        if not (folder / "config.json").is_file():
            raise UsageError(f"{folder}: no config.json, so this resource is not a sentence encoder.")
        from transformers import AutoModel, AutoTokenizer

        from benchmark.models.pretrained import quiet_transformers

        settings = folder / "sentence_bert_config.json"
        config = json.loads(settings.read_text(encoding="utf-8")) if settings.is_file() else {}
        self._max_length = int(config.get("max_seq_length", 512))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        with quiet_transformers():
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
        self._model = model.float().eval().to(device)
        self._device = device

    def tiers(self) -> list[Callable[[Sequence[str]], Vectors]]:
        """Return the tiers: full batches in bfloat16 if that is faster, full float32 batches, and single sentences."""
        fast = [self._with(model).encode for model in batched(self._model, str(self._device))]
        return [*fast, lambda sentences: np.concatenate([self.encode([s]) for s in sentences])]

    def encode(self, sentences: Sequence[str]) -> Vectors:
        """Return vectors of length 1, float32, shape (sentences, dimensions).

        Sentences of similar length share a batch; the same sentences in the same order give the same bits.
        """
        ids = self._tokenizer(list(sentences), truncation=True, max_length=self._max_length)["input_ids"]
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        vectors = np.zeros((len(ids), self._model.config.hidden_size), dtype=np.float32)
        start = 0
        while start < len(order):
            stop = start + 1
            while stop < len(order) and (stop + 1 - start) * len(ids[order[stop]]) <= TOKENS_PER_BATCH:
                stop += 1
            rows = order[start:stop]
            vectors[rows] = self._pooled([ids[row] for row in rows])
            start = stop
        return vectors

    def _with(self, model: Any) -> "SentenceEncoder":
        other = copy.copy(self)
        other._model = model
        return other

    def _pooled(self, ids: list[list[int]]) -> Vectors:
        import torch

        width = max(map(len, ids))
        padding = self._tokenizer.pad_token_id
        tokens = torch.tensor([row + [padding] * (width - len(row)) for row in ids], device=self._device)
        lengths = torch.tensor([len(row) for row in ids], device=self._device)
        attended = (torch.arange(width, device=self._device) < lengths[:, None]).long()
        with torch.inference_mode():
            states = self._model(input_ids=tokens, attention_mask=attended).last_hidden_state.float()
            mask = attended.unsqueeze(-1).to(states.dtype)
            mean: torch.Tensor = (states * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1e-9)
            return np.asarray(torch.nn.functional.normalize(mean, dim=1).cpu().numpy(), dtype=np.float32)
