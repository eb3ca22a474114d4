"""Substitutes of a text's tokens: a lexicon's neighbours that a model's tokenizer keeps as one token."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from benchmark.lexicons import Lexicon, lexicon_fingerprint, lexicon_path
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError

CHOICES = 10
"""Maximum number of choices of a position, its own token first."""

MARK = "whole_words"
"""Name in `Encoded` and `Batch.marks`: 1 where a token is a whole word that may be swapped."""

_WORD = re.compile(r"\w+(?:['’\-]\w+)*")


@dataclass(frozen=True)
class Substitutes:
    """The choices of a model's tokens.

    Attributes:
        table: Token ids, shape (words of the model, `CHOICES`): the token's own, then those of its substitutes, nearest
            first, then -1. A row of a token without substitutes is -1 throughout.
    """

    table: Tensor

    @classmethod
    def read(cls, model: Classifier, lexicon: str, min_cosine: float) -> "Substitutes":
        """Look up the substitutes of every token that is a whole word.

        Args:
            model: Gives the tokenizer.
            lexicon: Name of a packaged lexicon, or a path.
            min_cosine: Least similarity of a substitute; JSON lexicons count all theirs as 1.

        Raises:
            UsageError: there is no such lexicon.
        """
        tokenizer, found = model.tokenizer, Lexicon.read(lexicon_path(lexicon))
        spelt = _spelt_words(tokenizer)
        rows = [[-1] * CHOICES for _ in range(model.word_table.shape[0])]
        # Many vocabularies have different tokens for a word behind a space and for one behind a bracket.
        for before in ("a ", "("):
            single = _single_tokens(tokenizer, spelt, before)
            for word, token in single.items():
                near = [single[n] for n in _neighbours(found, word, min_cosine) if n in single]
                chosen = list(dict.fromkeys([token, *near]))[:CHOICES]
                if len(chosen) > 1 and rows[token][0] < 0:
                    rows[token][: len(chosen)] = chosen
        return cls(torch.tensor(rows, device=model.word_table.device))

    def of(self, batch: Batch) -> Tensor:
        """Return the choices of each position, shape (batch, length, `CHOICES`); -1 for a missing choice.

        In a batch without the marks of `mark_words`, every token counts as a whole word.
        """
        ids, marks = batch.tokens["input_ids"], batch.marks.get(MARK, batch.attention_mask)
        return self.table[ids].masked_fill(marks.unsqueeze(-1) == 0, -1)


def lexicon_reads(name: str) -> dict[str, str]:
    """Return the lexicon's content hash, in the form of `Method.reads`.

    Raises:
        UsageError: there is no such lexicon.
    """
    return {"lexicon": lexicon_fingerprint(lexicon_path(name))}


def mark_words(model: Classifier, texts: Sequence[str]) -> Encoded:
    """Tokenise as the model does, and mark the whole words that are one token each; of two texts, those of the second.

    Words end at spaces and punctuation, except apostrophes and hyphens inside a word.

    Raises:
        UsageError: the tokenizer does not return the character offsets of tokens.
    """
    if not model.tokenizer.is_fast:
        raise UsageError(f"Swapping words needs a fast tokenizer, which {type(model.tokenizer).__name__} is not.")
    read = model.normalised(texts)
    encoded = model.tokenizer(*read, truncation=True, max_length=model.max_length, return_offsets_mapping=True)
    last, sequences = len(read) - 1, encoded.sequence_ids()
    whole = {match.span() for match in _WORD.finditer(read[last])}
    spans = [_trimmed(read[last], span) for span in encoded.pop("offset_mapping")]
    marks = [int(text == last and span in whole) for text, span in zip(sequences, spans, strict=True)]
    return {**encoded, MARK: marks}


def _trimmed(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """Return a token's character span without the leading space that some families include."""
    start, end = span
    covered = text[start:end]
    return start + len(covered) - len(covered.lstrip()), end


def _spelt_words(tokenizer: Any) -> list[str]:
    """Return the spellings of the vocabulary's tokens that could be words."""
    spelt = tokenizer.batch_decode([[token] for token in range(len(tokenizer))], clean_up_tokenization_spaces=False)
    return sorted({text for text in map(str.strip, spelt) if _WORD.fullmatch(text)})


def _single_tokens(tokenizer: Any, words: Sequence[str], before: str) -> dict[str, int]:
    """Return the words that are a single token after other text, with that token."""
    prefix = tokenizer(before.strip(), add_special_tokens=False)["input_ids"]
    encoded = tokenizer([before + word for word in words], add_special_tokens=False)["input_ids"] if words else []
    special, size = set(tokenizer.all_special_ids), len(prefix)
    found = {
        w: ids[size] for w, ids in zip(words, encoded, strict=True) if len(ids) == size + 1 and ids[:size] == prefix
    }
    return {word: token for word, token in found.items() if token not in special}


def _neighbours(lexicon: Lexicon, word: str, min_cosine: float) -> Iterator[str]:
    """Return a word's neighbours, capitalised like the word."""
    for shape in (str.lower, str.capitalize, str.upper):
        if shape(word) == word:
            yield from (shape(near) for near, cosine in lexicon.neighbours(word.lower()) if cosine >= min_cosine)
            return
