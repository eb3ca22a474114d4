"""docs/methods.md is what the registry says, and its Markdown shows the text as it is written."""

from pathlib import Path

import pytest

from benchmark.execution.method_registry import registered
from benchmark.training import Search
from methods.sam import SAM
from scripts.docs_reference import escaped, methods_page, prose
from tests.support.families import FAMILIES, REFUSED
from tests.support.prompts import PROMPTED

PAGE = Path(__file__).parents[2] / "docs" / "methods.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == methods_page(FAMILIES, REFUSED), "run python -m scripts.docs_reference"


def test_every_method_of_the_tree_has_a_row_and_a_section() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    names = [name for name, point in registered().items() if point.value.startswith("methods.")]
    assert [line.removeprefix("## ") for line in lines if line.startswith("## ")] == names
    rows = [line for line in lines if line.startswith("| [`")]
    assert [row.split("`")[1] for row in rows] == names
    assert all(row.count(" | ") == 5 for row in rows)


def test_a_row_and_a_section_state_a_methods_facts() -> None:
    text = PAGE.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith("| [`sam`]"))
    search = SAM.hyperparameter_fields()["rho"].search
    assert isinstance(search, Search)
    assert row == (
        "| [`sam`](#sam) | Foret et al., ICLR 2021 | `backward` | `rho: float > 0`, `adaptive: bool` | 2.00 | all 13 |"
    )
    assert f"| `rho` | `0.05` | a finite number > 0 | {search} | {escaped(search.source)} |" in text
    assert "| 1.00 | all but gemma, gpt2, llama, xlnet |" in text


def test_families_are_those_of_the_prompts_tests() -> None:
    assert set(FAMILIES) - set(PROMPTED) == set(REFUSED["mvp"])


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("z~ * a_j of | <b> & [x](y)", "z&#126; \\* a\\_j of &#124; &#60;b> &#38; \\[x\\](y)"),
        ("Use ``a_b*`` and `c|d`,\nnot e_f.", "Use `a_b*` and `c|d`, not e\\_f."),
        (
            "First.\n\n- no list\n\n1. no number\n\n# no heading",
            "First.\n\n\\- no list\n\n1\\. no number\n\n\\# no heading",
        ),
    ],
)
def test_text_is_escaped_and_code_is_not(text: str, written: str) -> None:
    assert prose(text) == written
