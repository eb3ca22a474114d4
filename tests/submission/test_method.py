"""Hostile submissions: the method's name, settings and source, which are read and never run."""

import inspect
import json
from typing import Any

import pytest

from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.method_source import source_fingerprint, source_texts, texts_fingerprint
from benchmark.submission.method_checks import registered_texts, setting_problems, source_problems
from benchmark.submission.publish import description
from tests.submission.forging import Forgery, assert_refused


def texts_of(name: str) -> Any:
    return source_texts(configure(MethodRequest.parse(name)).cls)


def test_a_source_that_is_edited(forgery: Forgery) -> None:
    path = forgery.folder / "source.json"
    changed = path.read_text().replace("kl_weight", "ce_weight")
    assert changed != path.read_text()
    path.write_text(changed)
    forgery.reseal()
    assert_refused(forgery, "source.json is not the source that the records of worddrop were made with")


def test_a_source_whose_hash_is_edited(forgery: Forgery) -> None:
    forgery.edit_records(lambda r: r["method"].update(source="sha256:" + "7" * 64))
    forgery.reseal()
    assert_refused(forgery, "source.json is not the source")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": 1}, "source.json: /a: is the number 1; write a text."),
        ({"members": {"mine": "text"}, "composition": ""}, "/members/mine: is the text 'text'; write an object."),
        ({"members": {"mine": {"0:Mine": "x"}}, "composition": "x", "more": "x"}, "/more: is an unknown key"),
        ({"members": {"mine": {"0:Mine": "x"}}}, "/composition: is missing"),
        ({"0:Mine": "\ud800"}, "holds half of a surrogate pair"),
        ({"0:Mine": {"0:Inner": "x"}}, "/0:Mine: is an object; write a text."),
        (["x"], "is a list; write an object"),
    ],
)
def test_a_source_of_another_shape(forgery: Forgery, value: Any, reason: str) -> None:
    (forgery.folder / "source.json").write_text(json.dumps(value))
    forgery.reseal()
    assert_refused(forgery, reason)


@pytest.mark.parametrize("name", [*registered(), "mvp+roast", "sam+roast"])
def test_a_source_that_is_read_has_the_hash_of_one_that_is_run(name: str) -> None:
    cls = configure(MethodRequest.parse(name)).cls
    texts = source_texts(cls)
    assert texts_fingerprint(texts) == source_fingerprint(cls)
    # A file keeps its keys in alphabetical order.
    assert texts_fingerprint(json.loads(json.dumps(texts, sort_keys=True))) == source_fingerprint(cls)
    if "+" not in name:
        assert texts_fingerprint(registered_texts(name) or {}) == source_fingerprint(cls)
    assert description(name, texts) == (inspect.getdoc(cls) or "", cls.paper)


def test_a_composition_is_its_members_and_what_composes_them_here() -> None:
    texts = texts_of("mvp+roast")

    def problems(name: str, carried: Any) -> list[str]:
        return list(source_problems(name, texts_fingerprint(carried), carried))

    assert problems("mvp+roast", texts) == []
    (problem,) = problems("mvp+roast", {"0:Anything": "class Anything: pass"})
    assert "no members of a composition and not mvp+roast" in problem
    assert "holds mvp+roast and not roast" in problems("roast", texts)[0]
    assert "differently" in problems("mvp+roast", {**texts, "composition": "def compose(): ..."})[0]


@pytest.mark.parametrize("name", ["roast", "mvp+roast"])
def test_comments_are_accepted_and_changes_are_not(name: str) -> None:
    texts = texts_of(name)
    source = texts_fingerprint(texts)
    commented = json.loads(json.dumps(texts).replace("from dataclasses", "# Edited.\\nfrom dataclasses"))
    assert commented != texts
    assert list(source_problems(name, source, commented)) == []
    changed = json.loads(json.dumps(texts).replace("alpha: ", "gamma: "))
    assert changed != texts
    (problem,) = source_problems(name, texts_fingerprint(changed), changed)
    assert "methods.roast:RoAST, and 0:RoAST differs from the source that made the records." in problem


@pytest.mark.parametrize(
    ("hyperparameters", "configuration", "reason"),
    [
        ({"alpha": 0.5, "quick": True}, "alpha=0.5,quick=True", ""),
        ({"alpha": 0.9}, "", ""),
        ({"alpha": 0.9}, "alpha=0.7", "The configuration says alpha=0.7, the hyper-parameters say 0.9;"),
        ({"alpha": 0.9}, "beta=1", "The configuration says beta=1, the hyper-parameters say nothing;"),
    ],
)
def test_settings_agree(hyperparameters: Any, configuration: str, reason: str) -> None:
    problems = list(setting_problems({"hyperparameters": hyperparameters, "configuration": configuration}))
    assert (reason in problems[0]) if reason else problems == []


@pytest.mark.parametrize("text", ["def (", "class Other: pass", "class A:\n    x: " + "b" + ".c" * 100_000])
def test_a_source_that_says_nothing_has_no_description(text: str) -> None:
    assert description("a", {"0:A": text}) == ("", "")
