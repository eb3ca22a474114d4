"""Templates and label words as token ids: positions, special tokens around them, and words that are kept."""

from typing import Any

import pytest

from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import READ, TemplateEncoder, label_tokens
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
    (row,) = TemplateEncoder(tokenizer, prompt(template), causal=causal).fill(dict(tokenizer(*texts)))
    tokens = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert sum(row[READ]) == 1
    assert {len(numbers) for numbers in row.values()} == {len(tokens)}
    return tokens, tokens[row[READ].index(1)], row


def test_front_template_follows_the_opening_token(bert: Any) -> None:
    tokens, read, row = filled(bert, FRONT, "a good film")
    assert tokens == ["[CLS]", "the", "statement", "is", "[MASK]", ".", "a", "good", "film", "[SEP]"]
    assert read == "[MASK]"
    assert row["attention_mask"] == [1] * 10


def test_back_template_precedes_the_closing_token(bert: Any) -> None:
    tokens, read, row = filled(bert, BACK, "a good film", "the end")
    assert tokens == ["[CLS]", "a", "good", "film", "[SEP]", "the", "end", "this", "was", "[MASK]", "film", "[SEP]"]
    assert read == "[MASK]"
    # MVP's release gives the model token ids and a mask only, so the second text is in the first segment too.
    assert set(bert("a good film", "the end")["token_type_ids"]) == {0, 1}
    assert row["token_type_ids"] == [0] * 12


def test_a_mask_in_the_text_itself_is_not_read(bert: Any) -> None:
    tokens, _, row = filled(bert, BACK, "a [MASK] film")
    assert tokens.count("[MASK]") == 2
    assert row[READ].index(1) == 6


def test_marks_keep_their_tokens(bert: Any) -> None:
    encoded = {**bert("a good film"), "mine": [0, 7, 8, 9, 0]}
    front, back = TemplateEncoder(bert, prompt(FRONT, BARE), causal=False).fill(encoded)
    assert front["mine"] == [0, 0, 0, 0, 0, 0, 7, 8, 9, 0]
    assert back["mine"] == [0, 7, 8, 9, 0, 0]


RELEASED = [
    # Settings of acmi-lab/mvp in which spaces count: configs/templates_sst2.yaml and configs/templates_agnews.yaml.
    "Sentiment of the statement is [MASK] . ",
    "[SEP] [MASK] ",
    "This is a [MASK] statement ",
    "[SEP] The statement is [MASK] ",
    "A [MASK] news : ",
    "[SEP] This topic is about [MASK]",
]


def released_row(tokenizer: Any, text: str, template: str, longest: int) -> list[int]:
    """One row of `insert_tokenized_prompts` in src/utils/model_utils.py of acmi-lab/mvp, for RoBERTa.

    The template's first word says where it goes. A space token of its own comes first. Where all is longer than the
    model reads, the end of the text gives way.
    """
    back, _, rest = template.partition("[SEP] ")
    at_back = not back and rest != ""
    spelt = (rest if at_back else template).replace("[MASK]", tokenizer.mask_token)
    inserted = [*tokenizer(" ")["input_ids"][1:-1], *tokenizer(spelt)["input_ids"][1:-1]]
    start, *inside, _end = tokenizer(text, truncation=True, max_length=longest)["input_ids"]
    inside = inside[: longest - len(inserted) - 2]
    return [start, *((inside + inserted) if at_back else (inserted + inside)), tokenizer.sep_token_id]


@pytest.mark.parametrize("template", RELEASED)
@pytest.mark.parametrize("text", ["a good film", "", "the plot was not positive " * 8])
def test_byte_level_vocabulary_gets_the_released_tokens(template: str, text: str) -> None:
    tokenizer = byte_level()
    tokenizer.sep_token = "</s>"
    _, _, bare = template.rpartition("[SEP] ")
    ours = TemplateEncoder(tokenizer, prompt({"back" if "[SEP]" in template else "front": bare}), causal=False)
    encoded = dict(tokenizer(text, truncation=True, max_length=40 - ours.longest))
    (row,) = ours.fill(encoded)
    assert list(row["input_ids"]) == released_row(tokenizer, text, template, 40)
    assert row["input_ids"][row[READ].index(1)] == tokenizer.mask_token_id
    assert sum(row[READ]) == 1
    assert len(row["input_ids"]) == (40 if len(text) > 20 else len(encoded["input_ids"]) + ours.longest)


def test_the_releases_lone_spaces_by_hand() -> None:
    tokenizer = byte_level()
    tokens, read, _ = filled(tokenizer, {"front": "the statement is [MASK] . "}, "a good film")
    assert tokens == ["<s>", "Ġ", "the", "Ġstatement", "Ġis", "<mask>", "Ġ.", "Ġ", "a", "Ġgood", "Ġfilm", "</s>"]
    assert read == "<mask>"
    tokens, _, _ = filled(tokenizer, BACK, "a good film", "it was")
    assert tokens[-6:] == ["Ġ", "this", "Ġwas", "<mask>", "Ġfilm", "</s>"]


def test_word_piece_vocabulary_gets_no_additional_space() -> None:
    tokens, _, _ = filled(pieces(), BACK, "a good film")
    assert tokens == ["[CLS]", "▁a", "▁good", "▁film", "▁this", "▁was", "[MASK]", "▁film", "[SEP]"]


@pytest.mark.parametrize("template", [template.removeprefix("[SEP] ") for template in RELEASED])
def test_a_causal_model_reads_the_token_before_the_slot(template: str) -> None:
    """The release adds a mask that leaves the space before it alone, and reads the prediction one token earlier."""
    tokenizer, with_mask = byte_level(special=False), byte_level(special=False)
    with_mask.add_special_tokens({"mask_token": "<|mask|>"})
    ids = with_mask(template.replace("[MASK]", "<|mask|>"))["input_ids"]
    behind = ids[: ids.index(with_mask.mask_token_id)]
    _, _, row = filled(tokenizer, {"front": template}, "a good film", causal=True)
    assert row["input_ids"] == [*tokenizer("a good film")["input_ids"], *behind]
    assert row[READ] == [0] * (len(row["input_ids"]) - 1) + [1]
    assert not behind or tokenizer.convert_ids_to_tokens(behind[-1]) == "Ġ"


def test_causal_model_uses_its_own_templates() -> None:
    tokenizer = byte_level(special=False)
    own = Prompt.of([FRONT, BARE], WORDS, [{"back": "it was [MASK]"}])
    made = TemplateEncoder(tokenizer, own, causal=True)
    assert made.count == 1
    (row,) = made.fill(dict(tokenizer("a film")))
    assert tokenizer.convert_ids_to_tokens(row["input_ids"])[-3:] == ["it", "Ġwas", "Ġ"]
    assert TemplateEncoder(byte_level(), own, causal=False).count == 2


def test_causal_model_reads_the_start_token_of_an_empty_text() -> None:
    tokens, read, _ = filled(byte_level(special=False), BARE, "", causal=True)
    assert tokens == [read] == ["</s>"]


def test_label_words_are_single_tokens_with_their_space() -> None:
    tokenizer = byte_level()
    (negative,), (positive,) = label_tokens(tokenizer, prompt(BARE), causal=False)
    assert tokenizer.convert_ids_to_tokens([negative, positive]) == ["Ġnegative", "Ġpositive"]
    words = [("n", ["negative", "the plot", "unheardof"]), ("p", ["good", "positive"])]
    kept = label_tokens(tokenizer, prompt(BARE, words=words), causal=False)
    assert [set(tokenizer.convert_ids_to_tokens(own)) for own in kept] == [{"Ġnegative"}, {"Ġgood", "Ġpositive"}]


def test_label_words_of_a_causal_model_have_no_space() -> None:
    tokenizer = byte_level(special=False)
    kept = label_tokens(tokenizer, prompt(BARE, words=[("n", ["negative", "the plot"]), ("p", ["good"])]), causal=True)
    assert [tokenizer.convert_ids_to_tokens(own) for own in kept] == [["negative"], ["good"]]


def test_label_words_of_pieces_carry_their_mark() -> None:
    tokenizer = pieces()
    kept = label_tokens(tokenizer, prompt(BARE), causal=False)
    assert [tokenizer.convert_ids_to_tokens(own) for own in kept] == [["▁negative"], ["▁positive"]]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([("n", ["neverheard", "the plot"]), ("p", ["good"])], r"label words of 'n' \(neverheard, the plot\)"),
        ([("n", ["bad", "good"]), ("p", ["good"])], "'n' and 'p' share the label word 'good'"),
    ],
)
def test_class_without_its_own_label_word_is_refused(bert: Any, words: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        label_tokens(bert, prompt(BARE, words=words), causal=False)


def test_a_vocabulary_without_a_mask_is_refused() -> None:
    with pytest.raises(UsageError, match="no mask token"):
        TemplateEncoder(byte_level(special=False), prompt(BARE), causal=False)


@pytest.mark.parametrize(
    ("templates", "words", "sentence"),
    [
        ([], WORDS, "at least one template"),
        ([{"front": "no slot"}], WORDS, r"needs \[MASK\] exactly once"),
        ([{"back": "[MASK] and [MASK]"}], WORDS, r"needs \[MASK\] exactly once"),
        ([{"middle": "[MASK]"}], WORDS, "Write front or back"),
        ([{"front": "[MASK]", "back": "[MASK]"}], WORDS, "one text, at front or at back"),
        ([BARE], [("n", []), ("p", ["good"])], "'n' has no label word"),
    ],
)
def test_invalid_prompt_is_refused(templates: Any, words: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Prompt.of(templates, words)


def test_a_prompt_survives_json() -> None:
    whole = prompt(FRONT, BARE, words=[("z", ["bad"]), ("a", ["good", "fine"])])
    plain = whole.plain()
    assert set(plain) == {"templates", "words"}
    assert Prompt.of(plain["templates"], plain["words"]) == whole
    other = Prompt.of([FRONT], WORDS, [BARE])
    assert Prompt.of(**other.plain()) == other
    assert [name for name, _ in plain["words"]] == ["z", "a"]
