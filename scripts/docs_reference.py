"""Write the generated parts of the docs: `python scripts/docs_reference.py`.

The key tables of docs/suites.md and the JSON Schemas of docs/schema come from the models that read the files.
"""

from pathlib import Path

from benchmark.suites.docs_reference import json_schemas, with_reference

DOCS = Path(__file__).parents[1] / "docs"


def main() -> None:
    """Write every file; tests/suites/test_docs_reference.py fails while one is not current."""
    suites = DOCS / "suites.md"
    suites.write_text(with_reference(suites.read_text(encoding="utf-8")), encoding="utf-8")
    (DOCS / "schema").mkdir(exist_ok=True)
    for name, text in json_schemas().items():
        (DOCS / "schema" / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
