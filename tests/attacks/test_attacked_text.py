"""Words, their places, replacements and windows: by example, and against TextAttack's own on random texts."""

import json
import random
from collections import OrderedDict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.attacks.attacked_text import AttackedText, words_changed, words_of

RESULTS = Path(__file__).resolve().parents[2] / "leaderboard/results"


def text(*columns, modified=(), latest=()):
    return AttackedText(columns, frozenset(modified), frozenset(latest))


@pytest.mark.parametrize(
    ("given_text", "words"),
    [
        ("A good film.", ("A", "good", "film")),
        ("it's well-known -- so 'they' say", ("it's", "well-known", "so", "they", "say")),
        ("_really_ *very* @you a_b", ("really", "very", "you", "a_b")),
        ("<br />good&amp;bad", ("br", "good", "amp", "bad")),
        ("naïve Ünïcode 12.5 %", ("naïve", "Ünïcode", "12", "5")),
        ("🙂 ... !!! --", ()),
        ("", ()),
        ("好电影 good", ("好电影", "good")),
        ("a\x00b\u2028c\u00a0d", ("a", "b", "c", "d")),
        ("nοt thɑt ⅼ`", ("nοt", "thɑt", "ⅼ`")),
    ],
)  # fmt: skip
def test_words(given_text, words):
    assert words_of(given_text) == words
    made = text(given_text)
    assert made.words == words
    assert [given_text[start:end] for start, end in made.spans] == list(words)


def test_a_replacement_is_marked_and_nothing_else_changes():
    swapped = text("A good, good film").replace(2, "fine")
    assert swapped == text("A good, fine film", modified={2}, latest={2})
    again = swapped.replace(0, "The")
    assert again == text("The good, fine film", modified={0, 2}, latest={0})
    assert again.replace(2, "fine") == text("The good, fine film", modified={0, 2})


@pytest.mark.parametrize(
    ("index", "left"),
    [(0, "good film."), (1, "A film."), (2, "A good.")],
)
def test_a_word_that_goes_takes_one_space_along(index, left):
    assert text("A good film.").replace(index, "").joined == left


def test_several_words_in_ones_place_move_the_marks_behind_them():
    swapped = text("a b c d").replace(3, "x").replace(1, "y z")
    assert swapped.columns == ("a y z c x",)
    assert (swapped.modified, swapped.latest) == ({1, 2, 4}, {1, 2})
    assert swapped.replace(0, "").modified == {0, 1, 3}


def test_of_a_pair_the_second_text_is_attacked():
    pair = text("A dog runs.", "An animal moves.")
    assert pair.words == ("A", "dog", "runs", "An", "animal", "moves")
    assert list(pair.attacked_words) == [3, 4, 5]
    assert pair.replace(4, "").columns == ("A dog runs.", "An moves.")
    assert pair.replace(3, "The").columns == ("A dog runs.", "The animal moves.")
    assert pair.window(3, 3) == "runs.\nAn animal"


@pytest.mark.parametrize(
    ("index", "size", "window"),
    [
        (0, 3, "a, b c"), (1, 3, "a, b c"), (2, 3, "b c d"), (4, 3, "c d e"), (2, 4, "a, b c d"),
        (0, 1, "a"), (2, 99, "a, b c d e"), (4, 5, "a, b c d e"),
    ],
)  # fmt: skip
def test_windows(index, size, window):
    assert text("(a, b c d e!)").window(index, size) == window


def test_differing_words_are_counted_place_by_place():
    assert text("a b c").differing(text("a x c d")) == 1
    assert text("a b c").differing(text("b c")) == 2


@pytest.mark.parametrize(
    ("original", "final", "changed"),
    [
        ("a great and charming film", "a big and cute film", 2),
        ("a b c", "b a c", 2),
        ("a great and charming film with a moving story", "a gre at and charming film with a moving story", 1),
        ("a great and charming film", "a gre at and char ming film", 2),
        ("a great and charming film", "a gre at and cute film", 2),
        ("a great and charming film", "a and charming film", 1),
        ("a great and charming film", "a greatand charming film", 2),
        ("sweet cream", "sweet ice cream", 1),
        ("very very good", "very ve ry good", 1),
        ("", "a b", 0),
        ("a", "", 1),
    ],
)
def test_a_split_word_is_one_changed_word(original, final, changed):
    assert words_changed(words_of(original), words_of(final)) == changed


def test_word_for_word_swaps_are_counted_place_by_place():
    """The rows that the repository keeps were counted that way, and none of their values may change."""
    texts = [
        json.loads(line)
        for path in RESULTS.glob("*/*/*/attacks/*.jsonl")
        for line in filter(None, path.read_text(encoding="utf-8").split("\n"))
    ]
    assert len(texts) > 500
    for row in texts:
        before, after = text(row["original"]), text(row["perturbed"])
        assert words_changed(before.words, after.words) == after.differing(before) > 0


SOME = st.text(alphabet="ab'-_ .,!é<\n", min_size=1, max_size=25)


@settings(derandomize=True)
@given(SOME, st.data())
def test_a_replacement_by_a_word_can_be_taken_back(given_text, data):
    made = text(given_text)
    if not made.words:
        return
    index = data.draw(st.integers(0, len(made.words) - 1))
    swapped = made.replace(index, "word")
    assert swapped.words == (*made.words[:index], "word", *made.words[index + 1 :])
    assert swapped.replace(index, made.words[index]).joined == given_text


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TEMPER_CACHE", str(tmp_path_factory.mktemp("cache")))
        from benchmark.attacks.textattack.offline_import import load_textattack

        load_textattack()
    from textattack.shared import AttackedText as TheirText

    return TheirText


def cases(count):
    """Random texts, single and paired, with a word to replace and what to put there.

    Left out are characters whose lower case is longer, and Chinese: there TextAttack's places are off, and jieba cuts.
    """
    rng = random.Random(0)
    alphabet = "ab'-_*@ .,!`×é<>\n/IЬ"
    for number in range(count):
        attacked = "".join(rng.choices(alphabet, k=rng.randint(1, 30)))
        frozen = "".join(rng.choices("ab .,x-", k=rng.randint(0, 20)))
        columns = (frozen, attacked) if number % 3 == 0 else (attacked,)
        made = text(*columns)
        if made.attacked_words:
            yield made, rng.choice(made.attacked_words), rng.choice(["", "x", "[UNK]", "foo bar", "x-y"]), rng


def as_theirs(theirs, columns):
    return theirs(OrderedDict(zip(("premise", "hypothesis"), columns, strict=True)) if len(columns) > 1 else columns[0])


@pytest.mark.slow
@pytest.mark.needs("textattack")
def test_textattack_cuts_replaces_and_windows_alike(theirs):
    for made, index, word, rng in cases(5000):
        their = as_theirs(theirs, made.columns)
        assert tuple(their.words) == made.words
        changed = their.replace_word_at_index(index, word)
        swapped = made.replace(index, word)
        assert changed.text == swapped.joined
        assert changed.attack_attrs["modified_indices"] == set(swapped.modified)
        assert changed.attack_attrs["newly_modified_indices"] == set(swapped.latest)
        if swapped.words:
            place, size = rng.randrange(len(swapped.words)), rng.randint(1, 8)
            assert changed.text_window_around_index(place, size) == swapped.window(place, size)
