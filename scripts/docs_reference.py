"""Write the generated parts of the docs: `python -m scripts.docs_reference`.

The key tables of docs/suites.md and the JSON Schemas of docs/schema come from the models that read the files, and
docs/methods.md from the registry of methods, the families that the tests train them on, and the rows in
leaderboard/results.
"""

from pathlib import Path

from benchmark.suites.docs_reference import json_schemas, with_reference
from scripts.methods_page import methods_page
from tests.support.families import FAMILIES, REFUSED

ROOT = Path(__file__).parents[1]
DOCS, RESULTS = ROOT / "docs", ROOT / "leaderboard" / "results"


def main() -> None:
    """Write every file; test_docs_reference.py and test_methods_page.py in tests/ fail while one is not current."""
    suites = DOCS / "suites.md"
    suites.write_text(with_reference(suites.read_text(encoding="utf-8")), encoding="utf-8")
    (DOCS / "schema").mkdir(exist_ok=True)
    for name, text in json_schemas().items():
        (DOCS / "schema" / name).write_text(text, encoding="utf-8")
    (DOCS / "methods.md").write_text(methods_page(FAMILIES, REFUSED, RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
