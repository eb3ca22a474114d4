"""The tiny encoder and task of `benchmark.testing`, under the name that tests know."""

from benchmark.testing.tiny import (
    BAD,
    GOOD,
    WORDS,
    dataset,
    sentences,
    trainer,
    weights,
    without_dropout,
    write_tiny_bert,
    write_tiny_masked_lm,
)

__all__ = [
    "BAD",
    "GOOD",
    "WORDS",
    "dataset",
    "sentences",
    "trainer",
    "weights",
    "without_dropout",
    "write_tiny_bert",
    "write_tiny_masked_lm",
]
