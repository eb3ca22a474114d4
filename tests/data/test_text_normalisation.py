"""Tests of normalisation, the duplicate key, and the hashes for order and splits."""

import hashlib

import pytest

from benchmark.data.text_normalisation import is_blank, normalise, order_key, share_of, split_key, text_key, words


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two  words \n", "two words"),
        ("tab\tand\u00a0no-break\u2028line", "tab and no-break line"),
        ("Case, Punctuation &amp; 'quotes' stay!", "Case, Punctuation &amp; 'quotes' stay!"),
        (" \t\n ", ""),
    ],
)
def test_normalise_touches_white_space_only(raw: str, clean: str) -> None:
    assert normalise(raw) == clean


def test_key_ignores_case_punctuation_and_width() -> None:
    assert text_key(("It's GOOD - really.",)) == text_key(("it's good, really",)) == "it s good really"
    assert text_key(("\uff27\uff4f\uff4f\uff44",)) == "good"
    assert text_key(("Straße",)) == text_key(("STRASSE",))


def test_key_keeps_the_places_of_a_pair() -> None:
    assert text_key(("a b", "c")) != text_key(("a", "b c"))
    assert text_key(("a", "b")) != text_key(("b", "a"))


def test_key_of_a_text_without_words_is_the_text() -> None:
    assert text_key((":-)",)) == ":-)" != text_key((":-(",))


def test_key_keeps_pictures_without_spaces_or_variants() -> None:
    happy, sad = ("Great film \U0001f600",), ("great film \U0001f622",)
    assert text_key(happy) != text_key(sad)
    assert text_key(("Great film!\U0001f600",)) == text_key(happy) != text_key(("great film",))
    assert text_key(("\u2764\ufe0f",)) == text_key(("\u2764",))
    assert text_key(("Coke\u00ae \u2013 \u201cgood\u201d",)) == "coke good"


def test_split_key_ignores_pictures() -> None:
    assert split_key(("Great film \U0001f600",)) == split_key(("great film",)) == "great film"
    assert split_key(("\U0001f600",)) == "\U0001f600"


@pytest.mark.parametrize(
    ("text", "blank"), [("", True), (" \u200b\ufeff\x00", True), ("\U0001f600", False), (".", False)]
)
def test_invisible_text_is_blank(text: str, blank: bool) -> None:
    assert is_blank(text) is blank


def test_words_are_folded() -> None:
    assert words("Don't PANIC: 42!") == ["don", "t", "panic", "42"]


def test_order_key_is_the_sha256_of_the_texts() -> None:
    assert order_key(("a", "b")) == hashlib.sha256(b"order\x1fa\x1fb").digest()


def test_shares_are_uniform_and_independent_of_the_order() -> None:
    texts = [(f"text {number}",) for number in range(4000)]
    shares = [share_of(text) for text in texts]
    for tenth in range(10):
        assert 330 < sum(tenth / 10 <= share < (tenth + 1) / 10 for share in shares) < 470
    low = [text for text, share in zip(texts, shares, strict=True) if share < 0.2]
    assert 300 < sum(order_key(text) < b"\x80" for text in low) < 500
