"""Tests of decoders: padding, a padding token that is also a real one, and the library's own classes next to ours."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from benchmark.models.architectures import ARCHITECTURES
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, padded_rows
from benchmark.models.classifier import Classifier
from benchmark.models.prompt import Prompt
from benchmark.models.prompt_classifier import PromptClassifier
from benchmark.schema.errors import UsageError
from tests.models.test_classifier import tiny_network
from tests.support.prompts import write_family

DECODERS = sorted(family for family, row in ARCHITECTURES.items() if row.causal)
SCALED = sorted(family for family, row in ARCHITECTURES.items() if row.scaled_words)
END = 3
"""The end-of-text token, which is also the padding token."""
TEXTS = [[5, 9, 30], [END], [7, END, 11, 8, 25, END], [12, 6, END, END], [14]]


def decoder(family: str) -> Classifier:
    """Return a tiny decoder whose configuration pads with the end-of-text token.

    It is in float32, since the library computes rotations, norms and some softmaxes in it whatever the weights' type.
    """
    network: Any = tiny_network(family)
    network.config.pad_token_id = END
    with torch.no_grad():
        # Larger weights, so that every position matters.
        for parameter in network.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
    return Classifier(network, None, 16).eval()


def padded(texts: list[list[int]], side: str) -> Batch:
    mask = padded_rows([[1] * len(text) for text in texts], side)
    return Batch({"input_ids": padded_rows(texts, side).where(mask > 0, END), "attention_mask": mask})


def by_hand(model: Classifier, text: list[int]) -> Tensor:
    """Compute a text's logits without padding, mask or pooling: the head on the last token of the body."""
    network: Any = model.network
    return network.score(network.base_model(input_ids=torch.tensor([text])).last_hidden_state[0, -1])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("family", DECODERS)
def test_padding_and_batch_change_no_logit_though_padding_is_the_end_of_text(family: str, side: str) -> None:
    model = decoder(family)
    with torch.inference_mode():
        together = model(padded(TEXTS, side))
        for row, text in enumerate(TEXTS):
            torch.testing.assert_close(model(padded([text], side))[0], together[row], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(by_hand(model, text), together[row], atol=1e-4, rtol=1e-4)
    assert (together[0] - together[4]).abs().max() > 1e-2


@pytest.mark.parametrize("family", DECODERS)
def test_logits_are_those_of_the_librarys_class_where_no_text_ends_in_padding(family: str) -> None:
    model = decoder(family)
    batch = padded([text for text in TEXTS if text[-1] != END], "right")
    with torch.inference_mode():
        torch.testing.assert_close(model(batch), model.network(**batch.tokens).logits, atol=1e-4, rtol=1e-4)
        # It reads another token where a text ends in the token that also pads.
        batch = padded([TEXTS[2]], "right")
        assert (model(batch) - model.network(**batch.tokens).logits).abs().max() > 1e-2


@pytest.mark.parametrize("family", DECODERS)
def test_end_of_text_inside_a_text_learns_and_padding_does_not(family: str) -> None:
    model = decoder(family)
    with_end, without = padded([[5, END, 9, 8]], "right"), padded([[5, 9, 8], [4]], "right")
    for batch, learns in ((with_end, True), (without, False)):
        model.zero_grad()
        model(batch).square().sum().backward()
        table: Any = getattr(model.body, "embed_tokens", None) or model.body.wte
        assert (table.weight.grad[END].abs().max() > 0) == learns


@pytest.mark.parametrize("family", SCALED)
def test_embeddings_are_scaled_words_and_words_are_rows_of_the_table(family: str) -> None:
    model, batch = decoder(family), padded(TEXTS, "right")
    words, embeds, logits = model.embed_words(batch), model.embed(batch), model(batch)
    torch.testing.assert_close(words, model.word_table[batch.tokens["input_ids"]])
    torch.testing.assert_close(embeds, words * 32**0.5, rtol=1e-5, atol=1e-6)
    seen: list[Tensor] = []
    hook = model.blocks[0].register_forward_pre_hook(
        lambda _m, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    model(batch)
    hook.remove()
    torch.testing.assert_close(seen[0], embeds, rtol=1e-5, atol=1e-6)
    for named in ({"embeds": 2 * embeds}, {"words": 2 * words}):
        doubled = model(batch, **named)
        assert (doubled - logits).abs().max() > 1e-3
        torch.testing.assert_close(doubled, model(batch, words=2 * words), rtol=1e-4, atol=1e-4)


def test_mean_of_modernbert_is_that_of_its_tokens() -> None:
    network: Any = tiny_network("modernbert")
    network.config.classifier_pooling = "mean"
    model = Classifier(network, None, 16).double().eval()
    batch = padded([[5, 9, 30], [7, 11]], "right")
    hidden = network.base_model(**batch.tokens).last_hidden_state
    torch.testing.assert_close(model.features(batch)[1], hidden[1, :2].mean(0))
    assert not model.reads_first_token
    torch.testing.assert_close(model(batch)[1], model(padded([[7, 11]], "right"))[0])
    torch.testing.assert_close(network.classifier(network.head(model.features(batch))), model(batch))


def test_a_decoder_without_its_output_layer_cannot_be_prompted(tmp_path: Path) -> None:
    folder = write_family(tmp_path, "llama", tmp_path)
    tiny_network("llama").base_model.save_pretrained(folder)
    prompt = Prompt.of([{"back": "it was [MASK]"}], [("n", ["bad"]), ("p", ["good"])])
    with pytest.raises(UsageError, match=r"is not a language model: its checkpoint has no 'lm_head\.weight'"):
        PromptClassifier.from_backbone(Backbone("b", "folder:b", "0", folder), prompt, 24)
