"""A long attack that processes share: every example is attacked once, and the table has the bytes of one process."""

import multiprocessing
import os
import time
from collections import Counter, deque
from collections.abc import Generator, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmark import run, worker_processes
from benchmark.attacks import AttackRow
from benchmark.attacks import run as attack_run
from benchmark.data import Dataset, Example
from benchmark.evaluation.parquet import write_attack
from benchmark.execution import cells
from benchmark.execution.attack_parts import AttackParts, merged, owners
from benchmark.execution.cells import ATTACKED, PART, Cell
from benchmark.execution.claims import ClaimedError
from benchmark.execution.explanation import state_of
from benchmark.execution.runner import Quiet
from benchmark.execution.store import Store
from benchmark.schema import fingerprint
from tests.support.folders import tree
from tests.support.needs import ATTACK
from tests.support.processes import PROCESSES
from tests.support.tiny_suite import write_tiny_suite

SPEC = {"kind": "attack", "victim": "some weights"}
KEY = fingerprint(SPEC)
EXAMPLES = tuple(Example(id=f"e{number}", texts=(f"a text {number}",), label=0) for number in range(140))
IN_FLIGHT = 8
FORK = multiprocessing.get_context("fork")


def attack() -> Cell:
    parts = cells._parts(SPEC, Dataset("film", EXAMPLES, ("n", "p")))
    return Cell("attack", "swap", SPEC, {}, SimpleNamespace(label="vanilla, seed 0"), parts)  # type: ignore[arg-type]


def row(example: Example) -> AttackRow:
    return AttackRow(
        example.id, 0, "survived", 7, example.texts[0], "another", 3, 1, None, None, (1.5, -0.125), (0.25, 0.1)
    )


class Attacker:
    """Has some examples under attack at once, writes each to a file, and waits for ever after a number of rows."""

    def __init__(self, asked: Path, limit: int | None = None, *, met: bool = False) -> None:
        self._asked, self._limit, self._met = asked, limit, met

    def __call__(self, examples: Iterator[Example]) -> Generator[AttackRow, None, None]:
        waiting: deque[Example] = deque()
        count = 0
        while True:
            while len(waiting) < IN_FLIGHT and (example := next(examples, None)) is not None:
                waiting.append(example)
            if not waiting:
                return
            if count == self._limit:
                self._asked.with_name("halted").touch()
                time.sleep(60)
            if self._met and not count:
                meet(self._asked.with_name("met"))
            count += 1
            time.sleep(0.002)
            with self._asked.open("a") as stream:
                stream.write(f"{waiting[0].id}\n")
            yield row(waiting.popleft())


def meet(folder: Path, count: int = 2) -> None:
    """Wait until a number of processes are here, so that each has a part when the first row is written."""
    folder.mkdir(exist_ok=True)
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 60
    while len(list(folder.iterdir())) < count and time.monotonic() < deadline:
        time.sleep(0.005)


def compute(root: Path, attacker: Attacker) -> None:
    """Compute the attack as `Runner.run` does, and come back to it as long as others have a part."""
    store, cell = Store(root), attack()
    while store.find("attack", KEY) is None:
        try:
            AttackParts(cell, store, Quiet()).attack(attacker)
            with store.work("attack", SPEC) as folder:
                if folder is not None:
                    write_attack(folder / ATTACKED, merged(cell, store) or [])
        except ClaimedError:
            time.sleep(0.01)
            continue
        for part in cell.parts:
            store.remove(PART, part.key)


def table(root: Path) -> bytes:
    artifact = Store(root).find("attack", KEY)
    assert artifact is not None
    assert not list((root / "attempts").iterdir())
    assert not list((root / PART).iterdir())
    return (artifact.folder / ATTACKED).read_bytes()


def expected(folder: Path) -> bytes:
    write_attack(folder / "whole.parquet", [row(example) for example in EXAMPLES])
    return (folder / "whole.parquet").read_bytes()


def asked(*files: Path) -> list[str]:
    return sorted(name for file in files for name in file.read_text().split())


def test_only_an_attack_that_one_process_cannot_hold_at_once_has_parts() -> None:
    assert cells.WHOLE_EXAMPLES == attack_run.IN_FLIGHT
    parts = attack().parts
    assert [len(part.examples) for part in parts] == [32, 32, 32, 32, 12]
    assert tuple(example for part in parts for example in part.examples) == EXAMPLES
    assert cells._parts(SPEC, Dataset("film", EXAMPLES[:128], ("n", "p"))) == ()
    assert cells._parts(None, Dataset("film", EXAMPLES, ("n", "p"))) == ()


def test_a_process_that_is_alone_claims_a_part_when_it_has_room(tmp_path: Path) -> None:
    store, held = Store(tmp_path), []

    def attacker(examples: Iterator[Example]) -> Generator[AttackRow, None, None]:
        for example in examples:
            held.append(sum(owner is not None for owner in owners(attack(), store)))
            yield row(example)

    AttackParts(attack(), store, Quiet()).attack(attacker)
    assert set(held) == {1}


def test_two_processes_share_an_attack(tmp_path: Path) -> None:
    files = [tmp_path / "first", tmp_path / "second"]
    processes = [FORK.Process(target=compute, args=(tmp_path / "store", Attacker(file, met=True))) for file in files]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert asked(*files) == sorted(example.id for example in EXAMPLES)
    assert min(len(asked(file)) for file in files) >= 12
    assert table(tmp_path / "store") == expected(tmp_path)


def test_the_parts_of_a_killed_process_are_resumed(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    killed = FORK.Process(target=compute, args=(tmp_path / "store", Attacker(first, limit=30)))
    other = FORK.Process(target=compute, args=(tmp_path / "store", Attacker(second)))
    killed.start()
    deadline = time.monotonic() + 60
    while not (tmp_path / "halted").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    # It has the first two parts under attack.
    assert [owner is not None for owner in owners(attack(), Store(tmp_path / "store"))] == [True, True] + 3 * [False]
    assert state_of(attack(), Store(tmp_path / "store")) == "running"
    other.start()
    while (not second.exists() or len(asked(second)) < 76) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert None not in owners(attack(), Store(tmp_path / "store"))
    killed.kill()
    other.join(60)
    assert other.exitcode == 0
    assert asked(first, second) == sorted(example.id for example in EXAMPLES)
    assert len(asked(first)) == 30
    assert table(tmp_path / "store") == expected(tmp_path)


def test_an_interrupted_attack_counts_as_begun(tmp_path: Path) -> None:
    def fails(examples: Iterator[Example]) -> Generator[AttackRow, None, None]:
        yield row(next(examples))
        raise ZeroDivisionError

    assert state_of(attack(), Store(tmp_path)) == "missing"
    with pytest.raises(ZeroDivisionError):
        AttackParts(attack(), Store(tmp_path), Quiet()).attack(fails)
    assert state_of(attack(), Store(tmp_path)) == "begun"
    compute(tmp_path, Attacker(tmp_path / "asked"))
    assert asked(tmp_path / "asked") == sorted(example.id for example in EXAMPLES[1:])


class Counting(Quiet):
    """Counts attacked examples, and interrupts the run after some."""

    def __init__(self, limit: int) -> None:
        self._limit, self._label, self.count = limit, "", 0

    def begin(self, label: str) -> None:
        self._label = label

    def advance(self, done: int, total: int) -> None:
        if "attack" in self._label:
            self.count += 1
            if self.count == self._limit:
                raise KeyboardInterrupt


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.needs(*ATTACK)
def test_an_attack_begun_without_parts_is_finished_so(
    tmp_path: Path, tiny_backbone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "suite").mkdir()
    attacked = write_tiny_suite(tmp_path / "suite", tiny_backbone, attack=True)
    with pytest.raises(KeyboardInterrupt):
        run(attacked, out=tmp_path / "out", observer=Counting(3))
    monkeypatch.setattr(cells, "WHOLE_EXAMPLES", 2)
    monkeypatch.setattr(cells, "PART_EXAMPLES", 2)
    rest = Counting(0)
    run(attacked, out=tmp_path / "out", observer=rest)
    assert rest.count == 5
    assert not (tmp_path / "out/store" / PART).exists()


class Slow(Quiet):
    """Writes its process id for each attacked example of a row, and takes its time."""

    def __init__(self, file: Path, row: str, seconds: float) -> None:
        self._file, self._row, self._seconds, self._label = file, row, seconds, ""

    def begin(self, label: str) -> None:
        self._label = label
        if self._is_attack():
            meet(self._file.with_name("met"))

    def advance(self, done: int, total: int) -> None:
        if self._is_attack():
            with self._file.open("a") as stream:
                stream.write(f"{os.getpid()}\n")
            time.sleep(self._seconds)

    def _is_attack(self) -> bool:
        return self._label.startswith(f"{self._row}, seed 0: attack")


def share(suite: Path, out: Path, methods: str, observer: Slow, jobs: int) -> None:
    torch.set_num_threads(1)
    cells.WHOLE_EXAMPLES, cells.PART_EXAMPLES, attack_run.IN_FLIGHT = 2, 2, 2
    # Copies of this process, with these numbers.
    worker_processes.CONTEXT = multiprocessing.get_context("fork")
    run(suite, methods, out=out, observer=observer, jobs=jobs)


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.needs(*ATTACK)
@pytest.mark.usefixtures("_one_thread")
@pytest.mark.parametrize("jobs", [1, 2])
def test_runs_and_jobs_share_an_attack(suite: Path, tmp_path: Path, tiny_backbone: Path, jobs: int) -> None:
    """Two runs of a row, or the two processes of a run whose other row is done, attack two examples at a time."""
    methods = ("roast", "vanilla,roast")[jobs - 1]
    run(suite, methods, out=tmp_path / "out")
    (tmp_path / "attacked").mkdir()
    attacked = write_tiny_suite(tmp_path / "attacked", tiny_backbone, attack=True)
    run(attacked, methods, out=tmp_path / "whole")
    slow = Slow(tmp_path / "asked", "roast", (0.5, 1.5)[jobs - 1])
    arguments = (attacked, tmp_path / "out", methods, slow, jobs)
    processes = [PROCESSES.Process(target=share, args=arguments) for _ in range(3 - jobs)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(300)
        assert process.exitcode == 0
    shares = Counter((tmp_path / "asked").read_text().split())
    assert sorted(shares.values()) in ([2, 6], [4, 4])
    names = [f"results/tiny@1/{method}" for method in methods.split(",")]
    assert all(tree(tmp_path / "out" / name) == tree(tmp_path / "whole" / name) for name in names)
    keys = [sorted(path.name for path in (tmp_path / out / "store/attack").iterdir()) for out in ("out", "whole")]
    assert keys[0] == keys[1]
