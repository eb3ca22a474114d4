"""Evaluate a masked-LM head on held-out text by the rank of a masked content word.

    python -m scripts.judge_masked_lm_head [--head FILE]

One content word (see `scripts.masked_lm_texts.is_content`) in each of up to 1,000 held-out texts of each kind is
masked; its rank is among the whole vocabulary. The baseline ranks content words by their frequency in the training
text.
"""

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmark.attacks.parts import stop_words
from benchmark.models.masked_lm import load_masked_lm, logits_at
from benchmark.resources import locate
from scripts.masked_lm_texts import Question, is_content, questions, read_texts, windows
from scripts.train_masked_lm_head import OUTPUT

JUDGED = ("rt", "nyt")
MOST_QUESTIONS = 1000
SHOWN = (
    "The movie was really [MASK].", "Paris is the [MASK] of France.", "I [MASK] this film, it was terrible.",
    "She walked to the [MASK] to buy some milk.", "He drank a cup of [MASK] this morning.",
)  # fmt: skip


def main() -> None:
    """Print one line per kind of text and ranking, and the head's predictions for a few sentences."""
    from transformers import AutoTokenizer

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--head", type=Path, default=OUTPUT)
    head = parser.parse_args().head
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(str(locate("minilm")), trust_remote_code=False)
    network = load_masked_lm(locate("minilm"), head)
    train, judged = read_texts()
    by_frequency = content_by_frequency(tokenizer, [text for texts in train.values() for text in texts])
    for kind in JUDGED:
        sample = ask(tokenizer, judged[kind], MOST_QUESTIONS)
        print(f"{kind}, by frequency: {summary(frequency_ranks(by_frequency, sample))}")
        print(f"{kind}, by the head:  {summary(head_ranks(network, sample))}")
    for sentence in SHOWN:
        print(sentence, *likeliest(network, tokenizer, sentence))


def ask(tokenizer: Any, texts: Sequence[str], most: int) -> list[Question]:
    """Select questions on the first texts with a content word; equal texts give equal questions."""
    return list(islice(questions(tokenizer, texts, stop_words("textfooler"), np.random.default_rng(0)), most))


def head_ranks(network: nn.Module, sample: Sequence[Question]) -> NDArray[np.int64]:
    """Rank each question's word among all, from 1: one more than the number of more probable words."""
    ranks = []
    for question in sample:
        tokens = {"input_ids": torch.tensor([question.shown]), "attention_mask": torch.ones(1, len(question.shown))}
        where = torch.zeros(1, len(question.shown), dtype=torch.bool)
        where[0, question.place] = True
        with torch.inference_mode():
            logits = logits_at(network, tokens, where)[0]
        ranks.append(1 + int((logits > logits[question.word]).sum()))
    return np.array(ranks)


def content_by_frequency(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    """Sort the content words by their frequency in the texts, then by number."""
    counts = np.bincount(np.concatenate(list(windows(tokenizer, texts))), minlength=len(tokenizer))
    stops = stop_words("textfooler")
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    content = [number for number, piece in enumerate(pieces) if is_content(piece, stops)]
    return sorted(content, key=lambda number: (-counts[number], number))


def frequency_ranks(by_frequency: Sequence[int], sample: Sequence[Question]) -> NDArray[np.int64]:
    """Rank each question's word in a list of words, from 1."""
    place = {word: rank for rank, word in enumerate(by_frequency, 1)}
    return np.array([place[question.word] for question in sample])


def summary(ranks: NDArray[np.int64]) -> str:
    """Format the shares of ranks up to 1, 10 and 50, and the mean reciprocal rank."""
    shares = " / ".join(f"{np.mean(ranks <= most):.3f}" for most in (1, 10, 50))
    return f"{shares} / {np.mean(1 / ranks):.3f} of {len(ranks)}"


def likeliest(network: nn.Module, tokenizer: Any, sentence: str, most: int = 8) -> list[str]:
    """Return the most probable words at a sentence's mask."""
    tokens = dict(tokenizer(sentence, return_tensors="pt"))
    with torch.inference_mode():
        logits = logits_at(network, tokens, tokens["input_ids"] == tokenizer.mask_token_id)[0]
    words: list[str] = tokenizer.convert_ids_to_tokens(logits.topk(most).indices.tolist())
    return words


if __name__ == "__main__":
    main()
