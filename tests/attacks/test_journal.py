"""The journal: what a killed run leaves behind, and what is not taken for it."""

import json
import os
from dataclasses import replace

import pytest

from benchmark.attacks.journal import Journal
from benchmark.schema.attack_outcome import AttackRow
from benchmark.schema.errors import IntegrityError, TemperError

PLAN = ["5", "3", "9"]


def row(id):
    return AttackRow(id, 1, "flipped", 4, "a\r\n\u2028b é", "a c", 2, 1, 0.25, None, (0.1, 0.2), (0.3, -1e-7))


def opened(path, attack="sha256:a", data="sha256:d", plan=PLAN):
    return Journal(path, attack, data, plan)


@pytest.fixture
def path(tmp_path):
    with opened(tmp_path / "attack.jsonl") as journal:
        journal.append(row("5"))
        journal.append(row("3"))
    return tmp_path / "attack.jsonl"


def test_rows_come_back_and_the_rest_is_appended(path):
    with opened(path) as journal:
        assert journal.rows == [row("5"), row("3")]
        journal.append(row("9"))
    with opened(path) as journal:
        assert [r.id for r in journal.rows] == PLAN
    assert len(path.read_text().split("\n")) == 5


def test_the_sign_of_zero_comes_back(tmp_path):
    """Tables keep it, so a resumed run would write other bytes without it."""
    signed = replace(row("5"), logits_original=(-0.0, 0.2), logits_final=(0.0, -0.0))
    with opened(tmp_path / "attack.jsonl") as journal:
        journal.append(signed)
        with pytest.raises(TemperError, match="the row of example '3' has a value that is not finite"):
            journal.append(replace(row("3"), logits_final=(float("nan"), 0.0)))
    with opened(tmp_path / "attack.jsonl") as journal:
        assert repr(journal.rows) == repr([signed])


@pytest.mark.parametrize("rest", [b'{"id":"9","la', b"\0\0\0\0", b"\0\0\0\0\n", b'{"id":\n'])
def test_an_unfinished_last_line_is_dropped(path, rest):
    before = path.read_bytes()
    path.write_bytes(before + rest)
    with opened(path) as journal:
        assert [r.id for r in journal.rows] == ["5", "3"]
    assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [0, 1, 20])
def test_an_unfinished_first_line_begins_anew(path, kept):
    whole = path.read_bytes()
    path.write_bytes(whole[:kept])
    with opened(path) as journal:
        assert journal.rows == []
        journal.append(row("5"))
        journal.append(row("3"))
    assert path.read_bytes() == whole


@pytest.mark.parametrize("change", [{"attack": "sha256:b"}, {"data": "sha256:e"}])
def test_another_attack_or_data_is_refused(path, change):
    with pytest.raises(IntegrityError, match=r"attack\.jsonl:1: the line belongs to another attack"):
        opened(path, **change)


def test_rows_stand_in_any_order_and_come_back_in_the_plans(path):
    with opened(path, plan=["3", "9", "5"]) as journal:
        assert journal.done == {"3", "5"}
        assert [r.id for r in journal.rows] == ["3", "5"]
        journal.append(row("9"))
        assert [r.id for r in journal.rows] == ["3", "9", "5"]


@pytest.mark.parametrize(("plan", "line"), [(["5", "9"], 3), (["3"], 2), ([], 2)])
def test_a_row_of_an_example_that_is_not_attacked_is_refused(path, plan, line):
    with pytest.raises(IntegrityError, match=rf"attack\.jsonl:{line}: the line has example .* not in the plan"):
        opened(path, plan=plan)


def test_a_row_that_is_there_twice_is_refused(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines, lines[1]]))
    with pytest.raises(IntegrityError, match=r"attack\.jsonl:4: the line is a duplicate of example '5'"):
        opened(path)


def test_a_second_process_is_refused_while_the_first_one_writes(path):
    with opened(path) as journal:
        with pytest.raises(TemperError, match=r"attack\.jsonl: another process is running this attack\. Wait until it"):
            opened(path)
        journal.append(row("9"))
    with opened(path) as journal:
        assert [r.id for r in journal.rows] == PLAN


def test_the_lock_leaves_no_file_and_goes_with_a_journal_that_is_refused(path):
    for _ in range(2):
        with pytest.raises(IntegrityError, match="belongs to another attack"):
            opened(path, attack="sha256:b")
    with opened(path):
        pass
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_middle_is_refused(path):
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"{\n" + lines[2])
    with pytest.raises(IntegrityError, match=r"attack\.jsonl:2: the line is not JSON"):
        opened(path)
    value = json.loads(lines[1])
    del value["queries"]
    path.write_bytes(lines[0] + json.dumps(value).encode() + b"\n" + lines[2])
    with pytest.raises(IntegrityError, match=r"attack\.jsonl:2: the line is not an attack row"):
        opened(path)


def test_a_full_disk_is_one_sentence(path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    with opened(path) as journal:
        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TemperError, match=r"attack\.jsonl: cannot write the attack's journal.*No space left"):
            journal.append(row("9"))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(TemperError, match="cannot write the attack's journal"):
        opened(tmp_path / "file" / "attack.jsonl")
