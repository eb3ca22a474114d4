"""Links, anchors, result tables and commands of the documentation are right."""

import re
import shutil
from pathlib import Path

import pytest

from benchmark.execution.method_registry import registered
from leaderboard import load_board, text_tables
from scripts.docs_pages import pages

REPOSITORY = Path(__file__).parents[2]
GENERATED = {"contributing.md", *pages()}
DOCUMENTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
NAMES = [str(path.relative_to(REPOSITORY)) for path in DOCUMENTS]


def prose(path: Path) -> str:
    """Return a document without its code blocks."""
    return re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_heading(name: str) -> None:
    path = REPOSITORY / name
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if target.startswith("http"):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file) if file else path
        assert linked.is_file(), target
        assert not anchor or anchor in anchors(linked), target


def test_every_page_is_in_the_navigation_and_in_the_index() -> None:
    navigation = re.findall(r": ([\w/-]+\.md)$", (REPOSITORY / "mkdocs.yml").read_text(), re.MULTILINE)
    written = {path.name for path in (REPOSITORY / "docs").glob("*.md")}
    assert sorted(navigation) == sorted(written | GENERATED)
    index = (REPOSITORY / "docs/index.md").read_text()
    assert all(f"({name})" in index for name in written - {"index.md"})


def test_the_results_in_the_readme_are_those_of_the_committed_leaderboard() -> None:
    readme = (REPOSITORY / "README.md").read_text().replace("**", "")
    rows = re.findall(r"^\| (\d+|-) \| `([\w+-]+)` \| (.*) \|$", readme, re.MULTILINE)
    board = (REPOSITORY / "leaderboard/site/board.md").read_text().replace("\\", "")
    section = board[board.index("offline@2") : board.index("offline@1")]
    tables = section[section.index("### Ranked") : section.index("### Evaluation tasks")]
    table = [line.strip("| ").split(" | ") for line in tables.splitlines() if re.match(r"\| (\d|- )", line)]
    shown = [
        (row[0].split()[0], row[1], [cell.split(" ±")[0] for cell in (row[2], *row[5:10], row[12])]) for row in table
    ]
    chance = {"constant", "random", "shuffled-labels"}
    assert [(rank, name, values.split(" | ")) for rank, name, values in rows] == [
        row for row in shown if row[1] not in chance
    ]


def test_the_bars_in_the_quick_start_are_those_of_seed_0_of_the_committed_demo(tmp_path: Path) -> None:
    (rows,) = (REPOSITORY / "leaderboard/results").glob("demo@*")
    shutil.copytree(rows, tmp_path / rows.name, ignore=shutil.ignore_patterns("seed-[1-9]*"))
    (table,) = text_tables(load_board(tmp_path))
    assert table.picture
    assert "\n".join(("```text", *table.picture, "```")) in (REPOSITORY / "docs/quickstart.md").read_text()


def test_every_registered_method_is_in_the_readme() -> None:
    text = (REPOSITORY / "README.md").read_text()
    in_tree = {name for name, point in registered().items() if point.value.startswith("methods.")}
    assert set(re.findall(r"`([\w-]+)`", text)) >= in_tree


def test_the_reference_has_every_suite_attack_and_metric() -> None:
    from benchmark.attacks.recipes import ATTACKS
    from benchmark.evaluation.metrics import METRICS
    from benchmark.suites import available_suites

    made = pages()
    assert all(f"## {name}@" in made["reference/suites.md"] for name in available_suites())
    assert all(f"## {name}\n" in made["reference/attacks.md"] for name in ATTACKS)
    assert all(f"| `{name}` | " in made["reference/metrics.md"] for name in METRICS)
