"""Building the lexicon, on fewer than ten words."""

import gzip

import numpy as np
import pytest

from scripts.judge_lexicon import agreement, opposite_signs, read_lexicon
from scripts.lexicon.counterfitting import Edges, Settings, close_pairs, counterfit, sharpen
from scripts.lexicon.neighbours import Rules, lexicon_bytes, nearest_words
from scripts.lexicon.relations import find_forms, find_relations, inflect
from scripts.lexicon.wordnet import read_wordnet

ADJECTIVES = """\
  1 the licence stands above, on lines that begin with spaces
00000010 00 a 02 good 0 Fine(p) 1 003 ! 00000020 a 0101 & 00000030 a 0000 + 00000010 n 0101 | of quality; "a | bar"
00000020 00 a 01 bad 0 001 ! 00000010 a 0101 | not good
00000030 00 s 02 great 0 super_duper 0 001 & 00000010 a 0000 | very good
00000040 00 s 02 big 0 great 1 000 | large
"""
VERBS = "00000050 29 v 02 love 0 adore 0 000 02 + 01 00 + 08 00 | to like very much\n"
SENSES = """\
good%3:00:00:: 00000010 1 9
great%5:00:00:good:00 00000030 1 19
great%5:00:01:large:00 00000040 2 0
bad%3:00:00:: 00000020 1 5
big%5:00:00:large:00 00000040 1 3
love%2:37:00:: 00000050 1 1
adore%2:37:00:: 00000050 1 0
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "data.adj").write_text(ADJECTIVES)
    (tmp_path / "data.verb").write_text(VERBS)
    (tmp_path / "index.sense").write_text(SENSES)
    return read_wordnet(tmp_path)


def test_wordnet_lines_are_read(net):
    assert net.words == {
        ("a", 10): ["good", "Fine"], ("a", 20): ["bad"], ("a", 30): ["great"], ("a", 40): ["big", "great"],
        ("v", 50): ["love", "adore"],
    }  # fmt: skip
    assert net.similar == {("a", 10): [("a", 30)], ("a", 30): [("a", 10)]}
    assert net.opposite == [((("a", 10), "good"), (("a", 20), "bad")), ((("a", 20), "bad"), (("a", 10), "good"))]
    assert net.counts["great", ("a", 30)] == 19


@pytest.mark.parametrize(
    ("lemma", "kind", "form", "expected"),
    [
        ("film", "n", "plural", {"films"}),
        ("story", "n", "plural", {"stories"}),
        ("boss", "n", "plural", {"bosses"}),
        ("woman", "n", "plural", {"women"}),
        ("plan", "v", "past", {"planned"}),
        ("plane", "v", "gerund", {"planing"}),
        ("visit", "v", "past", {"visitted", "visited"}),
        ("enjoy", "v", "past", {"enjoyed"}),
        ("carry", "v", "past", {"carried"}),
        ("die", "v", "gerund", {"dying"}),
        ("see", "v", "gerund", {"seeing"}),
        ("write", "v", "participle", {"written"}),
        ("feel", "v", "participle", {"felt"}),
        ("have", "v", "third", {"has"}),
        ("funny", "a", "more", {"funnier"}),
        ("bad", "a", "most", {"worst"}),
        ("quickly", "r", "base", {"quickly"}),
    ],
)
def test_inflection(lemma, kind, form, expected):
    assert {word for name, word in inflect(lemma, kind) if name == form} == expected


WORDS = ["good", "bad", "great", "big", "loved", "adored", "love", "better", "greater"]


def named(pairs):
    return {(WORDS[left], WORDS[right]) for left, right in pairs}


def test_relations_cover_inflections_without_rare_senses(net):
    relations = find_relations(net, find_forms(net, WORDS), least_share=0.05)
    # great means big in (0 + 0.5) of (19 + 1) tagged uses, less than the least share.
    assert named(relations.synonyms) == {("good", "great"), ("better", "greater"), ("loved", "adored")}
    assert named(relations.antonyms) == {("good", "bad"), ("bad", "great")}


def test_the_least_share_decides(net):
    relations = find_relations(net, find_forms(net, WORDS), least_share=0.02)
    assert ("great", "big") in named(relations.synonyms)


def unit(rows):
    made = np.array(rows, dtype=float)
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_the_pull_is_the_gradient_of_the_mean_cosine():
    random = np.random.default_rng(0)
    vectors = unit(random.normal(size=(4, 3)))
    edges = Edges(np.array([[0, 1], [0, 2], [1, 3]]), rows=4)
    cosines = edges.cosines(vectors)
    pull = edges.mean_pull(vectors, np.ones(6, bool), cosines)
    step = 1e-6

    def mean_cosine(row, others, moved):
        return np.mean([moved @ vectors[other] / np.linalg.norm(moved) for other in others])

    for row, others in {0: [1, 2], 1: [0, 3], 2: [0], 3: [1]}.items():
        slope = [
            (
                mean_cosine(row, others, vectors[row] + step * axis)
                - mean_cosine(row, others, vectors[row] - step * axis)
            )
            / (2 * step)
            for axis in np.eye(3)
        ]
        np.testing.assert_allclose(pull[row], slope, atol=1e-8)


def test_only_active_edges_count():
    vectors = unit([[1, 0], [0, 1], [1, 1]])
    edges = Edges(np.array([[0, 1], [0, 2]]), rows=3)
    active = edges.target != 1
    pull = edges.mean_pull(vectors, active & (edges.source != 1), edges.cosines(vectors))
    assert pull[1].tolist() == [0, 0]
    assert pull[0][1] == pytest.approx(np.sqrt(0.5))


def test_counterfitting_moves_synonyms_and_antonyms_only():
    random = np.random.default_rng(1)
    vectors = unit(random.normal(size=(6, 5)))
    vectors[1] = unit([vectors[0] + 0.1 * vectors[2]])[0]
    fitted = counterfit(vectors, np.array([[2, 3]]), np.array([[0, 1]]), Settings(sweeps=60))
    assert fitted[2] @ fitted[3] > 0.78
    assert fitted[0] @ fitted[1] < 0.6 < 0.9 < vectors[0] @ vectors[1]
    np.testing.assert_allclose(fitted[4:], vectors[4:], atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(fitted, axis=1), 1)


def test_without_relations_nothing_moves():
    vectors = unit(np.random.default_rng(2).normal(size=(20, 3)))
    none = np.empty((0, 2), np.int64)
    np.testing.assert_allclose(counterfit(vectors, none, none, Settings(sweeps=3)), vectors, atol=1e-15)


def test_close_pairs_over_several_blocks():
    vectors = unit(np.random.default_rng(3).normal(size=(1100, 4)))
    found = close_pairs(vectors, 0.95)
    left, right = np.nonzero(np.triu(vectors @ vectors.T >= 0.95, 1))
    assert found.tolist() == np.stack([left, right], 1).tolist()


def test_sharpen_removes_what_is_common():
    random = np.random.default_rng(4)
    vectors = random.normal(size=(500, 6)) + 5 * np.eye(6)[0] + 9 * random.normal(size=(500, 1)) * np.eye(6)[1]
    sharp = sharpen(vectors, 1)
    np.testing.assert_allclose(np.linalg.norm(sharp, axis=1), 1)
    assert abs(sharp[:, 0].mean()) < 0.1
    assert np.abs(sharp[:, 1]).max() < 0.2


def lexicon_of(net, **changes):
    vectors = unit([[1, 0.1], [1, 0.2], [1, 0.3], [1, 0.3], [0, 1], [0.1, 1], [1, 0], [0.9, 0], [1, 0.1]])
    rules = Rules(**{"least": 500, "most": 16, "least_before": -1000, "apart": set()} | changes)
    entries = nearest_words(vectors, vectors, WORDS, find_forms(net, WORDS), heads=range(len(WORDS)), rules=rules)
    return {word: [neighbour for neighbour, _ in near] for word, near in entries}


def test_neighbours_have_the_form_and_another_lemma(net):
    found = lexicon_of(net)
    assert found["good"] == ["bad", "big", "great"]  # equally near ones by word; better is good itself
    assert found["loved"] == ["adored"]
    assert found["love"] == []
    assert found["greater"] == ["better"]


def test_neighbour_rules(net):
    assert lexicon_of(net, most=1)["good"] == ["bad"]
    assert lexicon_of(net, apart={(0, 1)})["good"] == ["big", "great"]
    assert lexicon_of(net, least=990)["good"] == ["bad"]
    assert lexicon_of(net, least_before=990)["good"] == ["bad"]


def test_the_file_is_the_same_whatever_the_order(tmp_path):
    entries = [("b", [("a", 900)]), ("a", [("b", 900), ("c", 1000)]), ("c", [])]
    data = lexicon_bytes(entries)
    assert data == lexicon_bytes(entries[::-1])
    assert gzip.decompress(data) == b"a\tb:0.900 c:1.000\nb\ta:0.900\n"
    (tmp_path / "x.tsv.gz").write_bytes(data)
    assert read_lexicon(tmp_path / "x.tsv.gz")["a"] == [("b", 0.9), ("c", 1.0)]


def test_judging_counts_only_what_both_sources_know():
    lexicon = {"good": [("fine", 0.9), ("bad", 0.8), ("odd", 0.7)], "odd": [("bad", 0.6)]}
    categories = {"good": {"A"}, "fine": {"A", "B"}, "bad": {"C"}}
    assert agreement(lexicon, categories, 16) == (1, 2)
    assert agreement(lexicon, categories, 1) == (1, 1)
    assert opposite_signs(lexicon, {"good": 2.0, "fine": 1.0, "bad": -2.0, "odd": -0.5}) == (2, 3)
