"""Golden files of the current schema: valid values keep their bytes, and what was refused stays refused."""

import json
import shutil
from pathlib import Path

import pytest

from benchmark.schema import (
    IntegrityError,
    fingerprint,
    read_records,
    read_suite_card,
    record_line,
    suite_card_text,
    validate_record,
    validate_suite_card,
)
from tests.schema.golden_files import GOLDEN, INVALID, UNREADABLE, VALID, edited, golden


def validate(name, value):
    return (validate_suite_card if name == "suite" else validate_record)(value)


@pytest.mark.parametrize("name", VALID)
def test_valid_value_keeps_its_bytes_and_fingerprint(name):
    value = golden(name)
    line = (suite_card_text if name == "suite" else record_line)(value)
    assert line.encode() == (GOLDEN / f"{name}.canonical").read_bytes()
    assert fingerprint(value) == json.loads((GOLDEN / "fingerprints.json").read_text())[name]


@pytest.mark.parametrize("name", VALID)
def test_canonical_bytes_read_back_as_the_value(name, tmp_path):
    path = tmp_path / "copy"
    shutil.copy(GOLDEN / f"{name}.canonical", path)
    read = read_suite_card(path) if name == "suite" else read_records(path)[0]
    assert read == golden(name)


@pytest.mark.parametrize("name", INVALID)
def test_every_problem_is_reported_once_where_it_is(name):
    case = json.loads((GOLDEN / "invalid" / f"{name}.json").read_text())
    problems = validate(case["base"], edited(golden(case["base"]), case["set"], case["remove"]))
    assert [problem.pointer for problem in problems] == case["pointers"]


@pytest.mark.parametrize("name", INVALID)
def test_every_problem_is_a_sentence_with_a_fix(name):
    case = json.loads((GOLDEN / "invalid" / f"{name}.json").read_text())
    for problem in validate(case["base"], edited(golden(case["base"]), case["set"], case["remove"])):
        assert problem.message.endswith(".")
        assert str(problem) == f"{problem.pointer}: {problem.message}"
        assert problem.message.isprintable()


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_file_is_refused_with_file_line_and_pointer(name):
    path = GOLDEN / "unreadable" / f"{name}.jsonl"
    expected = (GOLDEN / "unreadable" / f"{name}.expected").read_text().splitlines()
    with pytest.raises(IntegrityError) as caught:
        read_records(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(expected)
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(f"{path}:{start}")


def test_deep_nesting_and_huge_integers_are_problems_not_crashes(tmp_path: Path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"[" * 200_000 + b"]" * 200_000 + b"\n" + b'{"schema":' + b"9" * 5000 + b"}\n")
    with pytest.raises(IntegrityError) as caught:
        read_records(path)
    first, second = str(caught.value).splitlines()
    assert "nested too deeply" in first
    assert "is not JSON" in second
