"""Templates and label words as token ids: where they stand, what surrounds them, which words are kept."""

from typing import Any

import pytest

from benchmark.models.prompt import Prompt
from benchmark.models.templating import READ, Templating, label_tokens
from benchmark.schema.errors import UsageError
from tests.support.tiny import write_tiny_masked_lm
from tests.support.vocabularies import byte_level, pieces

WORDS = [("negative", ["negative"]), ("positive", ["positive"])]
FRONT, BACK, BARE = {"front": "the statement is [MASK] ."}, {"back": "this was [MASK] film"}, {"back": "[MASK]"}


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(write_tiny_masked_lm(tmp_path_factory.mktemp("bert")))


def prompt(*templates: dict[str, str], words: Any = WORDS) -> Prompt:
    return Prompt.of(templates, words)


def filled(tokenizer: Any, template: dict[str, str], *texts: str, causal: bool = False) -> tuple[list[str], str, Any]:
    """The tokens, which of them is read, and the row."""
    (row,) = Templating(tokenizer, prompt(template), causal=causal).fill(dict(tokenizer(*texts)))
    tokens = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert sum(row[READ]) == 1
    assert {len(numbers) for numbers in row.values()} == {len(tokens)}
    return tokens, tokens[row[READ].index(1)], row


def test_a_template_at_the_front_stands_behind_the_token_that_opens_the_text(bert: Any) -> None:
    tokens, read, row = filled(bert, FRONT, "a good film")
    assert tokens == ["[CLS]", "the", "statement", "is", "[MASK]", ".", "a", "good", "film", "[SEP]"]
    assert read == "[MASK]"
    assert row["attention_mask"] == [1] * 10


def test_one_at_the_back_stands_before_the_token_that_closes_it_and_in_the_last_texts_segment(bert: Any) -> None:
    tokens, read, row = filled(bert, BACK, "a good film", "the end")
    assert tokens == ["[CLS]", "a", "good", "film", "[SEP]", "the", "end", "this", "was", "[MASK]", "film", "[SEP]"]
    assert read == "[MASK]"
    assert row["token_type_ids"] == [0] * 5 + [1] * 7
    _, _, row = filled(bert, FRONT, "a good film", "the end")
    assert row["token_type_ids"] == [0] * 10 + [1] * 3


def test_a_mask_in_the_text_itself_is_not_read(bert: Any) -> None:
    tokens, _, row = filled(bert, BACK, "a [MASK] film")
    assert tokens.count("[MASK]") == 2
    assert row[READ].index(1) == 6


def test_marks_of_a_method_stay_with_their_tokens(bert: Any) -> None:
    encoded = {**bert("a good film"), "mine": [0, 7, 8, 9, 0]}
    front, back = Templating(bert, prompt(FRONT, BARE), causal=False).fill(encoded)
    assert front["mine"] == [0, 0, 0, 0, 0, 0, 7, 8, 9, 0]
    assert back["mine"] == [0, 7, 8, 9, 0, 0]


def test_a_byte_level_vocabulary_gets_the_spaces_that_text_would_have() -> None:
    tokenizer = byte_level()
    tokens, read, _ = filled(tokenizer, FRONT, "a good film")
    assert tokens[:6] == ["<s>", *tokenizer.tokenize("the statement is"), "<mask>", "Ġ."]
    assert read == "<mask>"
    tokens, _, _ = filled(tokenizer, BACK, "a good film", "it was")
    assert tokens[-5:] == ["Ġthis", "Ġwas", "<mask>", "Ġfilm", "</s>"]


def test_a_vocabulary_of_pieces_gets_no_stray_space() -> None:
    tokens, _, _ = filled(pieces(), BACK, "a good film")
    assert tokens == ["[CLS]", "▁a", "▁good", "▁film", "▁this", "▁was", "[MASK]", "▁film", "[SEP]"]


@pytest.mark.parametrize(
    ("template", "behind"),
    [(FRONT, ["Ġthe", "Ġstatement", "Ġis"]), (BACK, ["Ġthis", "Ġwas"]), (BARE, [])],
)
def test_a_causal_model_reads_the_token_before_the_slot(template: dict[str, str], behind: list[str]) -> None:
    tokenizer = byte_level(special=False)
    tokens, _, row = filled(tokenizer, template, "a good film", causal=True)
    assert tokens == tokenizer.tokenize("a good film") + behind
    assert row[READ] == [0] * (len(tokens) - 1) + [1]


def test_a_causal_model_that_is_given_nothing_at_all_reads_the_start_of_text() -> None:
    tokens, read, _ = filled(byte_level(special=False), BARE, "", causal=True)
    assert tokens == [read] == ["</s>"]


def test_label_words_are_single_tokens_with_their_space() -> None:
    tokenizer = byte_level()
    (negative,), (positive,) = label_tokens(tokenizer, prompt(BARE))
    assert tokenizer.convert_ids_to_tokens([negative, positive]) == ["Ġnegative", "Ġpositive"]
    words = [("n", ["negative", "the plot", "unheardof"]), ("p", ["good", "positive"])]
    kept = label_tokens(tokenizer, prompt(BARE, words=words))
    assert [set(tokenizer.convert_ids_to_tokens(own)) for own in kept] == [{"Ġnegative"}, {"Ġgood", "Ġpositive"}]


def test_label_words_of_pieces_carry_their_mark() -> None:
    tokenizer = pieces()
    kept = label_tokens(tokenizer, prompt(BARE))
    assert [tokenizer.convert_ids_to_tokens(own) for own in kept] == [["▁negative"], ["▁positive"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([("n", ["neverheard", "the plot"]), ("p", ["good"])], r"label words of 'n' \(neverheard, the plot\)"),
        ([("n", ["bad", "good"]), ("p", ["good"])], "'n' and 'p' share the label word 'good'"),
    ],
)
def test_a_class_without_a_word_of_its_own_is_refused(bert: Any, words: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        label_tokens(bert, prompt(BARE, words=words))


def test_a_vocabulary_without_a_mask_is_refused() -> None:
    with pytest.raises(UsageError, match="no mask token"):
        Templating(byte_level(special=False), prompt(BARE), causal=False)


@pytest.mark.parametrize(
    ("templates", "words", "sentence"),
    [
        ([], WORDS, "at least one template"),
        ([{"front": "no slot"}], WORDS, r"needs \[MASK\] once"),
        ([{"back": "[MASK] and [MASK]"}], WORDS, r"needs \[MASK\] once"),
        ([{"middle": "[MASK]"}], WORDS, "write front or back"),
        ([{"front": "[MASK]", "back": "[MASK]"}], WORDS, "one text, at front or at back"),
        ([BARE], [("n", []), ("p", ["good"])], "'n' has no label word"),
    ],
)
def test_a_prompt_that_makes_no_sense_is_refused(templates: Any, words: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Prompt.of(templates, words)


def test_a_prompt_survives_json() -> None:
    whole = prompt(FRONT, BARE, words=[("z", ["bad"]), ("a", ["good", "fine"])])
    plain = whole.plain()
    assert Prompt.of(plain["templates"], plain["words"]) == whole
    assert [name for name, _ in plain["words"]] == ["z", "a"]
