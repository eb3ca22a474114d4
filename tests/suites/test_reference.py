"""docs/suites.md says what the loader does."""

import re
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from benchmark.suites import Group, Suite, parse_suite
from benchmark.suites.kinds import keys_of, type_hints, unwrap
from benchmark.suites.recipes import RECIPES
from benchmark.suites.docs_reference import TABLES, reference, with_reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "suites.md"


def test_the_reference_in_the_docs_is_current() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_reference(text) == text, "write it anew with benchmark.suites.docs_reference.with_reference"


def test_every_table_and_every_key_is_in_the_reference() -> None:
    text, reached = reference(), set[type]()
    todo: list[Any] = [Suite, Group, *RECIPES.values()]
    while todo:
        cls = todo.pop()
        reached.add(cls)
        for key in keys_of(cls):
            core = unwrap(type_hints(cls)[key.name])[0]
            inner = [unwrap(item)[0] for item in (core, *get_args(core)) if item is not Ellipsis]
            todo += [item for item in inner if is_dataclass(item) and item not in reached]
            assert f"\n| `{key.name}` | " in text
    assert reached == {cls for _, cls in TABLES}


def test_every_key_has_a_meaning_and_no_key_is_the_loaders_own() -> None:
    rows = [line.split(" | ") for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 90
    assert all(len(row) == 4 and len(row[3]) > 15 for row in rows)
    assert "\n| `path` | " not in reference().split("### `[training]`")[0]


def test_the_example_in_the_docs_is_a_suite(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert example
    assert parse_suite(example[1], path=tmp_path / "my-suite.toml").name == "my-reviews"


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="not enough values"):
        with_reference("no marks")
