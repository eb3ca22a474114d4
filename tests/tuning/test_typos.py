"""The keyboard typos of tuning."""

import re
from pathlib import Path

import pytest

import benchmark.attacks
from benchmark.data import Dataset, Example
from benchmark.keyboard import NEIGHBOURS
from benchmark.suites import available_suites, load_suite
from benchmark.tuning.typos import typo_dataset, with_typos

SENTENCE = "A masterpiece of cinema, moving and unforgettable, with a cast that never once disappoints ANYBODY."


def changes(text: str) -> list[int]:
    typed = with_typos(text)
    assert len(typed) == len(text)
    return [place for place, (a, b) in enumerate(zip(text, typed, strict=True)) if a != b]


def test_the_bytes_never_change():
    assert with_typos(SENTENCE) == (
        "A masterpiece of cinwma, movijg and unforgettable, wigh a cast that never once disappoints ANYBODY."
    )
    assert with_typos("It was THE WORST film of 1999!") == "It was THE WORST fikm of 1999!"


@pytest.mark.parametrize("text", [SENTENCE, "word", "four more long words here", "ANYBODY SHOUTS LOUDLY"])
def test_one_inner_letter_of_every_fifth_longer_word_becomes_a_neighbour(text):
    words = list(re.finditer("[A-Za-z]{4,}", text))
    places = changes(text)
    assert len(places) == -(-len(words) // 5)
    for place in places:
        word = next(word for word in words if word.start() <= place < word.end())
        assert word.start() < place < word.end() - 1
        typed = with_typos(text)[place]
        assert typed.lower() in NEIGHBOURS[text[place].lower()]
        assert typed.isupper() == text[place].isupper()


@pytest.mark.parametrize("text", ["", "a bad one", "1234 5678", "очень хорошо"])
def test_a_text_without_a_longer_latin_word_stays(text):
    assert changes(text) == []


def test_a_text_always_gets_the_same_typos_whatever_is_around_it():
    one, two = Example("0", (SENTENCE, "another text"), 1), Example("1", ("another text",), 0)
    data = Dataset("d", (one, two), ("a", "b"))
    typed = typo_dataset(data)
    assert typed.examples[0].texts == (with_typos(SENTENCE), with_typos("another text"))
    assert typed.examples[1].texts == typed.examples[0].texts[1:]
    assert [(e.id, e.label) for e in typed.examples] == [("0", 1), ("1", 0)]
    assert typed.content_hash != data.content_hash


def test_neighbours_are_mutual():
    assert len(NEIGHBOURS) == 26
    for letter, near in NEIGHBOURS.items():
        assert letter not in near
        assert all(letter in NEIGHBOURS[other] for other in near)


def test_no_attack_of_a_packaged_suite_uses_keyboard_typos():
    folder = Path(benchmark.attacks.__file__).parent
    users = {
        path.stem for path in folder.rglob("*.py") if re.search("qwerty|keyboard", path.read_text(), re.IGNORECASE)
    }
    assert users == {"keyboard_typos"}
    recipes = {attack.recipe for name in available_suites() for attack in load_suite(name).attacks}
    assert recipes >= {"textfooler", "pwws"}
    assert not recipes & users
