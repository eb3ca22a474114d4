"""A victim in seconds: an encoder whose output layer alone is fitted."""

from collections.abc import Sequence

import torch
from sklearn.linear_model import LogisticRegression

from benchmark.models.classifier import Classifier


@torch.no_grad()
def fit_output_layer(model: Classifier, texts: Sequence[str], labels: Sequence[int]) -> Classifier:
    """Fit a two-class model's output layer to labelled texts by a logistic regression on standardised features."""
    model.eval()
    batches = [model.encode([(text,) for text in texts[start : start + 32]]) for start in range(0, len(texts), 32)]
    features = torch.cat([model.penultimate(batch) for batch in batches]).numpy()
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    probe = LogisticRegression(max_iter=500).fit((features - mean) / spread, labels)
    weight = torch.tensor(probe.coef_ / spread, dtype=torch.float32) / 2
    bias = float(probe.intercept_[0] - (probe.coef_[0] / spread) @ mean) / 2
    model.output_layer.weight.copy_(torch.cat([-weight, weight]))
    model.output_layer.bias.copy_(torch.tensor([-bias, bias]))
    return model
