"""docs/methods.md is what the registry says, and its Markdown shows the text as it is written."""

import json
import re
from pathlib import Path

import pytest

from benchmark.execution.method_registry import registered
from benchmark.training import Search
from methods.sam import SAM
from scripts.methods_page import escaped, methods_page, prose
from tests.support.families import FAMILIES, REFUSED
from tests.support.prompts import PROMPTED

ROOT = Path(__file__).parents[2]
PAGE, RESULTS = ROOT / "docs" / "methods.md", ROOT / "leaderboard" / "results"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == methods_page(FAMILIES, REFUSED, RESULTS), (
        "run python -m scripts.docs_reference"
    )


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
    assert row.startswith("| [`sam`](#sam) | Foret et al., ICLR 2021 | 2.00 | ")
    assert re.search(r" \| \d\.\d\d \([ab]\) \| [^|]+ \| all 13 \|$", row)
    assert f"| `rho` | `0.05` | a finite number > 0 | {search}; {escaped(search.source)} |" in text
    assert "\n\nHooks: `backward`. Version 1.\n\n" in text
    assert re.search(r" \| 1\.00 \| 0\.97 \(b\) \| [^|]+ \| all but gemma, gpt2, llama, xlnet \|", text)


def test_a_method_has_a_row_or_is_has_an_estimate(tmp_path: Path) -> None:
    (tmp_path / "offline@2" / "sam@tuned" / "minilm").mkdir(parents=True)
    made = [line.split(" | ") for line in methods_page(FAMILIES, REFUSED, tmp_path).splitlines() if "](#" in line]
    rows = {line[0].split("`")[1]: line[4] for line in made if line[0].startswith("| [`")}
    assert (rows.pop("sam"), rows.pop("soup")) == ("yes", "no")
    pilot = (ROOT / "docs" / "pilot.md").read_text(encoding="utf-8")
    cells = re.search(r"\| with AVX-512 and bf16 \| (\d+) \| (\d+) \| (\d+) \|", pilot)
    assert cells
    training, trial, seed = map(int, cells.groups())
    costs = json.loads((ROOT / "methods" / "temper_costs.json").read_text(encoding="utf-8"))
    for name, row in rows.items():
        once = costs[name]["once"]
        epochs = costs[name]["measured"] + (once["forward"] + 2 * once["backward"] + once["input_backward"]) / 3 / 2
        hours = (8 * training * epochs + 4 * trial + 5 * seed) / 3600
        assert float(row.removeprefix("no, ").removesuffix(" h")) == pytest.approx(hours, abs=0.0501)


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
