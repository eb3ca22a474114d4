"""Templates and label words of a task, from the shipped file or from the user's own."""

from itertools import chain
from pathlib import Path

import pytest

from benchmark.models.backbones import resolve_backbone
from benchmark.models.prompt import Template
from benchmark.schema.errors import UsageError
from benchmark.suites import available_suites, load_suite
from benchmark.training.toolbox.prompts import PromptClassifier, prompt_for, prompt_sets

OWN = """
[mine]
source = "for tests"
templates = [{{ back = "it was [MASK]" }}]
words = {words}
"""


def test_sentiment_is_the_papers_setting_for_sst2() -> None:
    prompt = prompt_for(("negative", "positive"))
    assert prompt.templates == (
        Template("front", "Sentiment of the statement is [MASK] . "),
        Template("back", "[MASK] "),
        Template("front", "This is a [MASK] statement "),
        Template("back", "The statement is [MASK] "),
    )
    assert prompt.causal == ()
    assert prompt.words == (("negative", ("negative",)), ("positive", ("positive",)))


def test_topics_and_questions_have_the_papers_templates_for_gpt_2() -> None:
    assert prompt_for(("World", "Sports", "Business", "Sci/Tech")).causal == (
        Template("back", "This topic is about [MASK]"),
        Template("back", "The category of this text was : [MASK]"),
        Template("back", "Category : [MASK]"),
        Template("back", "This is a news from [MASK]"),
    )
    question = prompt_for(("false", "true"))
    assert {template.place for template in question.causal} == {"back"}
    assert [template.text for template in question.causal] == [template.text for template in question.templates]


def test_label_words_stand_in_the_order_of_the_tasks_classes() -> None:
    assert [words for _, words in prompt_for(("Positive", "negative")).words] == [("positive",), ("negative",)]
    words = dict(prompt_for(("World", "Sports", "Business", "Sci/Tech")).words)
    assert words == {
        "World": ("politics",),
        "Sports": ("sports",),
        "Business": ("business",),
        "Sci/Tech": ("technology",),
    }
    assert [words for _, words in prompt_for(("not_entailment", "entailment")).words] == [("no", "maybe"), ("yes",)]


@pytest.mark.parametrize(
    "classes",
    [
        ("entailment", "neutral", "contradiction"),
        ("false", "true"),
        ("no", "yes"),
        ("not_duplicate", "duplicate"),
        ("sci-tech", "world"),
    ],
)
def test_every_usual_task_has_four_templates(classes: tuple[str, ...]) -> None:
    prompt = prompt_for(classes)
    assert len(prompt.templates) == 4
    assert [name for name, _ in prompt.words] == list(classes)


def test_no_class_name_stands_in_two_shipped_sets_and_each_says_where_it_is_from() -> None:
    sets = prompt_sets()
    names = list(chain.from_iterable(found.words for found in sets.values()))
    assert len(names) == len(set(names))
    assert all(found.source.startswith(("Raman et al.", "ours")) for found in sets.values())


@pytest.mark.parametrize("suite", available_suites())
def test_every_packaged_suites_task_has_templates(suite: str) -> None:
    assert prompt_for(load_suite(suite).training.classes).templates


def test_a_task_of_other_classes_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        UsageError, match=r"classes cat, dog \(they know sentiment: negative, positive; .*Write a TOML file"
    ):
        prompt_for(("cat", "dog"))
    with pytest.raises(UsageError, match=r"classes negative, positive \(they know topic: world"):
        prompt_for(("negative", "positive"), "topic")


def own(folder: Path, words: str) -> str:
    path = folder / "mine.toml"
    path.write_text(OWN.format(words=words))
    return str(path)


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    prompt = prompt_for(("dog", "Cat"), own(tmp_path, '{ cat = ["purr", "meow"], dog = ["bark"] }'))
    assert prompt.words == (("dog", ("bark",)), ("Cat", ("purr", "meow")))
    assert prompt.templates == (Template("back", "it was [MASK]"),)


def test_two_sets_for_the_same_classes_are_refused(tmp_path: Path) -> None:
    path = Path(own(tmp_path, '{ cat = ["purr"], dog = ["bark"] }'))
    path.write_text(path.read_text() + path.read_text().replace("[mine]", "[yours]"))
    with pytest.raises(UsageError, match=r"mine.toml: mine and yours have label words for the same classes"):
        prompt_for(("cat", "dog"), str(path))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[mine", "not TOML"),
        ("mine = 1", "write a table with"),
        ('[mine]\nsource = "x"\ntemplates = []\nwords = {}\nmore = 1', "write a table with"),
        ('[mine]\nsource = "x"\ntemplates = []\nwords = {}\ncausal = "[MASK]"', "a list causal is optional"),
        ('[mine]\nsource = "x"\ntemplates = []\nwords = {}\ncausal = [1]', "write each template as"),
        ('[mine]\nsource = "x"\ntemplates = [1]\nwords = { a = ["b"] }', "write each template as"),
        ('[mine]\nsource = "x"\ntemplates = [{ back = "[MASK]" }]\nwords = { a = "b" }', "as a list of texts"),
        (
            '[mine]\nsource = "x"\ntemplates = [{ back = "slot" }]\nwords = { a = ["b"] }',
            r"needs \[MASK\] exactly once",
        ),
        ('[mine]\nsource = "x"\ntemplates = [{ back = "[MASK]" }]\nwords = { a = [] }', "no label word"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "broken.toml").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        prompt_for(("a", "b"), str(tmp_path / "broken.toml"))


@pytest.mark.resources
def test_minilm_has_a_head_and_every_shipped_label_word() -> None:
    model = PromptClassifier.from_backbone(resolve_backbone("minilm"), prompt_for(("negative", "positive")), 64).eval()
    logits = model(model.encode([("a warm and funny film",), ("a dull and awful film",)]))
    assert logits.isfinite().all()
    assert (logits[0] - logits[1]).abs().max() > 1e-2
    for words in chain.from_iterable(found.words.values() for found in prompt_sets().values()):
        assert all(len(model.tokenizer.tokenize(word)) == 1 for word in words)
