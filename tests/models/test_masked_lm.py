"""Masked LMs: whose head they get, logits of some positions and words, and the packaged head itself."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForMaskedLM, BertForMaskedLM

from benchmark.models.backbones import Backbone, resolve_backbone
from benchmark.models.masked_lm import head_fingerprints, load_masked_lm, logits_at, packaged_head, predicting_only
from benchmark.resources import load_manifest, locate, resource_fingerprint
from benchmark.schema.errors import IntegrityError, UsageError
from tests.models.test_classifier import tiny_network
from tests.support.tiny import write_tiny_masked_lm

NAME = "minilm-masked-lm"
FAMILIES = ("albert", "bert", "deberta", "deberta-v2", "distilbert", "electra", "roberta")
TOKENS = {
    "input_ids": torch.tensor([[2, 5, 6, 4, 9, 3], [2, 11, 4, 4, 3, 0]]),
    "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]]),
}
WHERE = torch.tensor([[0, 0, 1, 1, 0, 0], [0, 1, 0, 0, 0, 0]], dtype=torch.bool)
HEAD = {
    "cls.predictions.transform.dense.weight": torch.eye(32),
    "cls.predictions.transform.dense.bias": torch.zeros(32),
    "cls.predictions.transform.LayerNorm.weight": torch.ones(32),
    "cls.predictions.transform.LayerNorm.bias": torch.zeros(32),
}


@pytest.fixture
def own(tmp_path):
    return write_tiny_masked_lm(tmp_path)


def written(folder, tensors):
    save_file({name: value.half() for name, value in tensors.items()}, folder / "head.safetensors")
    return folder / "head.safetensors"


def head_for(backbone):
    words = AutoModelForMaskedLM.from_pretrained(backbone).config.vocab_size
    return {**HEAD, "cls.predictions.bias": torch.arange(words) / 8}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_of_selected_positions_equal_the_full_ones(family, tmp_path):
    torch.manual_seed(3)
    config = tiny_network(family).config
    config.legacy = True
    AutoModelForMaskedLM.from_config(config).save_pretrained(tmp_path)
    network = load_masked_lm(tmp_path)
    words = torch.tensor([9, 3, 12])
    whole = network(**TOKENS).logits
    torch.testing.assert_close(logits_at(network, TOKENS, WHERE), whole[WHERE])
    torch.testing.assert_close(logits_at(network, TOKENS, WHERE, words), whole[WHERE][:, words])
    torch.testing.assert_close(network(**TOKENS).logits, whole, atol=0, rtol=0)


def test_gradients_are_those_of_the_whole(own):
    network, words = load_masked_lm(own), torch.tensor([7, 20])
    logits_at(network, TOKENS, WHERE, words).square().sum().backward()
    found = {name: value.grad.clone() for name, value in network.named_parameters()}
    network.zero_grad()
    network(**TOKENS).logits[WHERE][:, words].square().sum().backward()
    for name, value in network.named_parameters():
        torch.testing.assert_close(found[name], value.grad, msg=name)


def test_error_restores_the_network(own):
    network = load_masked_lm(own)
    with pytest.raises(RuntimeError, match="stop"), predicting_only(network, WHERE, torch.tensor([1])):
        raise RuntimeError("stop")
    assert not network.base_model._forward_hooks
    assert network(**TOKENS).logits.shape == (2, 6, network.config.vocab_size)


def test_a_checkpoint_with_its_head_needs_none(own):
    torch.testing.assert_close(
        load_masked_lm(own)(**TOKENS).logits, BertForMaskedLM.from_pretrained(own).eval()(**TOKENS).logits
    )


def test_checkpoint_without_head_is_refused(tiny_backbone):
    with pytest.raises(UsageError, match=f"{tiny_backbone} is not a masked LM: its checkpoint has no masked-LM head"):
        load_masked_lm(tiny_backbone)


def test_family_without_masked_lm_is_refused(tmp_path):
    tiny_network("gpt2").save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="the model family 'gpt2' has none"):
        load_masked_lm(tmp_path)


def test_head_replaces_weights_and_adds_corrections(tiny_backbone, tmp_path):
    torch.manual_seed(4)
    name = "bert.encoder.layer.1.output.dense.weight"
    up, down = torch.randn(32, 3).half(), torch.randn(3, 64).half()
    norm = {"bert.encoder.layer.0.output.LayerNorm.weight": torch.full((32,), 1.5)}
    head = written(tmp_path, {**head_for(tiny_backbone), **norm, f"{name}.up": up, f"{name}.down": down})
    before, after = load_file(tiny_backbone / "model.safetensors"), load_masked_lm(tiny_backbone, head).state_dict()
    expected = before[name.removeprefix("bert.")].double() + up.double() @ down.double()
    torch.testing.assert_close(after[name], expected.float(), atol=0, rtol=0)
    assert after["bert.encoder.layer.0.output.LayerNorm.weight"].eq(1.5).all()
    torch.testing.assert_close(
        after["cls.predictions.decoder.bias"], torch.arange(len(after["cls.predictions.bias"])) / 8
    )
    torch.testing.assert_close(after["cls.predictions.decoder.weight"], before["embeddings.word_embeddings.weight"])
    assert {value.dtype for value in after.values()} <= {torch.float32, torch.int64}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cls.predictions.bias": torch.zeros(7)}, "does not fit BertForMaskedLM: .*size mismatch"),
        ({"cls.nonesuch": torch.zeros(7)}, "tensor 'cls.nonesuch' that BertForMaskedLM lacks"),
        ({"bert.nonesuch.weight.up": torch.zeros(7, 1)}, "does not fit BertForMaskedLM"),
        ({"bert.encoder.layer.0.output.dense.weight.up": torch.zeros(32, 1)}, "does not fit BertForMaskedLM"),
    ],
)
def test_a_head_of_another_kind_is_refused(change, sentence, tiny_backbone, tmp_path):
    head = written(tmp_path, {**head_for(tiny_backbone), **change})
    with pytest.raises(IntegrityError, match=rf"(?s){sentence}"):
        load_masked_lm(tiny_backbone, head)


def test_a_head_without_all_its_parts_is_refused(tiny_backbone, tmp_path):
    tensors = head_for(tiny_backbone)
    del tensors["cls.predictions.transform.dense.bias"]
    with pytest.raises(UsageError, match=r"'cls\.predictions\.transform\.dense\.bias' is one of 1 missing weights"):
        load_masked_lm(tiny_backbone, written(tmp_path, tensors))


def test_the_packaged_head_is_the_pinned_file_and_small():
    minilm = Backbone("minilm", "artifact:minilm", "0", locate(NAME))
    path = packaged_head(minilm)
    assert path.stat().st_size == load_manifest()[NAME].size < 10_000_000
    assert head_fingerprints(minilm) == {NAME: resource_fingerprint(NAME)}
    assert set(load_file(path)) >= set(HEAD)


def test_other_backbones_have_no_packaged_head(own):
    other = Backbone("minilm", "folder:minilm", "0", own)
    assert packaged_head(other) is None
    assert head_fingerprints(other) == {}


@pytest.mark.resources
def test_minilm_with_its_head_keeps_its_words():
    backbone = resolve_backbone("minilm")
    network = load_masked_lm(backbone.path, packaged_head(backbone))
    table = load_file(backbone.path / "model.safetensors")["embeddings.word_embeddings.weight"]
    assert torch.equal(network.bert.embeddings.word_embeddings.weight, table)
    assert network.get_output_embeddings().weight is network.bert.embeddings.word_embeddings.weight


@pytest.fixture(scope="module")
def judged():
    """Tokenizer, texts to judge the packaged head by, and the content words by their frequency in its training text."""
    from transformers import AutoTokenizer

    from scripts.judge_masked_lm_head import JUDGED, content_by_frequency
    from scripts.masked_lm_texts import SOURCES, read_texts

    tokenizer = AutoTokenizer.from_pretrained(locate("minilm"))
    train, held_out = read_texts([source for source in SOURCES if source.name in JUDGED])
    return tokenizer, held_out, content_by_frequency(tokenizer, train["rt"] + train["nyt"])


@pytest.mark.slow
@pytest.mark.resources
@pytest.mark.parametrize("kind", ["rt", "nyt"])
def test_packaged_head_ranks_masked_words_of_unseen_text(judged, kind):
    """Far above what the words' frequencies give, let alone chance (10 of 30,522); measured in full in its README."""
    from scripts.judge_masked_lm_head import ask, frequency_ranks, head_ranks

    tokenizer, texts, by_frequency = judged
    backbone = resolve_backbone("minilm")
    asked = ask(tokenizer, texts[kind], 200)
    ranks = head_ranks(load_masked_lm(backbone.path, packaged_head(backbone)), asked)
    frequency = frequency_ranks(by_frequency, asked)
    assert np.mean(ranks <= 10) > 0.1
    assert np.mean(1 / ranks) > 2 * np.mean(1 / frequency)
