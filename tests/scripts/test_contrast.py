"""The contrast set is what its script makes, and is fair: opposite labels, words that do not give them away."""

import re
from collections import Counter
from pathlib import Path

import pytest

from benchmark.suites import load_suite
from scripts.build_contrast import PAIRS, TEMPLATES, examples, main

PACKAGED = Path(load_suite("offline").path).parent / "data" / "contrast.csv"


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", text.casefold()))


def test_packaged_file_equals_the_script_output(tmp_path: Path) -> None:
    main([str(tmp_path / "contrast.csv")])
    assert (tmp_path / "contrast.csv").read_bytes() == PACKAGED.read_bytes()


def test_texts_are_unique_and_labels_balanced() -> None:
    made = list(examples())
    assert len({text.casefold() for text, _, _ in made}) == len(made) == 2 * len(PAIRS) * len(TEMPLATES)
    assert Counter(label for _, label, _ in made) == {"positive": len(made) // 2, "negative": len(made) // 2}


def test_a_pair_differs_in_order_or_in_one_adjective() -> None:
    made = list(examples())
    for (positive, first, template), (negative, second, other) in zip(made[::2], made[1::2], strict=True):
        assert (first, second, template) == ("positive", "negative", other)
        gone, come = words(positive) - words(negative), words(negative) - words(positive)
        assert (sum(gone.values()), sum(come.values())) in {(0, 0), (1, 1)}


def test_no_word_predicts_the_label() -> None:
    """Over the whole set, every word is as frequent in positive as in negative texts, except adjectives alone."""
    counts = {"positive": Counter[str](), "negative": Counter[str]()}
    for text, label, _ in examples():
        counts[label] += words(text)
    differing = {
        word for word in counts["positive"] | counts["negative"] if counts["positive"][word] != counts["negative"][word]
    }
    assert differing <= {word for pair in PAIRS for word in pair}
    # If there is only one adjective, it is the one that the sentence denies.
    assert all(counts["negative"][praise] > counts["positive"][praise] for praise, _ in PAIRS)


def test_a_call_without_a_file_says_what_to_name() -> None:
    with pytest.raises(Exception, match="Name the file to write"):
        main([])
