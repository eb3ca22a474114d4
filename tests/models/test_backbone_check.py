"""Tests that a backbone's faults are found before training, and that padding and batch change no logit."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.models.backbone_check import require_supported
from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.schema.errors import UsageError
from tests.attacks.fakes import attack, parts, write_lexicon
from tests.models.test_classifier import tiny_network
from tests.support.vocabularies import byte_level

TEXTS = [("good",), ("",), ("this film was not good but the plot is positive",), ("the film", "it was bad"), ("a",)]
POSITIONS = {"max_position_embeddings": 66}


def tokenizer_of(family: str, **roles: Any) -> Any:
    tokenizer = byte_level(special=family != "gpt2")
    if family == "gpt2":
        tokenizer.pad_token = tokenizer.eos_token
    for name, value in roles.items():
        setattr(tokenizer, name, value)
    return tokenizer


def network_of(family: str, tokenizer: Any, **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    small = tiny_network(family).config.to_dict()
    numbers = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, **changes}
    kept = {key: value for key, value in small.items() if key != "model_type"}
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **{**kept, **numbers}))


def backbone_in(folder: Path, family: str = "gpt2", tokenizer: Any = None, **changes: Any) -> Backbone:
    """Write a tiny backbone; `changes` go into its configuration."""
    tokenizer = tokenizer or tokenizer_of(family)
    network_of(family, tokenizer, **changes).base_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return Backbone("tiny", "folder:tiny", "0", folder)


def edit(folder: Path, name: str, **changes: object) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    "family", ["bert", "deberta-v2", "gemma2", "gpt2", "llama", "modernbert", "mpnet", "qwen3", "roberta", "xlnet"]
)
def test_padding_side_and_batch_change_no_logit(family: str) -> None:
    models = []
    for side in ("left", "right"):
        tokenizer = tokenizer_of(family, padding_side=side)
        models.append(Classifier(network_of(family, tokenizer), tokenizer, 32).double().eval())
    left, right = models
    right.load_state_dict(left.state_dict())
    with torch.inference_mode():
        together = left(left.encode(TEXTS))
        torch.testing.assert_close(right(right.encode(TEXTS)), together, atol=1e-12, rtol=0)
        for row, texts in enumerate(TEXTS):
            torch.testing.assert_close(left(left.encode([texts]))[0], together[row], atol=1e-12, rtol=0)
        assert (together[0] - together[2]).abs().max() > 1e-6


@pytest.mark.parametrize("texts", [("",), (" ",), ("", "")])
def test_an_empty_text_has_a_token_in_every_family(texts: tuple[str, ...]) -> None:
    for family in ("gpt2", "roberta"):
        tokenizer = tokenizer_of(family)
        encoded = Classifier(network_of(family, tokenizer), tokenizer, 16).tokenise(texts)
        assert len(encoded["input_ids"]) >= 1
        assert encoded["attention_mask"] == [1] * len(encoded["input_ids"])


def test_logits_of_an_empty_text_do_not_depend_on_the_batch() -> None:
    tokenizer = tokenizer_of("gpt2")
    model = Classifier(network_of("gpt2", tokenizer), tokenizer, 16).eval()
    assert model.tokenise(("",)) == {"input_ids": [tokenizer.bos_token_id], "attention_mask": [1]}
    alone = predict_logits(model, [("",)])
    with_short = predict_logits(model, [("",), ("good",)])[:1]
    with_long = predict_logits(model, [("this film was not good but bad",), ("",), ("", "")])[1:]
    np.testing.assert_allclose(np.concatenate([with_short, with_long]), np.repeat(alone, 3, 0), atol=1e-6)


def test_outcome_of_a_deletion_attack_ignores_other_examples(tmp_path: Path) -> None:
    """A GPT-2 raised when it was asked about an empty text alone, and answered in company."""
    from benchmark.attacks import run_attack
    from benchmark.attacks.victim import ModelVictim
    from benchmark.data import Dataset, Example

    tokenizer = tokenizer_of("gpt2")
    model = Classifier(network_of("gpt2", tokenizer), tokenizer, 16).eval()
    made = attack(write_lexicon(tmp_path / "tiny.tsv.gz"))

    def outcomes(*texts: str) -> list[tuple[object, ...]]:
        labels = predict_logits(model, [(text,) for text in texts]).argmax(axis=1)
        examples = tuple(Example(text, (text,), int(label)) for text, label in zip(texts, labels, strict=True))
        journal = tmp_path / f"{len(texts)}.jsonl"
        rows = run_attack(made, Dataset("film", examples, ("n", "p")), ModelVictim(model), journal, parts=parts())
        return [(row.original, row.outcome, row.queries, row.perturbed, row.reason) for row in rows]

    (alone,) = outcomes("good")
    assert alone[1] != "error"
    assert alone in outcomes("good", "this film was very good", "bad")


@pytest.mark.parametrize(
    ("family", "roles", "changes", "sentence"),
    [
        ("gpt2", {"padding_side": "left"}, {}, None),
        ("roberta", {}, POSITIONS, None),
        ("roberta", {}, {"max_position_embeddings": 34}, "reads at most 31 tokens and the suite asks for max_length"),
        ("bert", {}, {"vocab_size": 200}, r"token ids up to \d+ and the model embeds 200 tokens"),
        ("gpt2", {}, {"vocab_size": 200}, r"token ids up to \d+ and the model embeds 200 tokens"),
        ("bert", {}, {"pad_token_id": 0}, r"pads with token 2 \('<pad>'\) and its config.json says pad_token_id 0"),
        ("gpt2", {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]}, {}, "token_type_ids, which"),
        ("distilbert", {"model_input_names": ["input_ids", "token_type_ids"]}, {}, "returns no attention_mask"),
        (
            "distilbert",
            {"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
            {},
            "returns token_type_ids, which DistilBertForSequenceClassification does not accept",
        ),
    ],
)  # fmt: skip
def test_mismatched_tokenizer_names_the_backbone(
    tmp_path: Path, family: str, roles: dict[str, Any], changes: dict[str, Any], sentence: str | None
) -> None:
    backbone = backbone_in(tmp_path, family, tokenizer_of(family, **roles), **changes)
    if sentence is None:
        require_supported(backbone, 2, 32)
        return
    with pytest.raises(UsageError, match=f"^Backbone 'tiny'.*{sentence}"):
        require_supported(backbone, 2, 32)


@pytest.mark.parametrize("reference", ["{}/gone", "mine={}/gone", "folder:{}/gone", "./gone", "../gone", "~/gone"])
def test_a_folder_that_is_not_there_is_no_hub_id(reference: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^Backbone folder not found: .*gone\. Correct the path\.$"):
        resolve_backbone(reference.format(tmp_path))


def test_tokenizer_with_unknown_token_types(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tokenizer_of("roberta", model_input_names=["input_ids", "token_type_ids", "attention_mask"])
    around = [(token, tokenizer.convert_tokens_to_ids(token)) for token in ("<s>", "</s>")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B:1 </s>:1", special_tokens=around
    )
    backbone = backbone_in(tmp_path, "roberta", tokenizer, type_vocab_size=1, **POSITIONS)
    with pytest.raises(UsageError, match=r"assigns token type 1 .* has only types below 1"):
        require_supported(backbone, 2, 32)


def test_tokenizer_without_padding_token(tmp_path: Path) -> None:
    backbone = backbone_in(tmp_path)
    edit(tmp_path, "tokenizer_config.json", eos_token=None, pad_token=None)
    (tmp_path / "special_tokens_map.json").unlink(missing_ok=True)
    with pytest.raises(UsageError, match="neither a padding token nor an end-of-text token"):
        require_supported(backbone, 2, 32)


def test_missing_or_broken_tokenizer(tmp_path: Path) -> None:
    backbone = backbone_in(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(UsageError, match=r"its tokenizer cannot be loaded \(.*Put the tokenizer files"):
        require_supported(backbone, 2, 32)


def test_a_sentencepiece_tokenizer_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = backbone_in(tmp_path, "deberta-v2")
    for path in tmp_path.glob("*token*"):
        path.unlink()
    (tmp_path / "spm.model").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    monkeypatch.setattr("benchmark.models.backbone_check.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"model \(spm.model\).*Run `pip install sentencepiece protobuf`"):
        require_supported(backbone, 2, 32)


def test_damaged_weights_name_the_backbone(tmp_path: Path) -> None:
    backbone = backbone_in(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match="'tiny' is not a model that can be fine-tuned here"):
        require_supported(backbone, 2, 32)


@pytest.mark.parametrize("published", [True, False])
def test_mobilebert_is_refused_because_padding_reaches_real_tokens(tmp_path: Path, published: bool) -> None:
    from transformers import MobileBertConfig, MobileBertModel

    tokenizer = tokenizer_of("mobilebert")
    width = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    narrow = {"embedding_size": 16, "intra_bottleneck_size": 16, "num_feedforward_networks": 1}
    sizes = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id, "initializer_range": 0.2}
    torch.manual_seed(0)
    model = MobileBertModel(MobileBertConfig(**sizes, **width, **narrow))
    if published:  # a new model's vector of the padding token is zero, and a trained one's is not
        model.embeddings.word_embeddings.weight.data[tokenizer.pad_token_id] = 0.1 * torch.randn(16)
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    backbone = Backbone("tiny", "folder:tiny", "0", tmp_path)
    if not published:
        require_supported(backbone, 2, 32)
        return
    with pytest.raises(UsageError, match=r"returns other logits if a text is padded.*lets padding reach real tokens"):
        require_supported(backbone, 2, 32)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda logits: 0 * logits, "is zero"),
        (lambda logits: logits + (logits - logits.detach()).abs().sqrt(), "is not finite"),
        (lambda logits: logits.detach(), "have no gradient by the embeddings"),
    ],
)
def test_an_input_gradient_that_is_zero_or_not_finite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Any, kind: str
) -> None:
    backbone = backbone_in(tmp_path)
    require_supported(backbone, 2, 32)
    forward = Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda *args, **named: spoil(forward(*args, **named)))
    with pytest.raises(UsageError, match=f"^Backbone 'tiny': .*{kind}.*gradient-masking checks"):
        require_supported(backbone, 2, 32)


def test_a_head_of_zeros_is_refused(tmp_path: Path) -> None:
    tokenizer = tokenizer_of("llama")
    network = network_of("llama", tokenizer)
    torch.nn.init.zeros_(network.score.weight)
    network.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"by the embeddings is zero.*remove a classification head of zeros"):
        require_supported(Backbone("tiny", "folder:tiny", "0", tmp_path), 2, 32)


def test_check_keeps_the_random_state(tiny_backbone: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    require_supported(Backbone("t", "folder:t", "0", tiny_backbone), 2, 16)
    assert torch.equal(torch.get_rng_state(), before)
