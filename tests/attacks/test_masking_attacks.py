"""Random substitution and transfer: what an attack's success is compared with."""

import pytest

from benchmark.attacks import attack_identity, load_parts, parameters_of
from benchmark.attacks.attacked_text import AttackedText
from benchmark.attacks.constraints import allowed, modifiable
from benchmark.attacks.parts import TransferTable, read_transfer_table
from benchmark.attacks.recipes.textfooler import TextFooler
from benchmark.attacks.run import run_attack
from benchmark.data import Dataset, Example
from benchmark.evaluation.parquet import write_attack
from benchmark.schema.errors import IntegrityError, UsageError
from tests.attacks.fakes import dataset, parts, victim
from tests.attacks.random_cases import outcomes, spec


def stubborn(texts):
    return victim([("good",) for _ in texts])


def test_random_texts_keep_textfoolers_rules_and_their_number(tmp_path):
    asked, made = [], parts()

    def watched(texts):
        asked.extend(text[0] for text in texts)
        return stubborn(texts)

    original = "a good charming film to watch"
    attack = spec("random_swap", queries=30, min_cosine=0.5)
    ((_, outcome, text, queries, _),) = outcomes(tmp_path, attack, dataset(original, labels=[1]), watched, made)
    assert (outcome, queries, text in asked) == ("survived", 30, True)
    start, rules = AttackedText((original,)), TextFooler().rules(made)
    counts = set()
    for found in [AttackedText((joined,)) for joined in asked[1:]]:
        changed = {i for i, (a, b) in enumerate(zip(found.words, start.words, strict=True)) if a != b}
        assert changed <= set(modifiable(start, made.stopwords))
        assert allowed(start, [AttackedText(found.columns, latest=frozenset(changed))], rules)
        counts.add(len(changed))
    # A walk swaps word after word: from one to all four.
    assert counts == {1, 2, 3, 4}
    assert len(set(asked)) > 10


def test_it_is_flipped_if_any_text_is_and_stops_after_that_walk(tmp_path):
    attack = spec("random_swap", queries=500)
    ((_, outcome, text, queries, _),) = outcomes(tmp_path, attack, dataset("a good film"), victim, parts())
    assert outcome == "flipped"
    assert "decent" in text
    assert queries < 100


def test_nothing_to_swap_ends_it(tmp_path):
    attack = spec("random_swap", queries=500)
    assert outcomes(tmp_path, attack, dataset("fine the"), victim, parts()) == [("10", "survived", "fine the", 1, None)]


@pytest.mark.parametrize("queries", [1, 2, 7])
def test_few_queries_are_kept(tmp_path, queries):
    attack = spec("random_swap", queries=queries)
    ((_, outcome, _, asked, _),) = outcomes(tmp_path, attack, dataset("a good film", labels=[1]), stubborn, parts())
    assert (outcome, asked) == ("survived", queries)


def test_the_share_and_the_premise_are_kept(tmp_path):
    asked = []

    def watched(texts):
        asked.extend(texts)
        return stubborn(texts)

    examples = dataset(("a good film", "a good charming film to watch"), labels=[1])
    outcomes(tmp_path, spec("random_swap", queries=40, max_share=0.2), examples, watched, parts())
    assert {text[0] for text in asked} == {"a good film"}
    words = [text[1].split() for text in asked]
    # Of nine words, both texts together, two.
    assert max(sum(a != b for a, b in zip(words[0], other, strict=True)) for other in words) == 2


def test_random_swap_needs_its_number_of_queries():
    with pytest.raises(UsageError, match="parameter queries: is missing"):
        parameters_of(spec("random_swap"))
    assert parameters_of(spec("random_swap", queries=9)).query_budget is None


TEXTS = ("a good film to watch", "nice film to watch", "great charming film", "a bad film")


@pytest.fixture
def table(tmp_path):
    """TextFooler on four examples: flipped, survived, flipped, skipped."""
    examples = dataset(*TEXTS, labels=[1, 1, 1, 1])
    journal = tmp_path / "source.jsonl"
    rows = run_attack(spec("textfooler", min_cosine=0.5), examples, victim, journal, parts=parts())
    write_attack(tmp_path / "attack.parquet", rows)
    return tmp_path / "attack.parquet", rows


def replayed(tmp_path, table, texts, asked, labels=(1, 1, 1, 1)):
    made = parts()
    made = type(made)(encoder=made.encoder, table=read_transfer_table(table))
    return outcomes(tmp_path, spec("transfer", table=str(table)), dataset(*texts, labels=list(labels)), asked, made)


def test_texts_that_flipped_one_model_are_asked_about_on_another(tmp_path, table):
    path, rows = table
    assert [row.outcome for row in rows] == ["flipped", "survived", "flipped", "skipped"]

    def other(texts):
        """Right about all originals, and wrong about what speaks of a film that is big."""
        logits = stubborn(texts)
        logits[["big" in text[-1] or "fine" in text[-1] for text in texts]] *= -1
        return logits

    found = replayed(tmp_path, path, TEXTS, other)
    for row, source in zip(found, rows, strict=True):
        flipped = source.outcome == "flipped"
        wrong = flipped and other([(source.perturbed,)])[0].argmax() == 0
        kept = source.perturbed if flipped else source.original
        assert row == (source.id, "flipped" if wrong else "survived", kept, 2 if flipped else 1, None)
    assert {row[1] for row in found} == {"flipped", "survived"}


def test_a_text_that_the_model_has_wrong_is_skipped(tmp_path, table):
    found = replayed(tmp_path, table[0], TEXTS, victim)
    assert [row[1] for row in found] == ["flipped", "survived", "flipped", "skipped"]


@pytest.mark.parametrize(
    ("texts", "problem"),
    [((*TEXTS, "one more"), "no row for example '14'"), (("another", *TEXTS[1:]), "a different text for example '10'")],
)
def test_a_table_of_other_examples_is_refused(tmp_path, table, texts, problem):
    with pytest.raises(UsageError, match=f"{problem}. Use the table with the examples"):
        replayed(tmp_path, table[0], texts, stubborn, [1] * len(texts))


def test_the_premise_stays_beside_a_replayed_hypothesis(tmp_path):
    asked = []

    def watched(texts):
        asked.extend(texts)
        return stubborn(texts)

    made = parts()
    made = type(made)(encoder=made.encoder, table=TransferTable("a table", {"0": ("good", "bad")}))
    examples = Dataset("pairs", (Example("0", ("a premise", "good"), 1),), ("a", "b"))
    (tmp_path / "table.parquet").touch()
    attack = spec("transfer", table=str(tmp_path / "table.parquet"))
    ((_, outcome, text, *_),) = outcomes(tmp_path, attack, examples, watched, made)
    assert (outcome, text) == ("survived", "bad")
    assert asked == [("a premise", "good"), ("a premise", "bad")]


def test_a_table_is_told_apart_by_its_bytes_and_not_by_its_place(tmp_path, table):
    path = table[0]
    one = attack_identity(spec("transfer", table=str(path)))
    moved = path.rename(tmp_path / "moved.parquet")
    assert attack_identity(spec("transfer", table=str(moved))) == one
    assert one["parts"]["table"].startswith("sha256:")
    write_attack(moved, table[1][:2])
    assert attack_identity(spec("transfer", table=str(moved))) != one


@pytest.mark.parametrize("contents", [None, b"no parquet"])
def test_what_is_no_attack_table_is_named(tmp_path, contents):
    path = tmp_path / "attack.parquet"
    if contents is not None:
        path.write_bytes(contents)
    kind, problem = (
        (UsageError, "attack table not found") if contents is None else (IntegrityError, "not an attack table")
    )
    with pytest.raises(kind, match=problem):
        read_transfer_table(path)


def test_a_table_of_another_kind_is_named(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"id": ["1"], "logits": [[0.5]]}), tmp_path / "p.parquet")
    with pytest.raises(IntegrityError, match="not an attack table"):
        read_transfer_table(tmp_path / "p.parquet")


def test_the_parts_of_transfer_are_loaded_by_name(table, monkeypatch):
    from benchmark.attacks import parts as module

    monkeypatch.setitem(module._KINDS, "encoder", module._Kind(lambda name: name, lambda name, device: None))
    loaded = load_parts(parameters_of(spec("transfer", table=str(table[0]))))
    assert loaded.table is not None
    assert loaded.table.text("11", TEXTS[1]) is None
