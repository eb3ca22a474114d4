"""The Python in docs/attacks.md runs as it stands."""

import re
from pathlib import Path

import pytest

from benchmark.resources import locate
from benchmark.schema.errors import UnavailableError
from tests.attacks.conftest import with_textattack

DOCUMENT = Path(__file__).parents[2] / "docs" / "attacks.md"


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.parametrize("_marks", [pytest.param(None, marks=with_textattack)])
def test_the_examples_run_one_after_the_other(capsys, _marks):
    try:
        locate("minilm")
    except UnavailableError as error:
        pytest.skip(str(error))
    blocks = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    shared, printed = {}, []
    for block in blocks:
        exec(compile(block, str(DOCUMENT), "exec"), shared)
        printed.append(capsys.readouterr().out)
    parts, ours, theirs = printed
    assert "True" in parts
    assert [line.split()[0] for line in ours.splitlines()] == ["flipped", "survived"]
    assert [line.split()[0] for line in theirs.splitlines()] == ["flipped", "survived"]
