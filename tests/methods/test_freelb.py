"""FreeLB's and FreeLB++'s step against their equations."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.schema.errors import UsageError
from benchmark.training import Method
from methods.freelb import FreeLB
from methods.freelb_pp import FreeLBPlusPlus
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting, accumulation_gap, check_run, check_step
from tests.support.updates import split_and_whole

VARIANTS = ["paper", "released"]


def expected_loss(
    s: Setting, w: Weights, steps: int, rate: float, start: float, radius: float, norm: str, clean: bool
) -> Tensor:
    """Section 2.8 of the method's description: the mean of the losses of the passes."""
    words = word_vectors(w, s.ids)
    real = s.batch.attention_mask.double()[..., None]
    delta = (2 * torch.rand(words.shape, dtype=torch.float64) - 1) * real * start
    if norm == "l2":
        delta = delta / (real.sum((1, 2)) * 32).sqrt()[:, None, None]
    points = [torch.zeros_like(delta)] if clean else []
    for _ in range(steps):
        points.append(delta.detach())
        moving = delta.detach().requires_grad_()
        z = logits_from(w, embedding_layer_from(w, words + moving), s.mask, 2, 2)
        (g,) = torch.autograd.grad(cross_entropy(z, s.labels), moving, retain_graph=True)
        if norm == "l2":
            delta = delta + rate * g / (g**2).sum((1, 2), keepdim=True).sqrt()
            size = (delta**2).sum((1, 2), keepdim=True).sqrt()
            delta = torch.where(size > radius, delta * radius / size, delta) if radius > 0 else delta
        else:
            delta = delta + rate * g / g.abs().amax((1, 2), keepdim=True)
            delta = delta.clamp(-radius, radius) if radius > 0 else delta
    losses = [cross_entropy(logits_from(w, embedding_layer_from(w, words + p), s.mask, 2, 2), s.labels) for p in points]
    return torch.stack(losses).mean()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("norm", ["l2", "l_inf"])
@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_one_step_of_freelb(tiny_backbone: Path, variant: str, norm: str, radius: float) -> None:
    s = Setting(tiny_backbone, FreeLB(steps=3, rate=0.4, start=0.3, radius=radius, norm=norm, variant=variant))
    check_step(s, lambda w: expected_loss(s, w, 3, 0.4, 0.3, radius, norm, variant == "released"))


def test_one_step_of_freelb_pp(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, FreeLBPlusPlus())
    check_step(s, lambda w: expected_loss(s, w, 5, 0.03, 0.05, 0.0, "l2", False))


@pytest.mark.parametrize(("variant", "same"), [("paper", True), ("released", False)])
def test_the_passes_share_their_dropout_only_in_the_paper(tiny_backbone: Path, variant: str, same: bool) -> None:
    s = Setting(tiny_backbone, FreeLB(steps=2, variant=variant))
    dropout = s.model.network.bert.encoder.layer[0].output.dropout
    dropout.p = 0.5
    seen: list[Tensor] = []
    dropout.register_forward_hook(lambda _m, _i, out: seen.append(out == 0))
    s.run_backward()
    assert all(torch.equal(seen[0], other) for other in seen[1:]) is same


@pytest.mark.parametrize(("method", "passes"), [(FreeLB(), 2), (FreeLB(variant="released"), 3), (FreeLBPlusPlus(), 5)])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, method: object, passes: int) -> None:
    assert Setting(tiny_backbone, method).passes() == {"forward": passes, "backward": passes, "input_backward": 0}


@pytest.mark.parametrize("make", [FreeLB, lambda: FreeLB(variant="released"), lambda: FreeLBPlusPlus(steps=2)])
def test_runs_repeat_and_resume(tiny_backbone: Path, tmp_path: Path, make: type) -> None:
    check_run(make, tiny_backbone, tmp_path)


@pytest.mark.parametrize("make", [FreeLB, lambda **own: FreeLB(variant="released", **own), FreeLBPlusPlus])
def test_accumulating_changes_nothing_but_the_random_starts(
    make: Callable[..., Method], tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert split_and_whole(lambda: make(start=0.0), tiny_backbone, lambda _s: None) < 1e-9
    assert accumulation_gap(lambda: make(start=0.0), tiny_backbone, tmp_path) < 2e-6
    assert split_and_whole(lambda: make(start=1.0), tiny_backbone, lambda _s: None) > 1e-5

    def of_the_words(embeds: Tensor, mask: Tensor, magnitude: float, _norm: str) -> Tensor:
        return magnitude * embeds.sin() * mask.unsqueeze(-1)

    monkeypatch.setattr("benchmark.training.toolbox.free.masked_start", of_the_words)
    assert split_and_whole(lambda: make(start=1.0), tiny_backbone, lambda _s: None) < 1e-9


@pytest.mark.parametrize(
    "bad", [{"steps": 0}, {"rate": 0.0}, {"start": -1.0}, {"radius": -1.0}, {"norm": "l1"}, {"variant": "x"}]
)
def test_bad_hyperparameters_are_refused(bad: dict) -> None:
    with pytest.raises(UsageError, match="freelb"):
        FreeLB(**bad)
    if "variant" not in bad:
        with pytest.raises(UsageError, match="freelb_pp"):
            FreeLBPlusPlus(**bad)
