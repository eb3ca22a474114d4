"""The attack through TextAttack itself. One file, since the import takes seconds and a worker should pay it once."""

import importlib.util
import json
import os
import random
import subprocess
import sys
import warnings
from collections import Counter, OrderedDict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.attacks import run_attack
from benchmark.data import Dataset, Example
from benchmark.schema.errors import IntegrityError, UsageError
from tests.attacks import hash_seed_script
from tests.attacks.fakes import LEXICON, WordEncoder, attack, dataset, parts, victim
from tests.attacks.test_outcomes import LONG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("_own_cache"),
    pytest.mark.needs("textattack"),
]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def backend():
    return "textattack"


@pytest.fixture(autouse=True)
def _loaded_offline(_own_cache):
    """Import TextAttack without its downloads before a test imports it by name."""
    from benchmark.attacks.textattack.offline_import import load_textattack

    load_textattack()


def test_a_victim_that_draws_has_its_own_seed_and_leaves_the_process_as_it_was(run):
    import torch

    drawn = []

    def drawing(texts):
        drawn.append((random.random(), float(np.random.rand()), float(torch.rand(1))))
        return victim(texts)

    run(dataset("a film"))  # The import draws, once.
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
    from benchmark.attacks.textattack.adapter import recipe_search

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

    from benchmark.attacks.textattack.components import LexiconEmbedding, VictimWrapper

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


def characters(asked, *frozen):
    """An attack of nobody's: two letters of a random word change places, until the victim is wrong."""
    from textattack import Attack
    from textattack.constraints.pre_transformation import RepeatModification, StopwordModification
    from textattack.goal_functions import UntargetedClassification
    from textattack.search_methods import GreedySearch
    from textattack.transformations import WordSwapNeighboringCharacterSwap

    with warnings.catch_warnings(action="ignore"):
        goal = UntargetedClassification(asked, query_budget=40)
    rules = [RepeatModification(), StopwordModification(stopwords={"the"}), *frozen]
    return Attack(goal, rules, WordSwapNeighboringCharacterSwap(random_one=True), GreedySearch())


def test_any_attack_of_textattacks_is_a_task(tmp_path):
    from benchmark.attacks.textattack.adapter import attack_with
    from benchmark.attacks.textattack.components import VictimWrapper

    asked, made = VictimWrapper(victim), parts()
    examples = dataset("a good charming film", "the bad film", "nothing", "good", labels=[1, 1, 0, 1])
    rows = attack_with(characters(asked), examples, tmp_path / "a", encoder=made.encoder)
    assert [row.outcome for row in rows] == ["flipped", "skipped", "survived", "flipped"]
    first = rows[0]
    assert victim([(first.perturbed,)])[0].argmax() == 0
    assert sorted(first.perturbed.replace(" ", "")) == sorted("agoodcharmingfilm")
    assert first.changed == sum(a != b for a, b in zip(first.original.split(), first.perturbed.split(), strict=True))
    assert 0 < first.similarity < 1
    assert attack_with(characters(asked), examples, tmp_path / "b", encoder=made.encoder) == rows
    without = attack_with(characters(asked), examples, tmp_path / "c")
    assert [row.similarity for row in without] == [None] * 4
    assert [row.perturbed for row in without] == [row.perturbed for row in rows]


def test_an_attack_of_textattacks_is_resumed_and_no_other_goes_on(tmp_path):
    from textattack.search_methods import BeamSearch

    from benchmark.attacks.textattack.adapter import attack_with
    from benchmark.attacks.textattack.components import VictimWrapper

    asked, examples = VictimWrapper(victim), dataset("a good charming film", "a great film", "good")
    expected = attack_with(characters(asked), examples, tmp_path / "whole")

    def stop(_row, done, _total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attack_with(characters(asked), examples, tmp_path / "part", stop)
    finished = []
    again = attack_with(characters(asked), examples, tmp_path / "part", lambda row, *_: finished.append(row.id))
    assert (again, finished) == (expected, ["12"])
    other = characters(asked)
    other.search_method = BeamSearch(2)
    with pytest.raises(IntegrityError, match="belongs to another attack"):
        attack_with(other, examples, tmp_path / "part")


def test_attacks_that_rows_have_no_place_for_are_refused(tmp_path):
    from textattack.constraints.pre_transformation import InputColumnModification

    from benchmark.attacks.textattack.adapter import attack_with
    from benchmark.attacks.textattack.components import VictimWrapper

    def both(texts):
        return victim([(" ".join(pair),) for pair in texts])

    asked, pairs = VictimWrapper(both), dataset(("good good good", "the the"), labels=[1])
    with pytest.raises(UsageError, match=r"changed the first text of the pair '10'.*InputColumnModification"):
        attack_with(characters(asked), pairs, tmp_path / "a")
    frozen = InputColumnModification(["premise", "hypothesis"], {"premise"})
    assert attack_with(characters(asked, frozen), pairs, tmp_path / "b")[0].outcome == "survived"
    foreign = characters(asked)
    foreign.goal_function.model = victim
    with pytest.raises(UsageError, match=r"victim is not a .*VictimWrapper"):
        attack_with(foreign, pairs, tmp_path / "c")


def test_only_recipes_that_textattack_can_compose_run_there():
    from benchmark.attacks.recipes.random_swap import RandomSwap

    with pytest.raises(UsageError, match=r"'random_swap' runs with backend = \"engine\" only\. Known: bert_attack, "):
        RandomSwap(queries=9).build_textattack(parts(), victim, pair=False)


def random_case(rng):
    """Sentences and pairs of words that the lexicon knows, and numbers that make every rule matter."""
    words = sorted({*LEXICON, *(near for entry in LEXICON.values() for near, _ in entry), "the", "of", "Good", "BAD"})

    def sentence(most):
        joined = (rng.choice(words) + rng.choice(["", "", "", ",", " -", "."]) for _ in range(rng.randint(1, most)))
        return " ".join(joined)

    texts = [(sentence(4), sentence(8)) if rng.random() < 0.3 else sentence(16) for _ in range(4)]
    numbers = {
        "candidates": rng.randint(1, 4),
        "min_cosine": rng.choice([-1, 0, 0.5, 0.75]),
        "similarity_threshold": rng.choice([0.5, 0.7, 0.85]),
        "similarity_metric": rng.choice(["angular", "cosine"]),
        "window": rng.choice([2, 3, 5, 15]),
    }
    if rng.random() < 0.4:
        numbers["max_share"] = rng.choice([0.1, 0.3, 0.5])
    return dataset(*texts), numbers


def test_the_engine_finds_what_textattacks_search_finds(spec, tmp_path):
    rng, outcomes = random.Random(0), Counter()

    def rows_of(examples, numbers):
        found = []
        for backend in ("textattack", "engine"):
            journal = tmp_path / backend
            journal.unlink(missing_ok=True)
            found.append(
                run_attack(replace(spec(**numbers), backend=backend), examples, victim, journal, parts=parts())
            )
        return found

    for _ in range(60):
        examples, numbers = random_case(rng)
        theirs, ours = rows_of(examples, numbers)
        # A budget that ends among the candidates of the last step, whose order it makes count.
        budget = max(1, rng.choice(ours).queries - rng.randint(0, 3))
        limited = rows_of(examples, {**numbers, "query_budget": budget})
        for one, other in zip(theirs + limited[0], ours + limited[1], strict=True):
            assert not one.reason
            kept = "outcome", "queries", "perturbed", "words", "changed"
            assert [getattr(one, name) for name in kept] == [getattr(other, name) for name in kept], numbers
            assert other.logits_original == pytest.approx(one.logits_original, abs=6e-4)
            assert (other.similarity is None) == (one.similarity is None)
            assert one.similarity is None or other.similarity == pytest.approx(one.similarity, abs=6e-5)
            outcomes[one.outcome] += 1
    assert min(outcomes[kind] for kind in ("flipped", "survived", "budget")) > 20


def real_examples(shared, number):
    import pyarrow.parquet as pq

    path = shared / "hub/nyu-mll/glue/sst2/validation-00000-of-00001.parquet"
    rows = pq.ParquetFile(path).read(["sentence", "label"]).slice(0, number).to_pylist()
    return [(str(i), row["sentence"], row["label"]) for i, row in enumerate(rows)]


def test_outcomes_equal_those_of_textattacks_own_parts(run, shared):
    """60 real sentences, a lexicon of 8 neighbours a word, and a victim without ties."""
    from textattack.attack_results import SkippedAttackResult, SuccessfulAttackResult

    from benchmark.attacks import parameters_of
    from benchmark.lexicons import Lexicon

    lexicon = shared / "lexicon/counterfitted_neighbors.json"
    encoder = WordEncoder()

    def hashed(texts):
        vectors = encoder.encode([text[-1] for text in texts])
        return (vectors[:, :2] * 20).astype(np.float32)

    made = replace(parts(), lexicon=Lexicon.read(lexicon))
    examples = tuple(Example(id, (text,), label) for id, text, label in real_examples(shared, 60))
    ours = run(Dataset("sst2", examples, ("negative", "positive")), hashed, made, lexicon=lexicon, candidates=8)
    stock = stock_attack(made, hashed, parameters_of(attack(lexicon, candidates=8)))
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

    from benchmark.attacks.parts import stop_words

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
    (tmp_path / "home").mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "XDG_", "NLTK", "TA_"))}
    # This process has another seed.
    seed = "1" if environment.get("PYTHONHASHSEED") == "0" else "0"
    environment |= {"PYTHONHASHSEED": seed, "HOME": str(tmp_path / "home"), "TEMPER_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "tests.attacks.hash_seed_script", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "textattack" not in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "here").mkdir()
    assert report["rows"] == hash_seed_script.attacked(tmp_path / "here")
    assert (report["changed"], report["disabled"], report["nltk"]) == ([], False, [])
    assert report["corpus"] == "LazyCorpusLoader"
    assert report["hub"] == str(tmp_path / "home/.cache/huggingface")
    assert not [name for name in report["home"] if "nltk" in name or "textattack" in name]
