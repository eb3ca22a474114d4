"""Substitutes of tokens: three kinds of vocabularies, whole words, pairs, padding, real lexicons."""

import gzip
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.toolbox.substitutes import CHOICES, MARK, Substitutes, mark_words

TEXTS = ["a good film", "the great movie was good", "Good Great (good) great-hearted feelgood movies"]
NEIGHBOURS = {"good": ["great", "unheard"], "great": ["good"], "film": ["movie"], "movie": ["film"], "feel": ["good"]}


def word_pieces(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    words = ["a", "the", "good", "great", "film", "movie", "was", "feel", "##good", "##s", "(", ")", "-", "hearted"]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    return BertTokenizerFast.from_pretrained(str(folder))


def byte_level(folder: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2TokenizerFast

    trained = ByteLevelBPETokenizer()
    known = ["good", "great", "film", "movie", "feel", "Good", "Great"]
    trained.train_from_iterator([f"{w} {w} ({w})" for w in known] * 9, 600, 2, False, ["<|endoftext|>"])
    trained.save_model(str(folder))
    return GPT2TokenizerFast(
        str(folder / "vocab.json"), str(folder / "merges.txt"), pad_token="<|endoftext|>", padding_side="left"
    )


def unigram(_folder: Path) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["a", "the", "good", "great", "film", "movie", "was", "feel", "Good", "Great"]
    pieces = ["<unk>", "<pad>", *(f"▁{w}" for w in words), "good", "great", "s", "(", ")", "-", "hearted", "▁"]
    made = Tokenizer(models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=0))
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>")


def subject(tokenizer: Any) -> Any:
    """The part of a classifier that is used."""
    return SimpleNamespace(
        tokenizer=tokenizer,
        max_length=24,
        word_table=torch.zeros(len(tokenizer) + 2, 1),
        normalised=lambda texts: texts,
    )


def swaps(model: Any, lexicon: Path, texts: tuple[str, ...]) -> list[list[str]]:
    """The choices of each word that has any, as text."""
    encoded = mark_words(model, texts)
    tokens = {"input_ids": torch.tensor([encoded["input_ids"]]), "attention_mask": torch.ones(1, 1)}
    found = Substitutes.read(model, str(lexicon), 0.7).of(Batch(tokens, None, {MARK: torch.tensor([encoded[MARK]])}))
    return [[model.tokenizer.decode([i]).strip() for i in row if i >= 0] for row in found[0].tolist() if row[0] >= 0]


@pytest.fixture()
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "neighbours.json"
    path.write_text(json.dumps(NEIGHBOURS))
    return path


@pytest.mark.parametrize("vocabulary", [word_pieces, byte_level, unigram])
def test_whole_words_of_one_token_and_no_other(vocabulary: Any, tmp_path: Path, lexicon: Path) -> None:
    model = subject(vocabulary(tmp_path))
    good, great = ["good", "great"], ["great", "good"]
    assert swaps(model, lexicon, ("good film",)) == [good, ["film", "movie"]]
    assert swaps(model, lexicon, ("the great movie was good.",)) == [great, ["movie", "film"], good]
    # A word in brackets is one, a part of a longer word is not.
    assert swaps(model, lexicon, ("(good) great-hearted feelgood movies good's",)) == [good]


@pytest.mark.parametrize(
    ("vocabulary", "expected"),
    [
        (word_pieces, [["good", "great"], ["great", "good"]]),  # it knows small letters only
        (byte_level, [["Good", "Great"], ["Great", "Good"]]),
        (unigram, [["Good", "Great"], ["Great", "Good"]]),
    ],
)
def test_capitalised_words_swap_for_capitalised_ones(
    vocabulary: Any, tmp_path: Path, lexicon: Path, expected: list
) -> None:
    assert swaps(subject(vocabulary(tmp_path)), lexicon, ("Good Great",)) == expected


def test_byte_level_tokens_behind_a_space_stay_behind_one(tmp_path: Path, lexicon: Path) -> None:
    model = subject(byte_level(tmp_path))
    table = Substitutes.read(model, str(lexicon), 0.7).table
    first, second = model.tokenizer("good good")["input_ids"]
    decoded = [[model.tokenizer.decode([i]) for i in table[token] if i >= 0] for token in (first, second)]
    assert decoded == [["good", "great"], [" good", " great"]]


@pytest.mark.parametrize("vocabulary", [word_pieces, byte_level, unigram])
def test_of_a_pair_only_the_second_text_is_swapped(vocabulary: Any, tmp_path: Path, lexicon: Path) -> None:
    model = subject(vocabulary(tmp_path))
    assert swaps(model, lexicon, ("good good film", "was great")) == [["great", "good"]]
    assert swaps(model, lexicon, ("good good film", "was")) == []


def test_ten_choices_at_most_the_word_first_none_twice_and_none_too_far(tmp_path: Path, tiny_backbone: Path) -> None:
    near = ["good", "great", "fine", "bad", "awful", "dull", "funny", "warm", "cold", "slow", "liked", "hated", "great"]
    line = " ".join(f"{word}:{0.99 - 0.02 * i:.2f}" for i, word in enumerate(near))
    path = tmp_path / "some.tsv.gz"
    path.write_bytes(gzip.compress(f"good\t{line}\n".encode()))
    model = Classifier.from_pretrained(tiny_backbone, 2, 16)
    word = model.tokenizer.get_vocab()["good"]

    def chosen(least: float) -> list[str]:
        row = Substitutes.read(model, str(path), least).table[word]
        assert (row[row.argmin() :] == -1).all() or (row >= 0).all()
        return model.tokenizer.convert_ids_to_tokens(row[row >= 0].tolist())

    assert chosen(0.7) == near[:CHOICES]
    assert chosen(0.9) == near[:5]


def test_what_is_cut_off_and_what_is_padding_is_not_swapped(tiny_backbone: Path, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_text(json.dumps({"good": ["great"]}))
    model = Classifier.from_pretrained(tiny_backbone, 2, 6)
    encoded = [mark_words(model, (text,)) for text in ("good " * 9, "a good")]
    assert [len(e["input_ids"]) for e in encoded] == [6, 4]
    read = Substitutes.read(model, str(tmp_path / "n.json"), 0.7)
    for side, expected in (("right", [0, 0, 1, 0, 0, 0]), ("left", [0, 0, 0, 0, 1, 0])):
        # The side is the family's; what the tokenizer says does not count.
        model._architecture = replace(model._architecture, padding_side=side)
        model.tokenizer.padding_side = "left" if side == "right" else "right"
        batch = model.collate(encoded, [0, 1])
        assert batch.marks[MARK].shape == batch.tokens["input_ids"].shape
        assert batch.marks[MARK][0].tolist() == [0, 1, 1, 1, 1, 0]
        assert (read.of(batch)[1, :, 0] >= 0).int().tolist() == expected
        assert set(batch.tokens) == {"input_ids", "attention_mask", "token_type_ids"}
        assert torch.equal(batch.with_tokens().to(torch.device("cpu")).marks[MARK], batch.marks[MARK])


def test_marked_texts_are_tokenised_as_the_model_tokenises(tiny_backbone: Path, tmp_path: Path, lexicon: Path) -> None:
    model = Classifier.from_pretrained(tiny_backbone, 2, 9)
    for texts in (("the film was good",), ("the film was not good", "a great movie is the end of it")):
        encoded = dict(mark_words(model, texts))
        assert len(encoded.pop(MARK)) == len(encoded["input_ids"])
        assert encoded == model.tokenise(texts)
    other = subject(byte_level(tmp_path))
    other.normalised = lambda texts: [text.lower() for text in texts]
    assert swaps(other, lexicon, ("Good",)) == [["good", "great"]]


def test_a_tokenizer_without_offsets_is_refused() -> None:
    slow = SimpleNamespace(is_fast=False)
    with pytest.raises(UsageError, match="needs a fast tokenizer, which SimpleNamespace is not"):
        mark_words(SimpleNamespace(tokenizer=slow), ("a",))


def real_words(folder: Path, words: list[str]) -> Any:
    from transformers import BertTokenizerFast

    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]))
    return subject(BertTokenizerFast.from_pretrained(str(folder)))


def test_the_packaged_lexicon_on_real_words(tmp_path: Path) -> None:
    model = real_words(tmp_path, ["a", "terrible", "awful", "horrible", "movie", "film", "evil", "wonderful"])
    found = swaps(model, Path("counterfitted-glove-wordnet"), ("A terrible movie",))
    assert found == [["terrible", "horrible", "awful", "evil"], ["movie", "film"]]


def test_a_shared_lexicon_in_json(tmp_path: Path, shared: Path) -> None:
    lexicon = shared / "lexicon/counterfitted_neighbors.json"
    model = real_words(tmp_path, ["a", "good", "movie", "films", "nice", "decent", "film"])
    assert swaps(model, lexicon, ("A good movie",)) == [["good", "nice", "decent"], ["movie", "film", "films"]]
