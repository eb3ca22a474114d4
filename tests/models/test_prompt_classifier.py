"""Tests of the prompt classifier on every family, and of what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.backbones import Backbone
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits, summary_features
from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import PromptClassifier, load_classifier
from benchmark.schema.errors import UsageError
from tests.models.test_classifier import tiny_network
from tests.support.prompts import PROMPTED, before_words, write_family
from tests.support.tiny import sentences, write_tiny_masked_lm
from tests.support.vocabularies import byte_level

PROMPT = Prompt.of(
    [{"front": "the statement is [MASK] ."}, {"back": "[MASK]"}, {"back": "this is a [MASK] film"}],
    [("negative", ["negative", "bad"]), ("positive", ["positive"]), ("other", ["true"])],
)
TEXTS = [("a good film",), ("the plot was very dull and the end was cold",), ("bad",)]


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_masked_lm(tmp_path_factory.mktemp("masked-lm"))


def backbone(folder: Path) -> Backbone:
    return Backbone("b", f"folder:{folder.name}", "0", folder)


@pytest.fixture(scope="module")
def family_folders(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {f: write_family(tmp_path_factory.mktemp(f), f, bert) for f in PROMPTED}


@pytest.fixture()
def model(bert: Path) -> PromptClassifier:
    return PromptClassifier.from_backbone(backbone(bert), PROMPT, 24).eval()


@pytest.mark.parametrize("family", PROMPTED)
def test_logits_equal_those_of_the_full_language_model(family_folders: dict[str, Path], family: str) -> None:
    model = PromptClassifier.from_backbone(backbone(family_folders[family]), PROMPT, 24).eval()
    batch = model.encode(TEXTS, [0, 1, 2])
    assert (len(batch), batch.sequences, len(batch.attention_mask)) == (3, 3, 9)
    whole = model.network(**batch.tokens).logits[batch.marks["read"].bool()]
    number, before = model.tokenizer.convert_tokens_to_ids, "" if ARCHITECTURES[family].causal else before_words(family)
    negative, bad, positive, true = (
        whole[:, number(f"{before}{word}")] for word in ("negative", "bad", "positive", "true")
    )
    expected = torch.stack([torch.maximum(negative, bad), positive, true], 1).view(3, 3, 3).mean(1)
    torch.testing.assert_close(model(batch), expected)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("family", PROMPTED)
def test_every_family_has_the_interface_of_a_classifier(
    family_folders: dict[str, Path], family: str, tmp_path: Path
) -> None:
    model = PromptClassifier.from_backbone(backbone(family_folders[family]), PROMPT, 24).eval()
    batch = model.encode(TEXTS)
    logits, embeds, words = model(batch), model.embed(batch), model.embed_words(batch)
    assert embeds.shape[:2] == words.shape[:2] == batch.attention_mask.shape
    torch.testing.assert_close(model(batch, embeds=embeds), logits)
    torch.testing.assert_close(model(batch, words=words), logits)
    assert not torch.allclose(model(batch, words=words.flip(-1)), logits)
    with model.watching_hidden() as seen:
        features = model.features(batch)
    assert features.shape == (3, 32)
    torch.testing.assert_close(model.summary(batch, seen.last), features)
    stored = summary_features(model, TEXTS)
    assert stored.shape == (3, model.feature_width)
    np.testing.assert_allclose(stored, model.penultimate(batch).detach(), rtol=2e-3, atol=1e-4)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    model.save(tmp_path)
    again = load_classifier(tmp_path).eval()
    assert isinstance(again, PromptClassifier)
    assert (again.prompt, again.max_length, again.classes) == (PROMPT, model.max_length, 3)
    np.testing.assert_array_equal(predict_logits(again, TEXTS), predict_logits(model, TEXTS))
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".safetensors", ".txt"}


def test_gradient_reaches_body_and_head(family_folders: dict[str, Path]) -> None:
    for folder in family_folders.values():
        model = PromptClassifier.from_backbone(backbone(folder), PROMPT, 24).train()
        model(model.encode(TEXTS)).square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters()), folder
        assert model.passes.counts() == {"forward": 9, "backward": 9, "input_backward": 0}


def test_full_vocabulary_logits_are_not_computed(model: PromptClassifier) -> None:
    called: list[torch.Size] = []
    decoder = model.network.cls.predictions.decoder
    decoder.register_forward_hook(lambda _m, _i, output: called.append(output.shape))
    transformed: list[torch.Size] = []
    model.network.cls.predictions.transform.register_forward_hook(lambda _m, _i, out: transformed.append(out.shape))
    model(model.encode(TEXTS))
    assert called == []
    assert transformed[0].numel() == 9 * 32


@pytest.mark.parametrize("texts", [("film " * 100,), ("film " * 100, "the plot"), ("film " * 60, "plot " * 60)])
def test_text_is_truncated_and_the_template_is_not(model: PromptClassifier, texts: tuple[str, ...]) -> None:
    batch = model.encode([texts])
    tokens = [model.tokenizer.convert_ids_to_tokens(row) for row in batch.tokens["input_ids"]]
    assert len(tokens[2]) == 24
    for row, template in zip(tokens, ("the statement is [MASK] .", "[MASK]", "this is a [MASK] film"), strict=True):
        assert f" {template} " in " ".join(row)
        assert row.count("[SEP]") == len(texts)
    assert batch.marks["read"].sum(1).tolist() == [1, 1, 1]


@pytest.mark.parametrize("family", ["roberta", "gpt2", "bert"])
@pytest.mark.parametrize("texts", [("film " * 100,), ("film " * 100, "the plot " * 50)])
def test_longest_template_and_text_fill_the_input(
    family_folders: dict[str, Path], family: str, texts: tuple[str, ...]
) -> None:
    model = PromptClassifier.from_backbone(backbone(family_folders[family]), PROMPT, 24).eval()
    batch = model.encode([texts])
    assert batch.attention_mask.sum(1).max() == batch.attention_mask.shape[1] == 24
    assert model(batch).isfinite().all()


@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_an_empty_text_is_its_templates(family_folders: dict[str, Path], family: str) -> None:
    model = PromptClassifier.from_backbone(backbone(family_folders[family]), PROMPT, 24).eval()
    batch = model.encode([("",)])
    assert batch.marks["read"].sum(1).tolist() == [1, 1, 1]
    # The middle template is the slot alone, with a space before it in RoBERTa's vocabulary.
    assert batch.attention_mask.sum(1).tolist()[1] == (4 if family == "roberta" else 3)
    alone, together = predict_logits(model, [("",)]), predict_logits(model, [("",), ("a good film",)])
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)


def test_token_types_are_left_out_as_in_the_release(model: PromptClassifier) -> None:
    batch = model.encode([("a good film", "the end")])
    assert set(model.tokenizer("a good film", "the end")["token_type_ids"]) == {0, 1}
    without = {name: tensor for name, tensor in batch.tokens.items() if name != "token_type_ids"}
    whole = model.network(**without).logits[batch.marks["read"].bool()]
    torch.testing.assert_close(model(batch)[0, 1], whole[:, model.tokenizer.convert_tokens_to_ids("positive")].mean())


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_leaves_the_slot_in_place(model: PromptClassifier, side: str) -> None:
    model.tokenizer.padding_side = side
    batch = model.encode(TEXTS)
    assert (batch.tokens["input_ids"][batch.marks["read"].bool()] == model.tokenizer.mask_token_id).all()


def test_texts_are_lower_cased(model: PromptClassifier) -> None:
    assert model.tokenise(("A Good FILM",)) == model.tokenise(("a good film",))
    model.tokenizer = byte_level()
    assert model.tokenise(("A Good FILM",)) == model.tokenise(("a good film",))


def test_there_is_no_output_layer_to_fit(model: PromptClassifier) -> None:
    with pytest.raises(UsageError, match="no output layer"):
        _ = model.output_layer
    linear: nn.Linear = model.network.cls.predictions.decoder
    batch = model.encode(TEXTS)
    word = model.tokenizer.convert_tokens_to_ids
    # Where a class has one word, its logit is linear in what the output layer sees.
    torch.testing.assert_close(linear(model.penultimate(batch))[:, word("positive")], model(batch)[:, 1])


@pytest.mark.parametrize("family", ["deberta", "deberta-v2"])
def test_deberta_head_is_loaded_under_its_published_names(
    family_folders: dict[str, Path], family: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(family_folders[family], tmp_path / "b"))
    weights = load_file(folder / "model.safetensors")
    renamed = {
        name.replace("cls.predictions.transform", "lm_predictions.lm_head").replace(
            "cls.predictions.bias", "lm_predictions.lm_head.bias"
        ): value
        for name, value in weights.items()
    }
    assert "lm_predictions.lm_head.dense.weight" in renamed
    save_file(renamed, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "legacy": False}))
    before, after = (PromptClassifier.from_backbone(backbone(f), PROMPT, 24) for f in (family_folders[family], folder))
    np.testing.assert_array_equal(predict_logits(after, TEXTS), predict_logits(before, TEXTS))


def test_electras_discriminator_is_refused(bert: Path, tmp_path: Path) -> None:
    from transformers import ElectraForPreTraining

    folder = write_family(tmp_path, "electra", bert)
    generator = PromptClassifier.from_backbone(backbone(folder), PROMPT, 24)
    ElectraForPreTraining(generator.network.config).save_pretrained(folder)
    with pytest.raises(UsageError, match=r"no masked-LM head \('generator_"):
        PromptClassifier.from_backbone(backbone(folder), PROMPT, 24)


def test_xlnet_is_refused(bert: Path, tmp_path: Path) -> None:
    shutil.copytree(bert, tmp_path / "b")
    tiny_network("xlnet").save_pretrained(tmp_path / "b")
    with pytest.raises(UsageError, match="the model family 'xlnet' has none"):
        PromptClassifier.from_backbone(backbone(tmp_path / "b"), PROMPT, 24)


def test_max_length_without_room_for_text_is_refused(bert: Path) -> None:
    with pytest.raises(UsageError, match="take up to 5 of max_length 9 tokens, which leaves no room"):
        PromptClassifier.from_backbone(backbone(bert), PROMPT, 9)
    assert PromptClassifier.from_backbone(backbone(bert), PROMPT, 10).max_length == 5


def test_a_plain_classifier_is_loaded_as_before(tiny_backbone: Path, tmp_path: Path) -> None:
    Classifier.from_pretrained(tiny_backbone, 2, 16).save(tmp_path)
    assert type(load_classifier(tmp_path)) is Classifier
    assert "temper_prompt" not in json.loads((tmp_path / "config.json").read_text())


def test_batches_of_one_and_of_many_give_the_same_logits(model: PromptClassifier) -> None:
    texts = [(text,) for text, _ in sentences(16)]
    alone = np.concatenate([predict_logits(model, [text]) for text in texts])
    np.testing.assert_allclose(predict_logits(model, texts), alone, atol=1e-6)


def test_attend_padding_reaches_the_model_and_is_saved(model: PromptClassifier, tmp_path: Path) -> None:
    batch = model.encode(TEXTS)
    masked, hidden = model(batch), model.features(batch)
    model.attend_padding = True
    ones = batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask))
    attended = model(batch)
    assert (attended - masked).abs().max() > 1e-6
    assert not torch.equal(model.features(batch), hidden)
    model.save(tmp_path)
    again = load_classifier(tmp_path).eval()
    assert again.attend_padding
    torch.testing.assert_close(again(batch), attended)
    with model.reading_mask():
        torch.testing.assert_close(model(ones), attended)
        torch.testing.assert_close(model(batch), masked)
