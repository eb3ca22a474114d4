"""The attack through TextAttack itself. One file, since the import takes seconds and a worker should pay it once."""

import importlib.util
import json
import os
import random
import subprocess
import sys
import warnings
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.data import Dataset, Example
from tests.attacks.fakes import WordEncoder, attack, dataset, parts, victim
from tests.attacks.test_outcomes import LONG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("textattack") is None or importlib.util.find_spec("textblob") is None,
        reason="the extra [textattack] is not installed",
    ),
]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def backend():
    return "textattack"


def test_a_victim_that_draws_has_its_own_seed_and_leaves_the_process_as_it_was(run):
    import torch

    drawn = []

    def drawing(texts):
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))
        return victim(texts)

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = random.random(), float(np.random.rand()), float(torch.rand(1))
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    run(dataset("a good film"), drawing)
    assert (random.random(), float(np.random.rand()), float(torch.rand(1))) == expected
    first, drawn[:] = list(drawn), []
    run(dataset("a good film"), drawing)
    assert drawn == first


def test_nothing_is_remembered_between_examples(run):
    made = parts()
    run(dataset(LONG, LONG), made=made)
    half = len(made.encoder.asked) // 2
    assert made.encoder.asked[:half] == made.encoder.asked[half:]


@pytest.mark.parametrize("text", ["好电影 good film", "İstanbul good", "ﬁlm good", "good " * 200])
def test_odd_texts_have_an_outcome(run, text):
    row = run(dataset(text))[0]
    assert row.outcome in {"flipped", "survived"}, row.reason
    assert row.original == text


def test_textattacks_own_marker_in_a_text_is_an_error_of_that_example(run):
    marked, plain = run(dataset("a good <SPLIT> film", "a good film"))
    assert (marked.outcome, plain.outcome) == ("error", "flipped")


def test_a_maximised_search_counts_by_its_last_text(spec):
    from benchmark.attacks.textattack_adapter import recipe_search

    search = recipe_search(spec(), parts(), victim)
    search._attacks[1].goal_function.maximizable = True
    flipped, survived = (search.attack(e, "seed") for e in dataset("a good film", "nice film to watch").examples)
    assert (flipped.outcome, survived.outcome) == ("flipped", "survived")
    assert flipped.perturbed == "a decent film"


def stock_attack(made, asked, parameters):
    """TextAttack's own classes with the least that they need to run here."""
    import torch
    from textattack import Attack
    from textattack.constraints.grammaticality import PartOfSpeech
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.constraints.semantics import WordEmbeddingDistance
    from textattack.constraints.semantics.sentence_encoders import SentenceEncoder
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedyWordSwapWIR
    from textattack.transformations import WordSwapEmbedding

    from benchmark.attacks.textattack_parts import LexiconEmbedding
    from benchmark.attacks.textattack_victim import VictimWrapper

    class Tagged(PartOfSpeech):
        def _get_pos(self, before, word, after):
            return made.tagger.tag([*before, word, *after])[len(before)]

    class Encoded(SentenceEncoder):
        def encode(self, sentences):
            return torch.from_numpy(made.encoder.encode(sentences))

    embedding = LexiconEmbedding(made.lexicon)
    constraints = [
        RepeatModification(),
        StopwordModification(stopwords=made.stopwords),
        WordEmbeddingDistance(embedding=embedding, min_cos_sim=parameters.min_cosine),
        Tagged(),
        Encoded(
            threshold=parameters.similarity_threshold,
            metric="angular",
            compare_against_original=False,
            window_size=parameters.window,
            skip_text_shorter_than_window=True,
        ),
    ]
    swap = WordSwapEmbedding(max_candidates=parameters.candidates, embedding=embedding)
    with warnings.catch_warnings(action="ignore"):
        goal = UntargetedClassification(VictimWrapper(asked))
    return Attack(goal, constraints, swap, GreedyWordSwapWIR(wir_method="delete"))


def real_examples(shared, number):
    import pyarrow.parquet as pq

    path = shared / "hub/nyu-mll/glue/sst2/validation-00000-of-00001.parquet"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    rows = pq.ParquetFile(path).read(["sentence", "label"]).slice(0, number).to_pylist()
    return [(str(i), row["sentence"], row["label"]) for i, row in enumerate(rows)]


def test_outcomes_equal_those_of_textattacks_own_parts(run, shared):
    """60 real sentences, a lexicon of 8 neighbours a word, and a victim without ties."""
    from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult

    from benchmark.attacks import numbers_of
    from benchmark.lexicons import Lexicon

    lexicon = shared / "lexicon/counterfitted_neighbors.json"
    if not lexicon.is_file():
        pytest.skip(f"{lexicon} is not there")
    encoder = WordEncoder()

    def hashed(texts):
        vectors = encoder.encode([text[-1] for text in texts])
        return (vectors[:, :2] * 20).astype(np.float32)

    made = replace(parts(), lexicon=Lexicon.read(lexicon))
    examples = tuple(Example(id, (text,), label) for id, text, label in real_examples(shared, 60))
    ours = run(Dataset("sst2", examples, ("negative", "positive")), hashed, made, lexicon=lexicon, candidates=8)
    stock = stock_attack(made, hashed, numbers_of(attack(lexicon, candidates=8)))
    for row, example in zip(ours, examples, strict=True):
        result = stock.attack(OrderedDict(text=example.texts[0]), example.label)
        skipped, flipped = (isinstance(result, kind) for kind in (SkippedAttackResult, SuccessfulAttackResult))
        assert row.outcome == ("skipped" if skipped else "flipped" if flipped else "survived")
        assert row.queries == result.num_queries
        if not skipped:
            assert row.perturbed == result.perturbed_result.attacked_text.text
    assert {row.outcome for row in ours} == {"skipped", "flipped", "survived"}


def test_the_stop_words_are_the_recipes():
    import ast

    from benchmark.attacks.stopwords import stop_words

    source = Path(importlib.util.find_spec("textattack").origin).parent / "attack_recipes/textfooler_jin_2019.py"
    calls = [node for node in ast.walk(ast.parse(source.read_text())) if isinstance(node, ast.Call)]
    [listed] = [ast.literal_eval(node.args[0]) for node in calls if getattr(node.func, "id", "") == "set"]
    assert stop_words("textfooler") == set(listed)


def test_the_tagger_knows_context_endings_and_names():
    from benchmark.attacks.tagger import PatternTagger

    tagger = PatternTagger()
    assert tagger.tag(["the", "movie", "was", "a", "charming", "and", "brilliant", "waste", "of", "Paris"]) == (
        "DET", "NOUN", "VERB", "DET", "ADJ", "CONJ", "ADJ", "NOUN", "ADP", "NOUN",
    )  # fmt: skip
    assert tagger.tag(["blorfly", "3", "*", "they", "not"]) == ("ADV", "NUM", "X", "PRON", "ADV")
    assert tagger.tag([]) == ()


def test_outcomes_do_not_depend_on_the_hash_seed_and_the_import_leaves_no_trace(tmp_path):
    running = []
    for seed in ("0", "1"):
        folder = tmp_path / seed
        (folder / "home").mkdir(parents=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "NLTK", "TA_"))}
        environment |= {"PYTHONHASHSEED": seed, "HOME": str(folder / "home"), "TEMPER_CACHE": str(folder / "cache")}
        command = [sys.executable, "-m", "tests.attacks.hash_seed_script", str(folder)]
        running.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True))
    reports = []
    for seed, process in enumerate(running):
        errors = process.communicate(timeout=300)[1]
        assert process.returncode == 0, errors
        assert "textattack" not in errors
        reports.append(json.loads((tmp_path / str(seed) / "report.json").read_text()))
    assert reports[0]["rows"] == reports[1]["rows"]
    for seed, report in enumerate(reports):
        assert (report["changed"], report["disabled"], report["nltk"]) == ([], False, [])
        assert report["corpus"] == "LazyCorpusLoader"
        assert report["hub"] == str(tmp_path / str(seed) / "home/.cache/huggingface")
        assert not [name for name in report["home"] if "nltk" in name or "textattack" in name]
