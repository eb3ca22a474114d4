"""Imperceptible characters: what a reader sees, what tokenizers keep, and the search, against TextAttack and scipy."""

import csv
import random
import unicodedata

import numpy as np
import pytest

from benchmark.attacks import run_attack
from benchmark.attacks.attacked_text import words_changed, words_of
from benchmark.attacks.recipes.imperceptible import (
    BACKSPACE,
    INVISIBLE,
    LOOKALIKES,
    Genome,
    Imperceptible,
    edited,
    places,
)
from benchmark.data import Dataset, Example
from scripts.prove_attacks import generation_of_scipy
from tests.attacks import random_cases
from tests.attacks.conftest import with_textattack
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import outcomes, spec

KINDS = ("homoglyphs", "invisible", "deletions", "reorderings")
SENTENCE = "A Good film, and a GREAT one: naïve, 100 % fun."


def seen(text):
    """Return a text as a reader sees it: backspaces delete, format characters are hidden, directions are obeyed."""
    shown = []
    for char in _in_visual_order(text):
        if char == BACKSPACE:
            shown.pop()
        elif unicodedata.category(char) != "Cf":
            shown.append(char)
    latin = {alike: letter for letter, all_alike in LOOKALIKES.items() for alike in all_alike}
    return "".join(latin.get(char, char) for char in shown)


def _in_visual_order(text):
    """Reorder a text by the rules X1 to X8 and L2 of Unicode's bidirectional algorithm; letters run to the right."""
    levels, stack = [], [(0, False)]
    for char in text:
        level = stack[-1][0]
        if char in "\u2069\u202c":  # the end of an isolate belongs to the text around it
            stack.pop()
            level = stack[-1][0]
        levels.append(level)
        if char in "\u202d\u2066":  # an override or isolate from left to right has the next even level
            stack.append((level + 2 - level % 2, char == "\u2066"))
        elif char == "\u202e":
            stack.append((level + 1 + level % 2, False))
    assert stack == [(0, False)]
    chars = list(text)
    for least in range(max(levels, default=0), 0, -1):
        start = 0
        while start < len(chars):
            end = start
            while end < len(chars) and levels[end] >= least:
                end += 1
            chars[start:end], levels[start:end] = chars[start:end][::-1], levels[start:end][::-1]
            start = max(end, start + 1)
    return "".join(chars)


def test_lookalikes_are_one_letter_of_another_script_in_the_same_case():
    assert len(LOOKALIKES) == 16 + 21
    for letter, alike in LOOKALIKES.items():
        assert len(set(alike)) == len(alike)
        for char in alike:
            name = unicodedata.name(char)
            assert name.split()[0] in {"CYRILLIC", "GREEK"}
            assert unicodedata.category(char) == ("Lu" if letter.isupper() else "Ll")
            assert unicodedata.normalize("NFKC", char) in {char, "Σ"}
            assert words_of(f"x{char}x") == (f"x{char}x",)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("perturbations", [1, 3, 9])
def test_a_reader_sees_the_original_and_changes_are_bounded(kind, perturbations):
    genome, rng = Genome(places(SENTENCE, kind), perturbations), random.Random(0)
    counts = set()
    for _ in range(300):
        edits = genome.edits([rng.random() for _ in range(genome.length)])
        text = edited(SENTENCE, edits)
        counts.add(len(edits))
        assert len(edits) <= perturbations
        assert (text != SENTENCE) == bool(edits)
        assert seen(text) == SENTENCE
        assert words_changed(words_of(SENTENCE), words_of(text)) <= perturbations
    assert max(counts) == perturbations
    assert genome.edits([0.0] * genome.length) == []
    last = genome.edits([1.0] * genome.length)
    assert {edit.start for edit in last} == {genome.places[-1][-1].start}


def test_the_check_of_directions_notices_a_wrong_order():
    assert seen("fl\u202d\u2066\u202e\u2066i\u2069\u2066o\u2069\u202c\u2069\u202cm") == "floim"
    assert seen("a\u202ebcd\u202ce") == "adcbe"
    assert seen("caX\bt") == "cat"


def test_only_latin_letters_are_reordered():
    assert places("a אב, éx 12 क्ष", "reorderings") == []
    assert [edits[0].start for edits in places("ab éxy", "reorderings")] == [0, 4]


@pytest.mark.parametrize(
    ("kind", "wordpiece", "sentencepiece"),
    [
        ("homoglyphs", "f\u0456lm", "f\u0456lm"),
        ("invisible", "film", "f ilm"),
        ("deletions", "fxilm", "fxilm"),
        ("reorderings", "flim", None),
    ],
)
def test_what_tokenizers_keep(kind, wordpiece, sentencepiece):
    """The table of the module; byte-level BPE has no normalizer."""
    from tokenizers import normalizers

    edits = {edit.replacement.lower(): edit for choice in places("film", kind) for edit in choice if edit.start == 1}
    edit = edits["x\b"] if kind == "deletions" else next(iter(edits.values()))
    text = edited("film", [edit]).lower()
    for normalizer in (normalizers.BertNormalizer(), normalizers.BertNormalizer(lowercase=False)):
        assert normalizer.normalize_str(text) == wordpiece
    nmt_nfkc = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC()])
    assert nmt_nfkc.normalize_str(text) == (sentencepiece or text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_misled_by_each_kind_is_flipped(tmp_path, kind):
    text = "a good film"
    attack = spec("imperceptible", characters=kind, perturbations=2)
    ((_, outcome, perturbed, queries, _),) = outcomes(tmp_path, attack, dataset(text), victim, parts())
    genes = 2 if kind in {"homoglyphs", "reorderings"} else 4
    assert (outcome, seen(perturbed)) == ("flipped", text)
    assert perturbed != text
    assert (queries - 1) % (32 * genes) == 0


def test_a_model_that_sees_no_change_survives_all_generations(tmp_path):
    def blind(texts):
        return victim([tuple(part.translate(dict.fromkeys(map(ord, INVISIBLE))) for part in text) for text in texts])

    attack = spec("imperceptible", characters="invisible", perturbations=1, population=4, generations=3)
    ((_, outcome, _, queries, _),) = outcomes(tmp_path, attack, dataset("a good film"), blind, parts())
    assert (outcome, queries) == ("survived", 1 + 4 * 2 * 4)


def test_a_budget_pairs_and_texts_without_a_place(tmp_path):
    attack = spec("imperceptible", query_budget=50)
    ((_, outcome, _, queries, _),) = outcomes(tmp_path, attack, dataset("great great great " * 9), victim, parts())
    assert (outcome, queries) == ("budget", 50)
    ((_, outcome, perturbed, _, _),) = outcomes(
        tmp_path, spec("imperceptible"), dataset(("a bad text", "a good film")), victim, parts()
    )
    assert (outcome, seen(perturbed)) == ("flipped", "a good film")
    rows = outcomes(tmp_path, spec("imperceptible"), dataset("", "123 fun", "好电影"), victim, parts())
    assert [(row[1], row[3]) for row in rows[::2]] == [("survived", 1)] * 2


def test_the_search_is_as_good_as_scipys(tmp_path):
    """Over 60 seeds for each of three texts, mean generations and share of successes are within 4 standard errors."""
    asked, made = random_cases.victim(2, seed=4), random_cases.parts()
    originals = random_cases.examples(3, (9, 12), asked, 4).examples
    seeds = tuple(Example(f"{e.id}-{seed}", e.texts, e.label) for e in originals for seed in range(60))
    attack = spec("imperceptible", perturbations=3, population=3, generations=6)
    rows = outcomes(tmp_path, attack, Dataset("seeds", seeds, ("a", "b")), asked, made)
    recipe = Imperceptible(perturbations=3, population=3, generations=6)
    partial = 0
    for example in originals:
        ours = [((row[3] - 1) // 9, row[1] == "flipped") for row in rows if row[0].split("-")[0] == example.id]
        generations = [generation_of_scipy(recipe, asked, example, seed) for seed in range(60)]
        theirs = [(generation or 7, generation is not None) for generation in generations]
        for one, two in zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True):
            error = np.hypot(np.std(one), np.std(two)) / 60**0.5
            assert abs(np.mean(one) - np.mean(two)) <= 4 * error + 1e-9
        partial += 0 < sum(success for _, success in ours) < 60
    assert partial, "nothing random happened"


class TestAgainstTextAttack:
    """TextAttack 0.3.11 writes the same texts where places are in the order in which it shifts them."""

    pytestmark = with_textattack

    @pytest.fixture
    def swaps(self):
        from benchmark.attacks.textattack import components  # noqa: F401 - imports TextAttack

        from textattack import transformations  # isort: skip

        # Its constructor reads a file that its package lacks; only this table is used.
        homoglyphs = transformations.WordSwapHomoglyphSwap.__new__(transformations.WordSwapHomoglyphSwap)
        homoglyphs.homos_intentional = {letter: list(alike) for letter, alike in LOOKALIKES.items()}
        return {
            "homoglyphs": homoglyphs,
            "invisible": transformations.WordSwapInvisibleCharacters(),
            "deletions": transformations.WordSwapDeletions(),
            "reorderings": transformations.WordSwapReorderings(),
        }

    @pytest.mark.parametrize("kind", KINDS)
    def test_the_same_changes_give_the_same_text(self, swaps, kind):
        from benchmark.attacks.textattack.components import attacked_text

        text, rng = "A Goodfilmandagreatone", random.Random(0)
        choices = places(text, kind)
        for _ in range(300):
            rows = sorted(rng.sample(range(len(choices)), 1 if kind == "reorderings" else 4))
            edits = [rng.choice(choices[row]) for row in rows]
            if kind == "homoglyphs":
                # Of two look-alikes of one letter, TextAttack takes the last.
                edits = list({edit.start: edit for edit in edits}.values())
                vector = [choices.index([edit]) for edit in edits]
            elif kind == "invisible":
                edits.reverse()
                vector = [part for e in edits for part in (INVISIBLE.index(e.replacement), e.start)]
            elif kind == "deletions":
                # TextAttack moves every later place by two.
                vector = [part for edit in edits for part in (edit.start, ord(edit.replacement[0]))]
            else:
                vector = [edits[0].start]
            original = attacked_text((text,))
            precomputed = swaps[kind].get_bounds_and_precomputed(original, len(edits))[1]
            assert swaps[kind].apply_perturbation(original, vector, precomputed).text == edited(text, edits)


@pytest.mark.parametrize("kind", KINDS)
def test_texts_are_stored_as_they_are_and_shown_with_what_is_hidden(tmp_path, kind):
    """Journal, table and CSV keep every character; the leaderboard's lines show those that a reader would not see."""
    from benchmark.cli.attack import _write_csv
    from benchmark.evaluation.parquet import read_attack, write_attack
    from benchmark.execution.cells import ATTACKED
    from benchmark.execution.records import _example
    from benchmark.schema import attack_example_line, visible
    from leaderboard.render.html import attacked_text

    examples = dataset("a good <b>film</b>", "bad")
    attack = spec("imperceptible", characters=kind, perturbations=2)
    rows = run_attack(attack, examples, victim, tmp_path / "journal.jsonl", parts=parts())
    flipped = rows[0]
    assert flipped.outcome == "flipped"
    assert run_attack(attack, examples, _refuses, tmp_path / "journal.jsonl", parts=parts()) == rows
    write_attack(tmp_path / ATTACKED, rows)
    assert [row.perturbed for row in read_attack(tmp_path / ATTACKED)] == [row.perturbed for row in rows]
    _write_csv(tmp_path / "rows.csv", rows, examples, ("no", "yes"))
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as stream:
        assert [line["perturbed"] for line in csv.DictReader(stream)] == [row.perturbed for row in rows]
    line = _example(flipped, 0, "sha256:" + "0" * 64)
    assert attack_example_line(line).isascii() or line["perturbed"].isprintable()
    assert line["perturbed"] == visible(flipped.perturbed)
    assert line["perturbed"].isprintable()
    assert ("<U+" in line["perturbed"]) == (kind != "homoglyphs")
    assert any(changed for _, changed in attacked_text(line).perturbed)


def _refuses(texts):
    raise AssertionError("a finished example was attacked again")
