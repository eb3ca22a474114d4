"""Shell completion of suites, methods, attacks and tables, as a shell asks for it."""

import pytest
from typer.testing import CliRunner

from benchmark.cli.app import app


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("temper run dem", "demo"),
        ("temper suite show offl", "offline"),
        ("temper run demo --methods vanilla,roa", "vanilla,roast"),
        ("temper run demo --methods mvp+adv", "mvp+adv_embed"),
        ("temper check roa", "roast"),
        ("temper submit roast --suite dem", "demo"),
        ("temper attack --attack textf", "textfooler"),
        ("temper reproduce roa", "roast-sst2"),
    ],
)
def test_names_are_completed(words: str, expected: str) -> None:
    environment = {
        "_TEMPER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    done = CliRunner().invoke(app, [], env=environment, prog_name="temper")
    assert expected in done.output.split()
