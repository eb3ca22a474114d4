"""MVP's adversarial augmentation and its LP-FT: acmi-lab/mvp at be91f37.

src/utils/augmentations.py `pgd_attack`, called by src/models/model_wrapper.py; src/models/lpft.py with `linear_probe`
and `get_features_for_lpft` of src/utils/funcs.py.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from benchmark.training import Context
from methods.adv_embed import AdvEmbed
from methods.lp_ft import LPFT
from tests.methods.released.network import Network, Step, compare, summed
from tests.support.plain_bert import embedding_layer, logits_from
from tests.support.steps import Setting
from tests.support.updates import batches_of, current

SETTINGS = {"space": "words", "random_start": True, "clean": False, "variant": "released"}


def size(x: Tensor) -> Tensor:
    return x.flatten(1).norm(dim=1)[:, None, None]


@pytest.mark.parametrize(("norm", "steps", "epsilon"), [("l2", 1, 1.0), ("l2", 3, 0.6), ("l_inf", 2, 0.2)])
def test_the_attack_and_its_step(tiny_backbone: Path, norm: str, steps: int, epsilon: float) -> None:
    """The attack reads detached word vectors and calls loss.backward(): the other weights keep its gradients."""
    s = Setting(tiny_backbone, AdvEmbed(**SETTINGS, norm=norm, steps=steps, epsilon=epsilon, rate=1.5))

    def reference(net: Network) -> Step:
        fixed = net.words().detach()
        drawn = torch.rand(fixed.shape, dtype=torch.float64)
        if norm == "l2":
            delta = drawn * (2 * drawn - 1)
            delta = delta * epsilon / size(delta)
        else:
            delta = epsilon * (2 * drawn - 1)
        rate, parts, losses = 1.5 * epsilon / steps, [], []
        for _ in range(steps):
            delta = delta.detach().requires_grad_()
            loss = net.loss(net.logits(net.embed(fixed + delta)))
            (g,) = torch.autograd.grad(loss, delta, retain_graph=True)
            # The table of words gets no gradient here: the vectors were detached.
            named = {n: w for n, w in net.weights.items() if "word_embeddings" not in n}
            got = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
            parts.append({n: got.get(n, torch.zeros_like(w)) for n, w in net.weights.items()})
            losses.append(loss.item())
            if norm == "l2":
                delta = delta + rate * g / size(g)
                delta = delta * (epsilon / size(delta).clamp(min=epsilon))
            else:
                delta = (delta + rate * g.sign()).clamp(-epsilon, epsilon)
        loss = net.loss(net.logits(net.embed(delta.detach() + net.words())))
        parts.append(net.gradients(loss))
        return Step(loss.item() + sum(losses), summed(parts), (steps + 1, steps + 1, 0))

    compare(s, reference)


def probed(backbone: Path, classes: int = 2) -> tuple[Setting, list]:
    s = Setting(backbone, LPFT(inverse_strength=0.7, variant="released"))
    batches = batches_of(s, [6, 6, 6], seed=2)
    if classes > 2:
        s.model.network.classifier = torch.nn.Linear(32, classes).double()
        s.model.network.config.num_labels = classes
        batches = [replace(batch, labels=torch.arange(6) % classes) for batch in batches]
    s.context = Context(s.model, s.context.recipe, 0, 2, lambda _purpose: iter(batches))
    return s, batches


def multinomial(x: np.ndarray, y: np.ndarray, classes: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    """Least C * sum CE + |W|^2 / 2 from zero, biases unpenalised: scikit-learn's multi_class="multinomial"."""
    ones = np.hstack([x, np.ones((len(x), 1))])

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        w = flat.reshape(classes, -1)
        z = ones @ w.T
        log_p = z - np.logaddexp.reduce(z, axis=1, keepdims=True)
        loss = -strength * log_p[np.arange(len(y)), y].sum() + 0.5 * (w[:, :-1] ** 2).sum()
        g = strength * (np.exp(log_p) - np.eye(classes)[y]).T @ ones
        g[:, :-1] += w[:, :-1]
        return loss, g.ravel()

    start = np.zeros(classes * ones.shape[1])
    options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x.reshape(classes, -1)
    return found[:, :-1], found[:, -1]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_as_installed(tiny_backbone: Path, classes: int) -> None:
    """Of two classes scikit-learn keeps class 1's row w; the code writes w to class 0 and -w to class 1."""
    s, batches = probed(tiny_backbone, classes)
    w = current(s)
    w |= {"network.classifier.weight": torch.eye(32).double(), "network.classifier.bias": torch.zeros(32)}
    x = torch.cat([logits_from(w, embedding_layer(w, b.tokens["input_ids"]), b.attention_mask, 2, 2) for b in batches])
    y = torch.cat([b.targets() for b in batches]).numpy()
    weight, bias = multinomial(x.numpy(), y, classes, 0.7)
    if classes == 2:
        weight, bias = np.stack([weight[1], -weight[1]]), np.array([bias[1], -bias[1]])
    s.method.setup(s.context)
    np.testing.assert_allclose(s.model.output_layer.weight.detach(), weight, atol=1e-5)
    np.testing.assert_allclose(s.model.output_layer.bias.detach(), bias, atol=1e-5)


def test_features_are_read_with_the_bodys_dropout_and_without_the_heads(tiny_backbone: Path) -> None:
    s, _ = probed(tiny_backbone)
    modes: list[bool] = []
    s.model.network.dropout.register_forward_hook(lambda module, _i, _o: modes.append(module.training))
    embedding = s.model.network.bert.embeddings.dropout
    embedding.register_forward_hook(lambda module, _i, _o: modes.append(module.training))
    s.method.setup(s.context)
    assert modes == [True, False] * 3
    assert all(module.training for module in s.model.modules())
