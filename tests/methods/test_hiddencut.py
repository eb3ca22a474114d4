"""HiddenCut's step against its equations, and its spans on every family."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.training import Backbone, Classifier, MethodError, TrainingTask
from methods.hiddencut import HiddenCut, attended_span
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting, check_step
from tests.support.tiny import trainer

VARIANTS = ["paper", "released"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step(tiny_backbone: Path, variant: str) -> None:
    settings = {"ratio": 0.4, "top": 0.5, "ce_weight": 0.7, "js_weight": 3.0}
    s = Setting(tiny_backbone, HiddenCut(**settings, variant=variant))
    lengths = s.mask.sum(1).tolist()

    def cut(output: Tensor, attention: Tensor) -> Tensor:
        draws = torch.rand(len(lengths)).tolist()
        rows = []
        for row, (n, draw) in enumerate(zip(lengths, draws, strict=True)):
            paying = attention[row] if variant == "released" else attention[row, :, :n]
            received = paying.sum((0, 1))[:n]
            best = sorted(range(n), key=lambda i, r=received: -r[i].item())[: max(1, int(0.5 * n))]
            start = best[int(draw * len(best))]
            keep = torch.ones(output.shape[1], 1, dtype=torch.float64)
            keep[start : min(n, start + max(1, int(0.4 * n)))] = 0
            rows.append(output[row] * keep)
        return torch.stack(rows)

    def expected(w: Weights) -> Tensor:
        z, z_cut = (logits_from(w, embedding_layer(w, s.ids), s.mask, 2, 2, edit=edit) for edit in (None, cut))
        p, q = z.softmax(-1), z_cut.softmax(-1)
        m = (p + q) / 2
        if variant == "released":
            js = 0.5 * ((m * (m / p).log()).sum(-1) + (m * (m / q).log()).sum(-1)).mean()
        else:
            js = 0.5 * ((p * (p / m).log()).sum(-1) + (q * (q / m).log()).sum(-1)).mean()
        return cross_entropy(z, s.labels) + 0.7 * cross_entropy(z_cut, s.labels) + 3.0 * js

    check_step(s, expected)


def test_spans_start_at_attended_tokens_and_stay_in_the_text() -> None:
    torch.manual_seed(0)
    mask = torch.tensor([[1] * 10 + [0] * 2, [0] * 2 + [1] * 10]).repeat(500, 1)
    attention = torch.rand(1000, 2, 12, 12)
    attention[:, :, :, 9] += 9
    attention[:, :, :, 5] += 8
    cut = attended_span(attention, mask, ratio=0.3, top=0.2)
    assert not cut[mask == 0].any()
    starts = cut.int().argmax(1)
    assert set(starts.tolist()) == {5, 9}
    assert 400 < (starts == 5).sum() < 600
    assert set(cut[starts == 5].sum(1).tolist()) == {3}
    assert set(cut[0::2][starts[0::2] == 9].sum(1).tolist()) == {1}
    assert set(cut[1::2][starts[1::2] == 9].sum(1).tolist()) == {3}


@pytest.mark.parametrize(("padding_attends", "start"), [(False, 0), (True, 2)])
def test_the_attention_that_padding_pays_counts_only_where_asked(padding_attends: bool, start: int) -> None:
    attention = torch.zeros(1, 1, 4, 4)
    attention[0, 0, :3, 0] = 1.0  # the three real tokens attend the first one
    attention[0, 0, 3, 2] = 9.0  # padding attends the third
    mask = torch.tensor([[1, 1, 1, 0]])
    cut = attended_span(attention, mask, ratio=0.1, top=0.1, padding_attends=padding_attends)
    assert cut.nonzero().tolist() == [[0, start]]


def test_the_cut_stands_in_for_the_dropout_of_the_feed_forward_layer_only(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, HiddenCut(ratio=1.0))
    block = s.model.network.bert.encoder.layer[1]
    block.output.dropout.p = 0.5
    seen: list[Tensor] = []
    block.output.LayerNorm.register_forward_pre_hook(lambda _m, inputs: seen.append(inputs[0].clone()))
    block.attention.output.LayerNorm.register_forward_hook(lambda _m, _i, out: seen.append(out.clone()))
    s.run_backward()
    attended, joined = seen[2], seen[3]
    lost = (joined == attended).all(-1)
    # A span that starts at the text's last token cuts one, one that starts at its first cuts all.
    assert (lost.sum(1) >= 1).all()
    assert not ((joined == attended) & ~lost.unsqueeze(-1)).any()


def test_passes_are_those_of_the_cost_table_and_nothing_stays_behind(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, HiddenCut())
    before = s.model.network.config._attn_implementation
    assert s.passes() == {"forward": 2, "backward": 2, "input_backward": 0}
    assert s.model.network.config._attn_implementation == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in s.model.modules())


def test_a_family_whose_layers_are_not_known_is_told_before_the_first_step(tiny_backbone: Path, tmp_path: Path) -> None:
    """ERNIE is laid out like BERT, so other methods train it without a row of its own."""
    method, steps = HiddenCut(), []
    build = method.build_model

    def build_model(backbone: Backbone, task: TrainingTask) -> Classifier:
        model = build(backbone, task)
        model.network.config.model_type = "ernie"
        return model

    method.build_model = build_model  # type: ignore[method-assign]
    run = trainer(method, tiny_backbone, tmp_path)
    run.report = lambda done, _total: steps.append(done)
    with pytest.raises(MethodError) as caught:
        run.run()
    assert not steps
    assert str(caught.value).startswith(
        "Method 'hiddencut', setup: The feed-forward layers of model family 'ernie' are unknown. Add "
        "`attention` and `feedforward` to its row in benchmark/models/architectures.py."
    )
