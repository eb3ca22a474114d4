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

from benchmark.attacks import run_attack
from benchmark.data import Dataset, Example
from benchmark.evaluation.tables import read_attack, write_attack
from benchmark.schema.errors import TemperError
from tests.attacks.fakes import LEXICON, WordEncoder, attack, dataset, parts, victim, write_lexicon

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("textattack") is None or importlib.util.find_spec("textblob") is None,
        reason="the extra [textattack] is not installed",
    ),
]

ROOT = Path(__file__).resolve().parents[2]
LONG = "this charming film is a film that the film club of a big town would watch as a good film on a slow day"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def spec(tmp_path):
    tiny = write_lexicon(tmp_path / "tiny.tsv.gz")
    return lambda lexicon=tiny, **parameters: attack(lexicon, **parameters)


@pytest.fixture
def run(tmp_path, spec):
    def attacked(examples, asked=victim, made=None, journal="journal.jsonl", **parameters):
        (tmp_path / journal).unlink(missing_ok=True)
        return run_attack(spec(**parameters), examples, asked, tmp_path / journal, parts=made or parts())

    return attacked


def probability_of(text, label):
    logits = victim([(text,)])[0].astype(float)
    return (np.exp(logits) / np.exp(logits).sum())[label]


def test_outcomes(run, tmp_path):
    texts = dataset("a good film to watch", "nice film to watch", "fine thing", "a good film", labels=[1, 1, 1, 0])
    flipped, survived, untouched, skipped = run(texts)
    assert (flipped.outcome, flipped.perturbed) == ("flipped", "a decent film to watch")
    assert (flipped.words, flipped.changed) == (5, 1)
    # 1 for the text, 3 for leaving out good, film, watch; decent, nice, fine for good.
    assert flipped.queries == 1 + 3 + 3
    assert 0 < flipped.similarity < 1
    assert survived.outcome == "survived"
    assert (survived.perturbed, survived.changed, survived.similarity) == ("nice film to view", 1, None)
    assert probability_of(survived.perturbed, 1) < probability_of(survived.original, 1)
    assert (untouched.outcome, untouched.changed, untouched.perturbed) == ("survived", 0, "fine thing")
    assert (skipped.outcome, skipped.queries, skipped.perturbed) == ("skipped", 1, None)
    assert skipped.logits_original == (-1.0, 1.0)
    for row in (flipped, survived):
        assert row.logits_final == tuple(victim([(row.perturbed,)])[0].tolist())
    write_attack(tmp_path / "attack.parquet", [flipped, survived, untouched, skipped])
    assert read_attack(tmp_path / "attack.parquet") == [flipped, survived, untouched, skipped]


def test_every_accepted_text_keeps_the_rules(run):
    made = parts()
    rows = run(dataset("a good film to watch", "This CHARMING film .", "Charming film", LONG))
    assert {row.outcome for row in rows} == {"flipped"}
    for row in rows:
        pairs = list(zip(row.original.split(), row.perturbed.split(), strict=True))
        changed = [(a, b) for a, b in pairs if a != b]
        assert len(changed) == row.changed
        for old, new in changed:
            assert old.lower() not in made.stopwords
            assert dict(LEXICON[old.lower()])[new.lower()] >= 0.5
            assert old.isupper() == new.isupper()
            assert made.tagger.tag([old])[0] in {made.tagger.tag([new])[0], "NOUN", "VERB"}
        assert victim([(row.perturbed,)])[0].argmax() != row.label


def test_numbers_of_the_attack_count(run):
    only = dataset("a good good film")
    assert run(only)[0].outcome == "flipped"
    assert run(only, candidates=2)[0].outcome == "survived"
    assert "bad" not in run(only, min_cosine=0.45)[0].perturbed
    assert run(only, min_cosine=0.75)[0].outcome == "survived"
    assert "bad" in run(only, min_cosine=0)[0].perturbed
    assert run(dataset(LONG), similarity_threshold=1.0)[0].changed == 0
    assert run(dataset(LONG), similarity_threshold=1.0, window=40)[0].changed > 0
    assert run(dataset(LONG), similarity_threshold=0.999, similarity_metric="cosine")[0].outcome == "survived"


@pytest.mark.parametrize("budget", range(1, 9))
def test_a_query_budget_is_kept(run, budget):
    row = run(dataset("a good film to watch"), query_budget=budget)[0]
    # 1 for the text and 3 for leaving out a word; then decent, the first candidate, flips.
    assert row.queries == min(budget, 7)
    assert row.outcome == ("flipped" if budget >= 5 else "budget")
    assert (row.perturbed is None) == (row.outcome == "budget")


def test_only_the_second_of_two_texts_is_attacked(run):
    asked = []

    def watched(texts):
        asked.extend(texts)
        return victim(texts)

    premise = "a good charming film ."
    row = run(dataset((premise, "a good film to watch")), watched)[0]
    assert (row.outcome, row.original, row.perturbed) == ("flipped", "a good film to watch", "a decent film to watch")
    assert (row.words, row.changed) == (5, 1)
    assert {text[0] for text in asked} == {premise}
    assert len(asked) == len(set(asked))


def test_one_failing_example_stops_nothing(run):
    def broken(texts):
        if any("great" in text[0] for text in texts):
            raise RuntimeError(f"no answer from {object()!r}\nand more")
        if any("charming" in text[0] for text in texts):
            return np.full((len(texts), 2), np.nan, np.float32)
        if any("dull" in text[0] for text in texts):
            return np.zeros((1, 3), np.float32)[:, 0]
        return victim(texts)

    texts = dataset("a good film", "a great film", "a charming film", "a dull film", "a good movie")
    good, raised, infinite, shapeless, last = run(texts, broken)
    assert (good.outcome, last.outcome) == ("flipped", "flipped")
    assert raised.outcome == infinite.outcome == shapeless.outcome == "error"
    assert raised.reason == "RuntimeError: no answer from <object object at 0x…>"
    assert infinite.reason == "ValueError: the victim gave logits that are not finite"
    assert "of shape (1,) for 1 texts" in shapeless.reason
    assert (raised.queries, raised.logits_original, raised.logits_final) == (0, (), None)


def test_an_error_in_the_middle_keeps_what_is_known(run):
    calls = []

    def broken(texts):
        calls.append(texts)
        if len(calls) == 3:
            raise ValueError("third")
        return victim(texts)

    row = run(dataset("a good film to watch"), broken)[0]
    assert (row.outcome, row.reason) == ("error", "ValueError: third")
    assert row.logits_original == tuple(victim([("a good film to watch",)])[0].tolist())
    assert row.queries > 1


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError(28, "No space left on device"), RuntimeError("CUDA out of memory.")]
)
def test_a_machine_that_cannot_go_on_is_not_an_outcome(run, tmp_path, error):
    def failing(texts):
        if "great" in texts[0][0]:
            raise error
        return victim(texts)

    with pytest.raises(TemperError, match="stopped at example '11'"):
        run(dataset("a good film", "a great film"), failing)
    assert [json.loads(line).get("id") for line in (tmp_path / "journal.jsonl").read_text().splitlines()] == [
        None,
        "10",
    ]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_run_ends_byte_for_byte_like_an_undisturbed_one(run, spec, tmp_path, stop):
    texts = dataset("a good film to watch", "nice film to watch", LONG, "a bad dull film", "the film")
    expected = run(texts, journal="undisturbed.jsonl")
    path = tmp_path / "interrupted.jsonl"

    def interrupted_at(number):
        def progress(_, done, total):
            assert total == 5
            if done == number:
                raise stop

        return progress

    for number in (2, 3):
        with pytest.raises(stop):
            run_attack(spec(), texts, victim, path, interrupted_at(number), parts=parts())
        path.write_bytes(path.read_bytes() + b'{"id":"1')
    assert run_attack(spec(), texts, victim, path, parts=parts()) == expected
    assert path.read_bytes() == (tmp_path / "undisturbed.jsonl").read_bytes()

    def unasked(texts):
        raise AssertionError("a finished attack asks nothing")

    assert run_attack(spec(), texts, unasked, path, parts=parts()) == expected


def test_an_interrupt_inside_an_example_passes(run):
    def interrupted(texts):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(dataset("a good film"), interrupted)


def test_order_and_company_do_not_matter(run):
    texts = dataset("a good film to watch", "nice film to watch", LONG, "a bad dull film")
    rows = {row.id: row for row in run(texts)}
    turned = Dataset("turned", texts.examples[::-1], texts.label_names)
    assert {row.id: row for row in run(turned)} == rows
    for example in texts.examples:
        assert run(Dataset("one", (example,), texts.label_names)) == [rows[example.id]]


def test_random_numbers_of_the_process_stay_as_they_were(run):
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


def test_the_encoder_is_asked_once_about_each_text_and_never_about_short_ones(run):
    made = parts()
    short = run(dataset("a good film to watch"), made=made)[0]
    assert made.encoder.asked == [short.original, short.perturbed]
    made = parts()
    long = run(dataset(LONG), made=made)[0]
    search = made.encoder.asked[:-2]
    assert made.encoder.asked[-2:] == [long.original, long.perturbed]
    assert len(search) == len(set(search)) > 3


def test_nothing_is_remembered_between_examples(run):
    made = parts()
    run(dataset(LONG, LONG), made=made)
    half = len(made.encoder.asked) // 2
    assert made.encoder.asked[:half] == made.encoder.asked[half:]


@pytest.mark.parametrize(
    "text",
    [
        "good", "the", "the a is", "!!!", "🙂 🙂", "a good 🙂 film", "<br /> good <b>film</b> &amp;",
        "  good  film ",
        "好电影 good film", "good\u00a0film\u2028watch", "good " * 200, "GOOD Film", "x" * 3000,
        "it's a 'good' film--really_good",
        "\x00 good", "naïve café good", "İstanbul good", "ﬁlm good",
    ],
)  # fmt: skip
def test_odd_texts_have_an_outcome(run, text):
    row = run(dataset(text))[0]
    assert row.outcome in {"flipped", "survived"}, row.reason
    assert row.original == text


def test_textattacks_own_marker_in_a_text_is_an_error_of_that_example(run):
    marked, plain = run(dataset("a good <SPLIT> film", "a good film"))
    assert (marked.outcome, plain.outcome) == ("error", "flipped")


def test_an_unlabelled_example_is_refused(run):
    with pytest.raises(TemperError, match="'10' has no label"):
        run(Dataset("tiny", (Example("10", ("a film",), None),), ()))


def test_a_maximised_search_counts_by_its_last_text(spec):
    from benchmark.attacks import textfooler
    from benchmark.attacks.textattack_adapter import TextAttackSearch

    search = TextAttackSearch(textfooler(spec()), parts(), victim)
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

    from benchmark.attacks import textfooler
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
    stock = stock_attack(made, hashed, textfooler(attack(lexicon, candidates=8)))
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
