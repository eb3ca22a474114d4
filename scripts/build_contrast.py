"""Write the contrast set of the suite `offline`: pairs of sentences about a film with the same words, or all but one.

Every template is filled twice with a pair of adjectives, in both orders. The two sentences have opposite labels and
the same words in another order, or differ in one adjective, which the sentence negates. A model that uses words alone,
and not negation, contrast and reference, is right on half of the first kind and wrong on the second. Nothing is random.

    python -m scripts.build_contrast benchmark/suites/data/contrast.csv
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmark.schema.errors import UsageError

PAIRS = (
    ("gripping", "dull"),
    ("charming", "tiresome"),
    ("brilliant", "awful"),
    ("delightful", "dreadful"),
    ("clever", "stupid"),
    ("thrilling", "boring"),
    ("superb", "terrible"),
    ("engaging", "tedious"),
    ("wonderful", "horrible"),
    ("enjoyable", "annoying"),
    ("fresh", "stale"),
    ("inspired", "lifeless"),
)
"""Praise and blame in a film review."""

SUBJECTS = ("film", "movie", "comedy", "thriller")

TEMPLATES = (
    ("is-not", "This {subject} is {praise}, not {blame}.", "This {subject} is {blame}, not {praise}."),
    (
        "expected",
        "I expected this {subject} to be {blame}, but it is {praise}.",
        "I expected this {subject} to be {praise}, but it is {blame}.",
    ),
    (
        "other",
        "Unlike the director's last {subject}, which was {blame}, this one is {praise}.",
        "Unlike the director's last {subject}, which was {praise}, this one is {blame}.",
    ),
    (
        "critics",
        "The critics call this {subject} {blame}, but they are wrong: it is {praise}.",
        "The critics call this {subject} {praise}, but they are wrong: it is {blame}.",
    ),
    (
        "whoever",
        "Whoever finds this {subject} {blame} has not seen it: it is {praise}.",
        "Whoever finds this {subject} {praise} has not seen it: it is {blame}.",
    ),
    ("anything-but", "This {subject} is anything but {blame}.", "This {subject} is anything but {praise}."),
    ("never", "This {subject} is never {blame}.", "This {subject} is never {praise}."),
    (
        "wrong",
        "I thought this {subject} would be {blame}, and I was wrong.",
        "I thought this {subject} would be {praise}, and I was wrong.",
    ),
)
"""Name, the positive sentence, the negative sentence."""


def examples() -> Iterator[tuple[str, str, str]]:
    """Yield (text, label, name of the template), pair by pair."""
    for number, (praise, blame) in enumerate(PAIRS):
        for offset, (name, positive, negative) in enumerate(TEMPLATES):
            words = {"praise": praise, "blame": blame, "subject": SUBJECTS[(number + offset) % len(SUBJECTS)]}
            yield positive.format(**words), "positive", name
            yield negative.format(**words), "negative", name


def main(arguments: list[str]) -> None:
    """Write the file that the one argument names."""
    if len(arguments) != 1:
        raise UsageError("Name the file to write, as benchmark/suites/data/contrast.csv.")
    with Path(arguments[0]).open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("text", "label", "template"))
        writer.writerows(examples())


if __name__ == "__main__":
    main(sys.argv[1:])
