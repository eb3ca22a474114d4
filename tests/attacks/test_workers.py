"""Several worker processes give the rows of one, whichever worker dies."""

import multiprocessing
import os
import signal
import time

import numpy as np
import pytest

from benchmark import worker_processes
from benchmark.attacks import run_attack
from benchmark.attacks.victim import ModelVictim
from benchmark.data import Dataset, Example
from benchmark.schema.errors import TemperError, UsageError
from tests.attacks import random_cases
from tests.attacks.fakes import TINY, attack, dataset, parts, victim, write_lexicon
from tests.attacks.kill_script import SENTENCES
from tests.support.processes import PROCESSES
from tests.support.tiny import sentences

pytestmark = pytest.mark.slow


def dying(texts):
    """A victim whose process is gone once it is asked about a certain text."""
    if any("watch" in text[0] for text in texts):
        os._exit(7)
    return victim(texts)


def refusing(texts):
    if any("watch" in text[0] for text in texts):
        raise TemperError("The machine is out of answers.")
    return victim(texts)


def slowly(texts):
    time.sleep(0.05)
    return victim(texts)


@pytest.fixture
def spec(tmp_path):
    return attack(write_lexicon(tmp_path / "tiny.tsv.gz"))


@pytest.mark.usefixtures("_preloaded_workers")
def test_random_edits_do_not_depend_on_the_number_of_workers(tiny_model, tmp_path):
    attack = random_cases.spec("imperceptible", query_budget=80)
    labelled = [Example(str(i), (text,), label) for i, (text, label) in enumerate(sentences(8, seed=9))]
    examples, model = Dataset("tiny", tuple(labelled), ("negative", "positive")), ModelVictim(tiny_model)
    one, two = (
        run_attack(attack, examples, model, tmp_path / f"{workers}.jsonl", parts=parts({}), workers=workers)
        for workers in (1, 2)
    )
    assert one == two
    assert "flipped" in {row.outcome for row in one}


@pytest.mark.usefixtures("_preloaded_workers")
def test_rows_do_not_depend_on_the_number_of_workers(tiny_model, tmp_path):
    spec = attack(write_lexicon(tmp_path / "words.tsv.gz", TINY), similarity_threshold=0.5, window=4)
    labelled = [Example(str(i), (text,), label) for i, (text, label) in enumerate(sentences(24, seed=9))]
    examples, model = Dataset("tiny", tuple(labelled), ("negative", "positive")), ModelVictim(tiny_model)
    rows = {
        workers: run_attack(spec, examples, model, tmp_path / f"{workers}.jsonl", parts=parts(TINY), workers=workers)
        for workers in (1, 2)
    }
    assert rows[1] == rows[2]
    assert {row.outcome for row in rows[1]} == {"skipped", "flipped", "survived"}


@pytest.mark.usefixtures("_preloaded_workers")
def test_another_number_of_workers_goes_on(spec, tmp_path):
    examples, journal = dataset(*SENTENCES), tmp_path / "journal.jsonl"
    expected = run_attack(spec, examples, victim, tmp_path / "undisturbed.jsonl", parts=parts())

    def stop_at(count):
        def progress(_, done, total):
            if done == count:
                raise KeyboardInterrupt

        return progress

    for workers, count in ((2, 3), (1, 6), (3, 8)):
        with pytest.raises(KeyboardInterrupt):
            run_attack(spec, examples, victim, journal, stop_at(count), parts=parts(), workers=workers, in_flight=3)
        assert not multiprocessing.active_children()
        assert len(journal.read_bytes().splitlines()) == 1 + count
    assert run_attack(spec, examples, victim, journal, parts=parts(), workers=2) == expected


@pytest.mark.usefixtures("_preloaded_workers")
@pytest.mark.parametrize(
    ("broken", "sentence"),
    [(dying, r"A worker of the attack died \(exit code 7\).* are kept. Run again"), (refusing, "out of answers")],
)
def test_a_worker_that_fails_is_one_error_and_loses_nothing(spec, tmp_path, broken, sentence):
    examples, journal = (
        dataset("a good film", "a good film to watch", "a great film", "nice", "bad film"),
        tmp_path / "j",
    )
    with pytest.raises(TemperError, match=sentence):
        run_attack(spec, examples, broken, journal, parts=parts(), workers=2, in_flight=2)
    assert not multiprocessing.active_children()
    kept = len(journal.read_bytes().splitlines()) - 1
    finished = []
    rows = run_attack(spec, examples, victim, journal, lambda row, *_: finished.append(row.id), parts=parts())
    assert len(finished) == len(examples) - kept
    assert "11" in finished
    assert rows == run_attack(spec, examples, victim, tmp_path / "undisturbed.jsonl", parts=parts())


def test_what_cannot_be_given_to_workers_is_refused(spec, tmp_path):
    examples = dataset("a good film", "a bad film")
    with pytest.raises(UsageError, match="cannot be sent to several workers"):
        run_attack(spec, examples, lambda texts: np.zeros((len(texts), 2)), tmp_path / "j", parts=parts(), workers=2)
    with pytest.raises(UsageError, match=r"workers \(0\) must be at least 1"):
        run_attack(spec, examples, victim, tmp_path / "j", parts=parts(), workers=0)
    with pytest.raises(UsageError, match="'textattack' runs in one process"):
        run_attack(attack(tmp_path / "tiny.tsv.gz", "textattack"), examples, victim, tmp_path / "j", workers=2)


def command(folder, context):
    """Attack with two workers as a command of a terminal does: in a process group of its own, with Ctrl-C."""
    os.setsid()
    os.dup2(os.open(folder / "stderr", os.O_WRONLY | os.O_CREAT), 2)
    # A test run that a shell started in the background hands down an ignored SIGINT, the fork server a blocked one.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    worker_processes.CONTEXT = multiprocessing.get_context(context)
    spec, examples = attack(folder / "tiny.tsv.gz"), dataset(*SENTENCES * 4)
    run_attack(spec, examples, slowly, folder / "j", parts=parts(), workers=2, in_flight=2)


# A spawned process is what users have, and costs an import of torch.
@pytest.mark.parametrize(("how", "context"), [(signal.SIGINT, "spawn"), (signal.SIGKILL, "fork")])
def test_workers_end_with_the_process_that_started_them(spec, tmp_path, how, context):
    process, journal = PROCESSES.Process(target=command, args=(tmp_path, context)), tmp_path / "j"
    process.start()
    _until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2)
    # Ctrl-C goes to the whole group of a terminal; a kill to one process.
    os.killpg(process.pid, how) if how == signal.SIGINT else process.kill()
    process.join(600)
    _until(lambda: not _alive(process.pid))
    errors = (tmp_path / "stderr").read_text()
    assert process.exitcode == (1 if how == signal.SIGINT else -signal.SIGKILL)
    assert errors.count("Traceback") == (1 if how == signal.SIGINT else 0), errors
    assert journal.read_bytes().count(b"\n") < 4 * len(SENTENCES)


def _until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen within ten minutes")


def _alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
