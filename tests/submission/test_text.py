"""Hostile text: escaped wherever it is shown, and refused where no record may hold it."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.attacks.attacked_text import words_changed, words_of
from benchmark.schema.attack_outcome import AttackRow
from benchmark.submission.publish import publish
from benchmark.submission.read import read_submission, shown_sentence
from benchmark.submission.verify import Verification
from tests.submission.forging import Forgery, assert_refused
from tests.support.command import temper
from tests.support.needs import ATTACK, missing

HTML = "<img src=x onerror=alert(1)>"
LATEX = r"\input{/etc/passwd}"
FORMULA = '=HYPERLINK("https://evil.example")'
LINK = "[a](javascript:alert(1))"


def everywhere(forgery: Forgery, **environment: str) -> None:
    """Change the environment where the manifest and all records say it alike."""
    forgery.edit_manifest(lambda m: [run["outcome"]["environment"].update(environment) for run in m["runs"]])
    forgery.edit_records(lambda record: record["environment"].update(environment))
    forgery.reseal()


@pytest.mark.slow()
def test_markup_in_a_submission_does_nothing_on_the_leaderboard(forgery: Forgery, tmp_path: Path) -> None:
    everywhere(forgery, device=f"{HTML} {LATEX} {LINK}", formula=FORMULA)
    if not missing(*ATTACK):
        forgery.edit_attack(with_markup, only="flipped")
        forgery.reforge()
    verification = Verification(read_submission(forgery.folder), forgery.work, tmp_path / "scratch")
    assert [problem for _, problems in verification.checks() for problem in problems] == []
    publish(verification, tmp_path / "results", rerun=())
    built = temper("board", "build", "--results", str(tmp_path / "results"), "--site", str(tmp_path / "site"))
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site/index.html").read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "<img" not in page
    assert not re.search(r"<a [^>]*javascript:", page)
    assert r"\input{/etc" not in (tmp_path / "site/board.tex").read_text()
    assert LINK not in (tmp_path / "site/board.md").read_text()


def with_markup(row: AttackRow) -> AttackRow:
    text = f"{row.original} {HTML}"
    return replace(row, perturbed=text, changed=words_changed(words_of(row.original), words_of(text)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cpu\x1b[2J", "holds the unprintable character U+001B; remove it."),
        ("cpu\u202e", "holds the unprintable character U+202E; remove it."),
        ("cpu\x00", "holds the unprintable character U+0000; remove it."),
        ("x" * 20_001, "has 20001 characters; shorten it"),
    ],
)
def test_text_that_a_record_may_not_hold(forgery: Forgery, text: str, reason: str) -> None:
    everywhere(forgery, device=text)
    assert_refused(forgery, reason)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda r: r["method"].update(name=LATEX), "write a name of letters, digits"),
        (lambda r: r["method"].update(configuration=HTML), "/method: is worddrop~-img"),
        (lambda r: r["backbone"].update(name="../x"), "/backbone/name: is the text '../x'"),
        (lambda r: r["metric"].update(id=HTML), "/metric/id: is the text"),
    ],
)
def test_text_in_the_place_of_a_name(forgery: Forgery, change: Any, reason: str) -> None:
    forgery.edit_records(change)
    forgery.reseal()
    assert_refused(forgery, reason)


def test_a_docstring_with_markup_is_published_as_data(forgery: Forgery, tmp_path: Path) -> None:
    """The method is registered here, so its own docstring is published and not the submission's."""
    path = forgery.folder / "source.json"
    texts = json.loads(path.read_text())
    first = next(name for name in texts if name.startswith("0:"))
    texts[first] = re.sub(r'(class \w+\(.*\):\n    """)', rf"\1{HTML} Best of all. ", texts[first])
    assert HTML in texts[first]
    path.write_text(json.dumps(texts))
    forgery.reseal()
    verification = Verification(read_submission(forgery.folder), forgery.work, tmp_path / "scratch")
    assert [problem for _, problems in verification.checks() for problem in problems] == []
    publish(verification, tmp_path / "results", rerun=())
    (card,) = (tmp_path / "results").glob("*/worddrop/method.json")
    assert "Best of all" not in card.read_text()


@pytest.mark.parametrize("text", ["a\x1b[31mb", "a\nb\tc", "\u202eabc", "a\u200bb", "\ud800", "\x9b31m"])
def test_a_sentence_is_safe_to_print(text: str) -> None:
    assert shown_sentence(text).isprintable()
    assert len(shown_sentence(text * 1000)) < 700
