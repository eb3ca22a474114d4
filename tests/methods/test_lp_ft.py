"""LP-FT's linear probe against the optimality conditions of its objective, and its input to fine-tuning."""

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.models.classifier import Classifier
from benchmark.training import Context
from methods.lp_ft import LPFT, logistic_regression
from tests.models.test_classifier import tiny_network
from tests.support.plain_bert import embedding_layer, logits_from
from tests.support.steps import Setting
from tests.support.updates import batches_of, current, plain_loss

VARIANTS = ["paper", "released"]


def prepared(backbone: Path, variant: str, strength: float = 0.7) -> tuple[Setting, list]:
    s = Setting(backbone, LPFT(inverse_strength=strength, variant=variant))
    batches = batches_of(s, [6, 6, 6], seed=2)
    s.context = Context(s.model, s.context.recipe, 0, 2, lambda _purpose: iter(batches))
    return s, batches


def pooled(s: Setting, batches: list) -> tuple[np.ndarray, np.ndarray]:
    """The pooled outputs, read off plain logits of an identity head."""
    w = {**current(s), "network.classifier.weight": torch.eye(32).double(), "network.classifier.bias": torch.zeros(32)}
    rows = [logits_from(w, embedding_layer(w, b.tokens["input_ids"]), b.attention_mask, 2, 2) for b in batches]
    return torch.cat(rows).numpy(), torch.cat([b.targets() for b in batches]).numpy()


def test_the_installed_probe_is_the_optimum_and_nothing_else_moves(tiny_backbone: Path) -> None:
    s, batches = prepared(tiny_backbone, "paper")
    before = current(s)
    x, y = pooled(s, batches)
    s.method.setup(s.context)
    after = current(s)
    weight = after["network.classifier.weight"].numpy()
    z = x @ weight.T + after["network.classifier.bias"].numpy()
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    residual = p - np.eye(2)[y]
    # Where C * sum CE + |W|^2 / 2 is least, its gradient is zero.
    assert np.abs(0.7 * residual.T @ x + weight).max() < 1e-6
    assert np.abs(residual.sum(0)).max() < 1e-6
    assert np.abs(weight).max() > 1e-4
    assert all(torch.equal(before[n], after[n]) for n in before if not n.startswith("network.classifier"))
    assert s.model.training
    assert all(p.grad is None for p in s.model.parameters())


def test_the_probe_fits_and_the_released_one_starts_inverted(tiny_backbone: Path) -> None:
    right = []
    for variant in VARIANTS:
        s, batches = prepared(tiny_backbone, variant, strength=1e8)
        s.method.setup(s.context)
        with torch.no_grad():
            right.append(np.mean([float((s.model(b).argmax(-1) == b.targets()).double().mean()) for b in batches]))
    assert right[0] > 0.9
    assert right[1] < 0.1


def test_the_released_probe_is_the_fitted_one_with_its_classes_swapped(tiny_backbone: Path) -> None:
    paper, released = (prepared(tiny_backbone, variant)[0] for variant in VARIANTS)
    for s in (paper, released):
        s.method.setup(s.context)
    fitted, swapped = paper.model.output_layer, released.model.output_layer
    torch.testing.assert_close(swapped.weight, fitted.weight.flip(0), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(swapped.bias, fitted.bias.flip(0), rtol=1e-5, atol=1e-6)


def test_dropout_touches_the_features_of_the_released_probe_only(tiny_backbone: Path) -> None:
    for variant in VARIANTS:
        s, batches = prepared(tiny_backbone, variant)
        s.model.network.bert.embeddings.dropout.p = 0.5
        clean = pooled(s, batches)[0]
        got = s.method._features(s.context)[0].detach().numpy()
        assert np.allclose(got, clean) == (variant == "paper")


def test_three_classes_agree_with_scikit_learn() -> None:
    import sklearn.linear_model as sklearn

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 5)), rng.integers(0, 3, 90)
    theirs = sklearn.LogisticRegression(C=2.0, tol=1e-10, max_iter=5000).fit(x, y)
    weight, offset = logistic_regression(torch.tensor(x), torch.tensor(y), 3, 2.0)
    np.testing.assert_allclose(weight.numpy(), theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(
        (offset - offset.mean()).numpy(), theirs.intercept_ - theirs.intercept_.mean(), atol=1e-5
    )
    free, zero = logistic_regression(torch.tensor(x), torch.tensor(y), 3, 2.0, bias=False)
    assert not zero.any()
    theirs = sklearn.LogisticRegression(C=2.0, tol=1e-10, max_iter=5000, fit_intercept=False).fit(x, y)
    np.testing.assert_allclose(free.numpy(), theirs.coef_, atol=1e-5)


def test_the_probe_costs_one_forward_an_example_and_a_step_what_vanillas_does(tiny_backbone: Path) -> None:
    s, _ = prepared(tiny_backbone, "paper")
    s.method.setup(s.context)
    assert s.model.passes.counts() == {"forward": 18, "backward": 0, "input_backward": 0}
    assert s.passes() == {"forward": 1, "backward": 1, "input_backward": 0}
    assert s.run_backward() == pytest.approx(plain_loss(s.weights(), s.batch).item(), rel=1e-9)


@pytest.mark.parametrize(
    "family", ["albert", "bert", "deberta", "deberta-v2", "distilbert", "electra", "gpt2", "roberta", "xlnet"]
)
def test_every_familys_output_layer_maps_the_penultimate_features_to_the_logits(
    tiny_backbone: Path, family: str
) -> None:
    base = Classifier.from_pretrained(tiny_backbone, 2, 16)
    model = Classifier(tiny_network(family), base.tokenizer, 16).eval()
    batch = base.encode([("a good film",), ("the plot was very dull",)])
    batch.tokens.pop("token_type_ids") if family in {"distilbert", "gpt2"} else None
    features = model.penultimate(batch)
    assert features.shape == (2, 32)
    torch.testing.assert_close(model.output_layer(features), model(batch))
    assert not set(model.body.parameters()) & set(model.output_layer.parameters())
