"""Every kind of mistake in a suite file gets one sentence that names the file, the key and the fix."""

from pathlib import Path

import pytest

from benchmark.schema.errors import UsageError
from benchmark.suites import SuiteError, parse_suite
from tests.suites.mistake_cases import MISTAKES


def mistakes(text: str) -> list[str]:
    with pytest.raises(SuiteError) as caught:
        parse_suite(text, path=Path("dir/small.toml"), place="small.toml")
    assert caught.value.exit_code == 2
    lines = str(caught.value).split("\n")
    assert lines == [f"small.toml: {where}: {sentence}" for where, sentence in caught.value.problems]
    return lines


@pytest.mark.parametrize(("old", "new", "sentences"), MISTAKES, ids=[sentences[0][:50] for _, _, sentences in MISTAKES])
def test_mistake(toml: str, old: str, new: str, sentences: tuple[str, ...]) -> None:
    assert old in toml
    found = mistakes(toml.replace(old, new, 1))
    assert len(found) == len(sentences)
    for line, sentence in zip(found, sentences, strict=True):
        if sentence.endswith("Known: "):
            assert line.startswith(f"small.toml: {sentence}")
            assert len(line) > len(f"small.toml: {sentence}")
        else:
            assert line == f"small.toml: {sentence}"


def test_there_are_no_two_cases_of_one_mistake() -> None:
    assert len({(old, new) for old, new, _ in MISTAKES}) == len(MISTAKES)


def test_all_mistakes_are_told_at_once(toml: str) -> None:
    text = (
        toml.replace("epochs = 1", "epochs = 0").replace("limit = 20", "limt = 20").replace("rows = 45", 'rows = "x"')
    )
    text = text.replace("at_most = 2", "at_most = 9")
    assert [line.split(": ")[1] for line in mistakes(text)] == [
        "recipe.epochs",
        "tasks[reviews].rows",
        "tasks[shop].data.label.thresholds.at_most",
        "tasks[shop].data.limt",
    ]


def test_rules_between_keys_are_checked_where_the_keys_are_valid(toml: str) -> None:
    metric, task = "tasks[foreign].metrics", "attacks[fooler].on"
    text = toml.replace('"fpr95"', '"fpr59"').replace('on = "reviews"', 'on = "review"')
    for old, new, places in (
        ("batch_size = 8", "batch_size = 8", [metric, task]),
        ("batch_size = 8", "batch_size = 0", ["recipe.batch_size", metric]),
        ("rows = 10", "rows = 0", ["tasks[foreign].rows"]),
    ):
        assert [line.split(": ")[1] for line in mistakes(text.replace(old, new))] == places


def test_an_anomaly_task_needs_something_to_compare_with(toml: str) -> None:
    start, end = toml.index("[[tasks]]"), toml.index('[[tasks]]\nid = "shop"')
    found = mistakes((toml[:start] + toml[end:]).replace('on = "reviews"', 'on = "shop"'))
    sentence = "an anomaly task is compared with an in-distribution task, and there is none; add one."
    assert found == [f"small.toml: tasks[foreign]: {sentence}"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name = \n", "small.toml: not TOML: Invalid value (at line 1, column 8); correct that line."),
        ("a = 1\na = 2\n", "small.toml: not TOML: Cannot overwrite a value (at line 2, column 6); correct that line."),
        ("x = " + "[" * 20_000, "small.toml: not TOML: "),
    ],
)
def test_what_is_no_toml_names_the_line(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_suite(text, path=Path("small.toml"))
    assert str(caught.value).startswith(sentence)
