"""The transfer check is made of the attacked examples, in their order, with words exchanged and nothing else."""

import csv
from pathlib import Path

import pytest

from benchmark.attacks.attacked_text import AttackedText
from benchmark.evaluation.parquet import write_attack
from benchmark.execution.workload import materialise
from benchmark.schema import UsageError
from benchmark.schema.attack_outcome import AttackRow
from benchmark.suites import load_suite
from scripts.build_transfer import CLASSES, RECORDS, main, rows_of

FLIPPED = AttackRow("1", 0, "flipped", 3, "a b, c", "a d, c", 3, 1, 0.5, None, (1.0, 0.0), (0.0, 1.0))
SURVIVED = AttackRow("2", 1, "survived", 9, "e f", "g f", 2, 1, 0.5, None, (0.0, 1.0), (0.1, 0.9))


@pytest.fixture()
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    records, table = tmp_path / RECORDS, tmp_path / "store/attack" / ("0" * 64)
    records.parent.mkdir(parents=True)
    records.write_text("")
    table.mkdir(parents=True)
    write_attack(table / "attacked.parquet", [FLIPPED, SURVIVED])
    record = {"task": {"id": "textfooler"}, "keys": {"attack": "sha256:" + "0" * 64}}
    monkeypatch.setattr("scripts.build_transfer.read_records", lambda _: [{"task": {"id": "home"}}, record])
    return tmp_path


def test_flipping_text_replaces_its_example(runs: Path, tmp_path: Path) -> None:
    assert rows_of(runs) == [("a d, c", "negative"), ("e f", "positive")]
    main(str(runs), str(tmp_path / "made.csv"))
    assert (tmp_path / "made.csv").read_bytes() == b'text,label\n"a d, c",negative\ne f,positive\n'


def test_a_run_without_vanilla_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"seed-0.jsonl not found. Run `temper run offline --methods vanilla --out"):
        rows_of(tmp_path)


@pytest.mark.resources()
def test_the_packaged_texts_are_the_attacked_examples() -> None:
    suite = load_suite("offline")
    attacked = materialise(suite).attacked["textfooler"].examples
    assert tuple(suite.training.classes) == CLASSES
    with (Path(suite.path).parent / "data/transfer.csv").open(encoding="utf-8", newline="") as stream:
        made = list(csv.DictReader(stream))
    assert [row["label"] for row in made] == [CLASSES[example.label or 0] for example in attacked]
    pairs = [
        (AttackedText((row["text"],)), AttackedText(example.texts)) for row, example in zip(made, attacked, strict=True)
    ]
    assert all(len(one.words) == len(other.words) for one, other in pairs)
    assert sum(one.differing(other) > 0 for one, other in pairs) > 50
