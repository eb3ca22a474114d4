"""FreeLB's and FreeLB++'s step against their equations."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.models.batch import Batch
from benchmark.training import Method
from methods.freelb import FreeLB
from methods.freelb_pp import FreeLBPlusPlus
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer_from, logits_from, word_vectors
from tests.support.steps import Setting, accumulation_gap, check_step
from tests.support.updates import split_and_whole

VARIANTS = ["paper", "released"]


def loss_of(s: Setting, w: Weights, words: Tensor) -> Tensor:
    return cross_entropy(logits_from(w, embedding_layer_from(w, words), s.mask, 2, 2), s.labels)


def random_start(s: Setting, start: float, norm: str) -> Tensor:
    """Equal in all three codes: uniform off padding, over the root of the sequence's entries for l2."""
    real = s.batch.attention_mask.double()[..., None]
    delta = (2 * torch.rand((*s.ids.shape, 32), dtype=torch.float64) - 1) * real * start
    return delta / (real.sum((1, 2)) * 32).sqrt()[:, None, None] if norm == "l2" else delta


def climb(delta: Tensor, g: Tensor, rate: float, radius: float, norm: str) -> Tensor:
    """One move of one sequence's perturbation and its way back, sequence by sequence."""
    moved = []
    for before, slope in zip(delta, g, strict=True):
        d = before + rate * slope / (slope.norm() if norm == "l2" else slope.abs().max())
        if radius > 0 and norm == "l2" and d.norm() > radius:
            d = d * (radius / d.norm())
        if radius > 0 and norm == "l_inf":
            d = d.clamp(-radius, radius)
        moved.append(d)
    return torch.stack(moved)


def slope_at(s: Setting, w: Weights, delta: Tensor) -> Tensor:
    point = delta.clone().requires_grad_()
    return torch.autograd.grad(loss_of(s, w, word_vectors(w, s.ids).detach() + point), point)[0]


def algorithm_1(
    s: Setting, w: Weights, steps: int, rate: float, start: float, radius: float, norm: str
) -> tuple[Tensor, list[Tensor]]:
    """The paper's: K times, add the loss at the point and then move it, the last move unused."""
    delta, points = random_start(s, start, norm), []
    for _ in range(steps):
        points.append(delta)
        delta = climb(delta, slope_at(s, w, delta), rate, radius, norm)
    return sum(loss_of(s, w, word_vectors(w, s.ids) + d) / steps for d in points), points


def fairseq_step(
    s: Setting, w: Weights, steps: int, rate: float, start: float, radius: float, norm: str
) -> tuple[Tensor, list[Tensor]]:
    """`freelb_train_step`: a pass at the random start; then K times move and pass. Each pass weighs 1 / (1 + K)."""
    delta = random_start(s, start, norm)
    points = [delta]
    total = loss_of(s, w, word_vectors(w, s.ids) + delta) / (1 + steps)
    for _ in range(steps):
        delta = climb(delta, slope_at(s, w, delta), rate, radius, norm)
        points.append(delta)
        total = total + loss_of(s, w, word_vectors(w, s.ids) + delta) / (1 + steps)
    return total, points


LOOPS = {"paper": algorithm_1, "released": fairseq_step}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("norm", ["l2", "l_inf"])
@pytest.mark.parametrize("radius", [0.0, 0.5])
def test_one_step_of_freelb(tiny_backbone: Path, variant: str, norm: str, radius: float) -> None:
    s = Setting(tiny_backbone, FreeLB(steps=3, rate=0.4, start=0.3, radius=radius, norm=norm, variant=variant))
    check_step(s, lambda w: LOOPS[variant](s, w, 3, 0.4, 0.3, radius, norm)[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_freelb_with_its_defaults(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, FreeLB(variant=variant))
    check_step(s, lambda w: LOOPS[variant](s, w, 2, 0.1, 1.0, 0.6, "l2")[0])


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_step_of_freelb_pp(tiny_backbone: Path, variant: str) -> None:
    s = Setting(tiny_backbone, FreeLBPlusPlus(variant=variant))
    check_step(s, lambda w: algorithm_1(s, w, 5, 0.03, 0.05, 0.0, "l2")[0])


@pytest.mark.parametrize(("variant", "expected"), [("paper", [0.0, 0.4]), ("released", [0.0, 0.4, 0.6])])
def test_how_far_each_pass_is_from_the_input(tiny_backbone: Path, variant: str, expected: list[float]) -> None:
    """From a zero start: no pass of the fairseq code but the first is clean, and the last one is K moves away."""
    s = Setting(tiny_backbone, FreeLB(steps=2, rate=0.4, start=0.0, radius=0.6, variant=variant))
    clean, seen = s.model.embed_words(s.batch).detach(), []
    forward = s.model.forward

    def watched(batch: Batch, **inputs: Tensor) -> Tensor:
        seen.append((inputs["words"].detach() - clean).flatten(1).norm(dim=1))
        return forward(batch, **inputs)

    s.model.forward = watched  # type: ignore[method-assign]
    s.run_backward()
    assert len(seen) == len(expected)
    for norms, want in zip(seen, expected, strict=True):
        assert norms.max().item() == pytest.approx(want, abs=1e-9)


@pytest.mark.parametrize(
    ("method", "same"),
    [
        (FreeLB(), True),
        (FreeLB(variant="released"), True),
        (FreeLBPlusPlus(), True),
        (FreeLBPlusPlus(variant="released"), False),
    ],
)
def test_the_passes_share_their_dropout_but_in_textdefender(tiny_backbone: Path, method: Method, same: bool) -> None:
    s = Setting(tiny_backbone, method)
    dropout = s.model.network.bert.encoder.layer[0].output.dropout
    dropout.p = 0.5
    seen: list[Tensor] = []
    dropout.register_forward_hook(lambda _m, _i, out: seen.append(out == 0))
    s.run_backward()
    assert all(torch.equal(seen[0], other) for other in seen[1:]) is same


@pytest.mark.parametrize(("method", "passes"), [(FreeLB(), 2), (FreeLB(variant="released"), 3), (FreeLBPlusPlus(), 5)])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, method: object, passes: int) -> None:
    assert Setting(tiny_backbone, method).passes() == {"forward": passes, "backward": passes, "input_backward": 0}


@pytest.mark.parametrize("make", [FreeLB, lambda **own: FreeLB(variant="released", **own), FreeLBPlusPlus])
def test_accumulating_changes_nothing_but_the_random_starts(
    make: Callable[..., Method], tiny_backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert split_and_whole(lambda: make(start=0.0), tiny_backbone, lambda _s: None) < 1e-9
    assert accumulation_gap(lambda: make(start=0.0), tiny_backbone, tmp_path) < 2e-6
    assert split_and_whole(lambda: make(start=1.0), tiny_backbone, lambda _s: None) > 1e-5

    def of_the_words(embeds: Tensor, mask: Tensor, magnitude: float, _norm: str) -> Tensor:
        return magnitude * embeds.sin() * mask.unsqueeze(-1)

    monkeypatch.setattr("methods.freelb.masked_start", of_the_words)
    assert split_and_whole(lambda: make(start=1.0), tiny_backbone, lambda _s: None) < 1e-9
