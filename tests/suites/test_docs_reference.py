"""docs/suites.md says what the loader does."""

import re
from pathlib import Path

import pytest

from benchmark.attacks.recipes import ATTACKS
from benchmark.schema.base import Schema
from benchmark.suites import Group, Suite, parse_suite
from benchmark.suites.docs_reference import TABLES, json_schemas, reference, with_reference

DOCUMENT = Path(__file__).parents[2] / "docs" / "suites.md"


def test_the_reference_in_the_docs_is_current() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert with_reference(text) == text, "run python -m scripts.docs_reference"


def test_every_table_and_every_key_is_in_the_reference() -> None:
    text = reference()
    tables = {cls.__name__ for _, cls in TABLES}
    for root in (Suite, Group, *ATTACKS.values()):
        schema = Schema(root).json_schema
        assert root.__name__ in tables
        assert set(schema.get("$defs", ())) <= tables
        for table in (schema, *schema.get("$defs", {}).values()):
            assert all(f"\n| `{key}` | " in text for key in table["properties"])


def test_the_json_schemas_are_current() -> None:
    folder = DOCUMENT.parent / "schema"
    stored = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert stored == json_schemas(), "run python -m scripts.docs_reference"


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
