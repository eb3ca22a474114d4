"""ROSE's masks and masked updates against their equations, in all three forms."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark.training import Context
from methods.rose import Rose, RoseEnsemble, RoseFirst, RoseSecond, within_quantiles
from tests.support.plain_bert import Weights, cross_entropy, embedding_layer, logits_from
from tests.support.steps import Setting
from tests.support.tiny import trainer
from tests.support.updates import (
    BETA1,
    BETA2,
    DECAY,
    EPSILON,
    RATE,
    Different,
    assert_equal,
    batches_of,
    current,
    decayed,
    gradients,
    in_blocks,
    one_step,
    quantile,
    split_and_whole,
    start,
)

FORMS: list[Callable[[], Rose]] = [
    lambda: RoseFirst(upper=0.6),
    lambda: RoseSecond(upper=0.6),
    lambda: RoseEnsemble(upper=0.6, gamma=0.3),
    lambda: RoseFirst(lower=0.3, upper=0.8),
]


def different(s: Setting) -> None:
    s.model.network.dropout = Different()


def two_passes(w: Weights, batch) -> tuple[Tensor, Tensor]:
    """Logits of the two passes of `Different`; of the second only the pooled output is doubled."""
    first = logits_from(w, embedding_layer(w, batch.tokens["input_ids"]), batch.attention_mask, 2, 2)
    bias = w["network.classifier.bias"]
    return first, 2 * (first - bias) + bias


def task_loss(method: Rose, w: Weights, batch) -> Tensor:
    first, second = two_passes(w, batch)
    if isinstance(method, RoseSecond):
        return cross_entropy(first, batch.targets())
    return (cross_entropy(first, batch.targets()) + cross_entropy(second, batch.targets())) / 2


def divergence(w: Weights, batch) -> Tensor:
    p, q = (z.softmax(-1) for z in two_passes(w, batch))
    return ((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 4


def between(scores: dict[str, float], method: Rose) -> dict[str, float]:
    low, high = (quantile(list(scores.values()), q) for q in (method.lower, method.upper))
    return {name: float(low <= score <= high) for name, score in scores.items()}


def expected_masks(method: Rose, w: Weights, batch, g: Weights, m: Weights, step: int) -> dict[str, float]:
    names = [name for name in w if in_blocks(name) and name.endswith("weight")]
    sensitivity = gradients(lambda v: divergence(v, batch), w)
    first = between({n: sensitivity[n].norm().item() for n in names}, method)
    second = dict.fromkeys(names, 1.0)
    if step > 0:
        second = between({n: abs((0.1 * g[n].norm() / m[n].norm()).item() - 1) for n in names}, method)
    if isinstance(method, RoseEnsemble):
        return {n: (1 - method.gamma) * second[n] + method.gamma * first[n] for n in names}
    return first if isinstance(method, RoseFirst) else second


@pytest.mark.parametrize("make", FORMS)
def test_four_steps(tiny_backbone: Path, make: Callable[[], Rose]) -> None:
    s = Setting(tiny_backbone, make())
    if not isinstance(s.method, RoseSecond):
        different(s)
    start(s)
    w = current(s)
    m, v = ({name: torch.zeros_like(value) for name, value in w.items()} for _ in range(2))
    met: set[float] = set()
    for t, batch in enumerate(batches_of(s, [5] * 4)):
        g = gradients(lambda leaves, batch=batch: task_loss(s.method, leaves, batch), w)
        masks = expected_masks(s.method, w, batch, g, m, t)
        before = current(s)
        one_step(s, [batch])
        assert s.context.take_loss() == pytest.approx(task_loss(s.method, w, batch).item(), rel=1e-9)
        got = current(s)
        for name in w:
            k = masks.get(name, 1.0)
            mixed = k * g[name] + (1 - k) * m[name]
            m[name] = BETA1 * m[name] + (1 - BETA1) * mixed
            v[name] = BETA2 * v[name] + (1 - BETA2) * mixed**2
            m_hat, v_hat = m[name] / (1 - BETA1 ** (t + 1)), v[name] / (1 - BETA2 ** (t + 1))
            step = RATE * m_hat / (v_hat.sqrt() + EPSILON) + RATE * DECAY * decayed(name) * w[name]
            if k == 0:
                assert torch.equal(got[name], before[name]), name
            w[name] = w[name] - k * step
        met |= set(masks.values())
        assert_equal(got, w, rtol=1e-6, atol=1e-8)
        for name, parameter in s.model.named_parameters():
            state = s.context.optimizer.state[parameter]
            assert_equal({"m": state["exp_avg"], "v": state["exp_avg_sq"]}, {"m": m[name], "v": v[name]}, atol=1e-13)
    assert len(met) >= 2  # some tensors were held and some were not
    assert max(met) == 1.0


@pytest.mark.parametrize("make", FORMS)
def test_only_weights_of_the_blocks_are_ever_held(tiny_backbone: Path, make: Callable[[], Rose]) -> None:
    s = Setting(tiny_backbone, make())
    different(s)
    start(s)
    for batch in batches_of(s, [5] * 3):
        one_step(s, [batch])
        held = {p for p, factor in s.method._optimizer.factors.items() if factor < 1}
        names = {name for name, p in s.model.named_parameters() if p in held}
        assert all(in_blocks(name) and name.endswith("weight") for name in names)


def test_the_divergence_selects_and_trains_nothing(tiny_backbone: Path) -> None:
    """With every tensor kept, ROSE-First has exactly the gradient of its cross-entropies."""
    s = Setting(tiny_backbone, RoseFirst(upper=1.0))
    different(s)
    start(s)
    w = s.weights()
    assert_equal(one_step(s, [s.batch]), gradients(lambda leaves: task_loss(s.method, leaves, s.batch), w))


@pytest.mark.parametrize(("make", "forward", "backward"), [(RoseFirst, 2, 4), (RoseSecond, 1, 1), (RoseEnsemble, 2, 4)])
def test_passes_are_those_of_the_cost_table(tiny_backbone: Path, make, forward: int, backward: int) -> None:
    passes = Setting(tiny_backbone, make()).passes()
    assert passes == {"forward": forward, "backward": backward, "input_backward": 0}


@pytest.mark.parametrize("make", FORMS)
def test_accumulating_changes_nothing_since_masks_are_the_windows(
    tiny_backbone: Path, make: Callable[[], Rose]
) -> None:
    prepare = different if isinstance(make(), RoseFirst) else lambda _s: None
    assert split_and_whole(make, tiny_backbone, prepare) < 1e-9


def test_a_windows_sensitivity_is_the_gradient_of_its_summed_divergence(tiny_backbone: Path) -> None:
    s = Setting(tiny_backbone, RoseFirst())
    different(s)
    start(s)
    parts = batches_of(s, [4, 4])
    s.context.start_window([4, 4])
    for part in parts:
        s.method.backward(s.model, part, s.context)
    want = gradients(lambda w: divergence(w, parts[0]) + divergence(w, parts[1]), s.weights())
    names = {p: name for name, p in s.model.named_parameters()}
    assert list(s.method._sensitivity) == s.context.block_parameters(biases=False)
    for p, got in s.method._sensitivity.items():
        torch.testing.assert_close(got, want[names[p]], rtol=1e-7, atol=1e-11)


def test_quantiles_are_inclusive_at_both_ends() -> None:
    values = torch.tensor([3.0, 1.0, 2.0, 5.0, 4.0])
    assert within_quantiles(values, 0.0, 0.5).tolist() == [True, True, True, False, False]
    assert within_quantiles(values, 0.25, 1.0).tolist() == [True, False, True, True, True]
    assert within_quantiles(values, 0.0, 1.0).all()


@pytest.mark.parametrize("make", FORMS)
def test_nothing_is_held_while_the_learning_rate_warms_up(
    tiny_backbone: Path, tmp_path: Path, make: Callable[[], Rose]
) -> None:
    """In the released optimizer a tensor's mask is ones up to and including its step number `num_warmup_steps`."""
    method = make()
    held: list[bool] = []
    keep = method.transform_gradients

    def watched(parameters: Sequence[torch.nn.Parameter], ctx: Context) -> None:
        keep(parameters, ctx)
        held.append(any(factor < 1 for factor in method._optimizer.factors.values()))

    method.transform_gradients = watched  # type: ignore[method-assign]
    run = trainer(method, tiny_backbone, tmp_path, epochs=2, warmup=0.4)
    run.run()
    warm = int(0.4 * len(held))
    assert warm > 1
    assert held == [False] * warm + [True] * (len(held) - warm)
