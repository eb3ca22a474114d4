"""An attack that was killed ends with the same bytes as one that was not."""

import json
import random
from dataclasses import replace

import pytest

from benchmark.attacks import run_attack
from benchmark.evaluation.parquet import write_attack
from benchmark.schema.errors import IntegrityError
from benchmark.testing.subject import Killed
from tests.attacks import random_cases
from tests.attacks.fakes import attack, dataset, parts, victim, write_lexicon
from tests.attacks.kill_script import SENTENCES
from tests.support.processes import python


def killed_after(calls):
    """A victim that answers so many times."""
    left = iter(range(calls))

    def dying(texts):
        if next(left, None) is None:
            raise Killed
        return victim(texts)

    return dying


@pytest.fixture
def spec(tmp_path):
    return attack(write_lexicon(tmp_path / "tiny.tsv.gz"))


def table(folder, rows):
    write_attack(folder / "table.parquet", rows)
    return (folder / "table.parquet").read_bytes()


@pytest.mark.parametrize("recipe", ["deepwordbug", "keyboard_typos", "imperceptible"])
def test_random_edits_are_the_same_after_a_kill(tmp_path, recipe):
    attack, examples = random_cases.spec(recipe, query_budget=200), dataset(*SENTENCES)
    expected = run_attack(attack, examples, victim, tmp_path / "undisturbed.jsonl", parts=parts())
    journal = tmp_path / "killed.jsonl"
    for calls in (12, 5):
        with pytest.raises(Killed):
            run_attack(attack, examples, killed_after(calls), journal, parts=parts(), in_flight=1)
    assert len(journal.read_bytes().splitlines()) > 2
    assert run_attack(attack, examples, victim, journal, parts=parts()) == expected


@pytest.mark.parametrize("seed", range(3))
def test_killed_ten_times_and_resumed_with_another_number_in_flight(spec, tmp_path, seed):
    rng, examples = random.Random(seed), dataset(*SENTENCES)
    expected = table(tmp_path, run_attack(spec, examples, victim, tmp_path / "undisturbed.jsonl", parts=parts()))
    journal, done = tmp_path / "killed.jsonl", 0
    for _ in range(10):
        in_flight = rng.choice([1, 3])
        dying = killed_after(rng.randint(0, 9 if in_flight == 1 else 3))
        with pytest.raises(Killed):
            run_attack(spec, examples, dying, journal, parts=parts(), in_flight=in_flight)
        lines = journal.read_bytes().splitlines(keepends=True)
        assert len(lines) > done
        done = len(lines) - 1
        # The disk has a part of the next line.
        unfinished = rng.choice(lines)
        journal.write_bytes(b"".join(lines) + unfinished[: rng.randrange(len(unfinished) - 1)])
    assert 0 < done < len(examples)
    assert table(tmp_path, run_attack(spec, examples, victim, journal, parts=parts())) == expected


@pytest.mark.slow
def test_a_process_killed_ten_times_at_any_moment_ends_byte_for_byte_alike(tmp_path):
    done = python("-m", "tests.attacks.kill_script", tmp_path, 5)
    assert done.returncode == 0, done.stderr
    left = json.loads((tmp_path / "left.json").read_text())
    assert len(left) == 10
    assert left == sorted(left)
    assert any(1 < lines < len(SENTENCES) + 1 for lines in left), left
    assert (tmp_path / "killed.parquet").read_bytes() == (tmp_path / "undisturbed.parquet").read_bytes()


def test_another_attack_or_other_examples_do_not_go_on(spec, tmp_path):
    examples, journal = dataset("a good film", "a bad film"), tmp_path / "journal.jsonl"
    run_attack(spec, examples, victim, journal, parts=parts())
    for other, data in ((replace(spec, version=2), examples), (spec, dataset("a good film", "a film"))):
        with pytest.raises(IntegrityError, match="belongs to another attack or other examples"):
            run_attack(other, data, victim, journal, parts=parts())
    assert len(run_attack(replace(spec, title="Another"), examples, victim, journal, parts=parts())) == 2
