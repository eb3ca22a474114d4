"""The classifier's contract: padding, embeddings, blocks, counters, saving."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers.utils import logging

from benchmark.models.architectures import ARCHITECTURES, architecture_of
from benchmark.models.backbone_check import require_supported
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch
from benchmark.models.classifier import Classifier
from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.schema.errors import UsageError
from tests.support.tiny import sentences


@pytest.fixture()
def model(tiny_backbone: Path) -> Classifier:
    torch.manual_seed(0)
    return Classifier.from_pretrained(tiny_backbone, 2, 16).eval()


def batch_of(model: Classifier, count: int = 6) -> Batch:
    return model.encode([(text,) for text, _ in sentences(count)], [label for _, label in sentences(count)])


def test_starting_from_own_embeddings_changes_nothing(model: Classifier) -> None:
    batch = batch_of(model)
    assert torch.equal(model(batch, embeds=model.embed(batch)), model(batch))


def test_embeddings_are_the_embedding_layers_output_with_its_graph(model: Classifier) -> None:
    batch = batch_of(model)
    embeds = model.embed(batch)
    expected = model.network.bert.embeddings(batch.tokens["input_ids"], batch.tokens["token_type_ids"])
    assert torch.equal(embeds, expected)
    (gradient,) = torch.autograd.grad(model(batch, embeds=embeds).sum(), embeds)
    assert gradient.abs().sum() > 0


def test_forward_restores_the_module_tree(model: Classifier) -> None:
    batch = batch_of(model)
    before = [name for name, _ in model.named_modules()]
    with pytest.raises(RuntimeError):
        model(batch, embeds=torch.zeros(1, 1, 7))
    assert [name for name, _ in model.named_modules()] == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_batches_of_one_and_of_sixteen_give_the_same_logits(model: Classifier) -> None:
    texts = [(text,) for text, _ in sentences(16)]
    together = predict_logits(model, texts)
    alone = np.concatenate([predict_logits(model, [t]) for t in texts])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_prediction_restores_the_mode_and_counts_nothing(model: Classifier) -> None:
    model.train()
    predict_logits(model, [("a film",)])
    assert model.training
    assert model.passes.counts() == {"forward": 0, "backward": 0, "input_backward": 0}


def test_passes_are_counted_in_examples(model: Classifier) -> None:
    batch = batch_of(model, 6)
    embeds = model.embed(batch)
    logits = model(batch, embeds=embeds)
    with model.passes.input_only():
        torch.autograd.grad(logits.sum(), embeds, retain_graph=True)
    logits.sum().backward()
    assert model.passes.counts() == {"forward": 6, "backward": 6, "input_backward": 6}


def test_saving_and_loading_keeps_logits_and_length(model: Classifier, tmp_path: Path) -> None:
    model.save(tmp_path)
    again = load_classifier(tmp_path).eval()
    batch = batch_of(model)
    assert again.max_length == 16
    assert torch.equal(again(batch), model(batch))
    assert not list(tmp_path.glob("*.bin"))


def test_loading_and_saving_show_no_message_and_no_bar(
    tiny_backbone: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    level = logging.get_verbosity()
    logging.set_verbosity_warning()
    try:
        Classifier.from_pretrained(tiny_backbone, 2, 16).save(tmp_path)
        assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == (logging.WARNING, True)
    finally:
        logging.set_verbosity(level)
    assert capfd.readouterr() == ("", "")


def test_class_names_are_saved_and_change_no_logit(tiny_backbone: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_backbone, tmp_path / "backbone")
    settings = json.loads((tmp_path / "backbone/config.json").read_text())
    own = {"id2label": {"0": "contradiction", "1": "entailment"}, "label2id": {"contradiction": 0, "entailment": 1}}
    (tmp_path / "backbone/config.json").write_text(json.dumps({**settings, **own}))
    model = Classifier.from_pretrained(tmp_path / "backbone", 2, 16).eval()
    expected = model(batch_of(model))
    model.name_classes(("no", "yes"))
    model.save(tmp_path / "saved")
    saved = json.loads((tmp_path / "saved/config.json").read_text())
    assert (saved["id2label"], saved["label2id"]) == ({"0": "no", "1": "yes"}, {"no": 0, "yes": 1})
    again = load_classifier(tmp_path / "saved").eval()
    assert again.classes == 2
    assert torch.equal(again(batch_of(again)), expected)


def test_features_are_the_first_tokens_last_hidden_state(model: Classifier) -> None:
    batch = batch_of(model)
    expected = model.network.bert(**batch.tokens).last_hidden_state[:, 0]
    assert torch.equal(model.features(batch), expected)


def tiny_network(family: str) -> nn.Module:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"vocab_size": 40, "num_labels": 2, "pad_token_id": 0}
    width = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    relative = {"relative_attention": True, "position_biased_input": False}
    buckets = {"position_buckets": 8, "norm_rel_ebd": "layer_norm"}
    decoder = {**width, "num_key_value_heads": 1, "head_dim": 16}
    special = {
        **dict.fromkeys(("llama", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text"), decoder),
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2, "bos_token_id": 1, "eos_token_id": 1},
        "gpt_neo": {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "attention_types": [[["global"], 2]]},
        "xlnet": {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 64, "bos_token_id": 1, "eos_token_id": 1},
        "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
        "albert": {**width, "embedding_size": 16},
        "electra": {**width, "embedding_size": 16},
        # As published: relative positions only. The library's defaults are those of a plain BERT.
        "deberta": {**width, **relative, "pos_att_type": ["c2p", "p2c"]},
        "deberta-v2": {**width, **relative, "pos_att_type": ["p2c", "c2p"], "share_att_key": True, **buckets},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **sizes, **special.get(family, width))
    return AutoModelForSequenceClassification.from_config(config)


@pytest.mark.parametrize("family", sorted(ARCHITECTURES))
def test_every_family_embeds_and_has_blocks(model: Classifier, family: str) -> None:
    other = Classifier(tiny_network(family), model.tokenizer, 16).eval()
    tokens = {"input_ids": torch.randint(5, 39, (3, 7)), "attention_mask": torch.ones(3, 7, dtype=torch.long)}
    tokens["attention_mask"][1, 4:] = 0
    batch = Batch(tokens)
    embeds = other.embed(batch)
    assert embeds.shape[:2] == (3, 7)
    torch.testing.assert_close(other(batch, embeds=embeds), other(batch))
    words = other.embed_words(batch)
    torch.testing.assert_close(other(batch, words=words), other(batch))
    assert not torch.allclose(other(batch, words=words.flip(-1)), other(batch))
    assert other.features(batch).shape == (3, 32)
    blocks = {id(p) for block in other.blocks for p in block.parameters()}
    heads = [p for name, p in other.named_parameters() if "classifier" in name or "score" in name or "summary" in name]
    assert blocks
    assert heads
    assert not blocks & {id(p) for p in heads}


def test_a_family_laid_out_like_bert_needs_no_row(model: Classifier) -> None:
    other = Classifier(tiny_network("camembert"), model.tokenizer, 16)
    assert len(other.blocks) == 2


def test_unknown_family_is_named_with_its_nearest(model: Classifier) -> None:
    with pytest.raises(
        UsageError, match=r"'robertaa' is not supported: it has no 'encoder.layer'.*Did you mean 'roberta'"
    ):
        architecture_of(
            "robertaa", torch.nn.ModuleDict({"embeddings": torch.nn.ModuleDict({"word_embeddings": model})})
        )


def backbone_with(folder: Path, source: Path, **changes: object) -> Backbone:
    shutil.copytree(source, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return Backbone("b", "folder:b", "0", folder)


@pytest.mark.parametrize(
    ("changes", "length", "sentence"),
    [
        ({}, 65, "reads at most 64 tokens and the suite asks for max_length 65"),
        ({"model_type": "no-such"}, 16, "is not a model that can be fine-tuned here"),
    ],
)
def test_unusable_backbone_is_refused_before_training(
    tmp_path: Path, tiny_backbone: Path, changes: dict, length: int, sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        require_supported(backbone_with(tmp_path / "b", tiny_backbone, **changes), 2, length)


def test_a_broken_configuration_is_one_sentence(tmp_path: Path, tiny_backbone: Path) -> None:
    backbone = backbone_with(tmp_path / "b", tiny_backbone)
    (backbone.path / "config.json").write_text("{")
    with pytest.raises(UsageError, match=r"config.json cannot be read"):
        require_supported(backbone, 2, 16)
    require_supported(Backbone("t", "folder:t", "0", tiny_backbone), 2, 16)


@pytest.mark.parametrize("side", ["left", "right"])
def test_features_of_a_family_that_reads_its_last_token(model: Classifier, side: str) -> None:
    other = Classifier(tiny_network("gpt2"), model.tokenizer, 16).eval()
    ids = torch.randint(5, 39, (1, 4))
    padding = torch.zeros(1, 3, dtype=torch.long)
    padded = [
        torch.cat(pair[:: 1 if side == "right" else -1], 1)
        for pair in ((ids, padding), (torch.ones_like(ids), padding))
    ]
    batch = Batch({"input_ids": padded[0], "attention_mask": padded[1]})
    expected = other.network.base_model(input_ids=ids).last_hidden_state[0, 3]
    torch.testing.assert_close(other.features(batch)[0], expected)


def test_attend_padding_depends_on_the_batch_and_is_saved(model: Classifier, tmp_path: Path) -> None:
    texts = [(text,) for text, _ in sentences(40)]
    masked = predict_logits(model, texts)
    model.attend_padding = True
    attended = predict_logits(model, texts)
    assert np.abs(attended - masked).max() > 1e-5
    by_hand = []
    for start in range(0, 40, 16):
        batch = model.encode(texts[start : start + 16])
        ones = batch.with_tokens(attention_mask=torch.ones_like(batch.attention_mask))
        by_hand.append(model.network(**ones.tokens).logits.detach().numpy())
    np.testing.assert_allclose(attended, np.concatenate(by_hand), atol=1e-6)
    batch = batch_of(model)
    assert torch.equal(model(batch, embeds=model.embed(batch)), model(batch))
    assert not torch.equal(batch.attention_mask, torch.ones_like(batch.attention_mask))
    with model.reading_mask():
        np.testing.assert_allclose(predict_logits(model, texts), masked, atol=1e-6)
    model.save(tmp_path / "saved")
    again = load_classifier(tmp_path / "saved").eval()
    np.testing.assert_allclose(predict_logits(again, texts), attended, atol=1e-6)


def test_default_padding_is_not_written_to_disk(model: Classifier, tmp_path: Path) -> None:
    """Or every model that was ever saved would be another one."""
    model.save(tmp_path)
    assert "padding" not in (tmp_path / "config.json").read_text().replace("padding_idx", "")


@pytest.mark.parametrize("prefix", ["", "bert."])
def test_a_checkpoint_needs_every_weight_of_the_body_but_no_pooler(
    tiny_backbone: Path, tmp_path: Path, prefix: str
) -> None:
    folder = shutil.copytree(tiny_backbone, tmp_path / "backbone")
    full = load_file(folder / "model.safetensors")
    weights = {prefix + name: value for name, value in full.items() if not name.startswith("pooler.")}
    assert 0 < len(weights) < len(full)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    assert Classifier.from_pretrained(folder, 2, 16)
    del weights[f"{prefix}encoder.layer.0.output.dense.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(UsageError, match=r"has no 'bert\.encoder\.layer\.0\.output\.dense\.bias' \(one of 1 missing"):
        Classifier.from_pretrained(folder, 2, 16)
