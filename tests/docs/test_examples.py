"""Every Python example of the README and the docs runs as it is printed."""

import re
from pathlib import Path

import pytest

from benchmark.attacks.recipes import ATTACKS as RECIPES
from benchmark.data.sources import SOURCES
from benchmark.evaluation.metrics import METRICS
from benchmark.models.architectures import ARCHITECTURES
from tests.support.tiny import write_tiny_bert
from tests.support.tiny_suite import write_tiny_suite

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    str(path.relative_to(REPOSITORY))
    for path in (REPOSITORY / "README.md", *(REPOSITORY / "docs").glob("*.md"))
    if "```python\n" in path.read_text(encoding="utf-8")
)
ATTACKS = "docs/attacks.md"


def blocks(document: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (REPOSITORY / document).read_text(encoding="utf-8"), re.DOTALL | re.M)


@pytest.fixture(autouse=True)
def _registries():
    """Examples register a metric, an attack, a source and an architecture; forget them afterwards."""
    registries: list[dict] = [METRICS, RECIPES, SOURCES, ARCHITECTURES]
    before = [dict(registry) for registry in registries]
    yield
    for registry, known in zip(registries, before, strict=True):
        registry.clear()
        registry.update(known)


def run(document: str, code: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Run blocks one after the other, as a reader who copies them into one session; return what each prints."""
    session, printed = {"__name__": "example"}, []
    for block in code:
        exec(compile(block, document, "exec"), session)
        printed.append(capsys.readouterr().out)
    return printed


def test_every_document_with_an_example_is_run_here() -> None:
    assert {"README.md", ATTACKS, "docs/api.md", "docs/extending.md", "docs/method-author.md"} <= set(DOCUMENTS)


@pytest.mark.slow
@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != ATTACKS])
def test_the_examples_run_on_a_tiny_suite(document, tmp_path, monkeypatch, capsys) -> None:
    backbone = tmp_path / "backbone"
    backbone.mkdir()
    suite = write_tiny_suite(tmp_path, write_tiny_bert(backbone))
    (tmp_path / "leaderboard").symlink_to(REPOSITORY / "leaderboard")
    monkeypatch.chdir(tmp_path)
    code = [block.replace('"demo"', repr(str(suite))) for block in blocks(document)]
    printed = run(document, code, capsys)
    if document == "README.md":
        assert re.search(r"^\d+ stages computed, 0 reused\n", printed[0])
        assert printed[0].count("seed-") == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", ["poly_1", "confidence_penalty", "noisy_embeddings"])
def test_the_methods_of_the_examples_pass_the_contract(name, tmp_path) -> None:
    from benchmark.execution.plugins import read_plugin
    from benchmark.testing import broken_rules

    code = next(block for document in DOCUMENTS for block in blocks(document) if f'= "{name}"' in block)
    (tmp_path / f"{name}.py").write_text(code)
    assert not broken_rules(read_plugin(str(tmp_path / f"{name}.py")).load())


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.needs("textattack", "minilm")
def test_the_examples_of_attacks_run(capsys) -> None:
    parts, ours, theirs = run(ATTACKS, blocks(ATTACKS), capsys)
    assert "True" in parts
    assert [line.split()[0] for line in ours.splitlines()] == ["flipped", "survived"]
    assert [line.split()[0] for line in theirs.splitlines()] == ["flipped", "survived"]
