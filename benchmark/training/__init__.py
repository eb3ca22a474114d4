"""Public training API: the names that a method may import, and the training loop."""

from benchmark.data import Example
from benchmark.models.backbones import Backbone
from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.models.feedforward import editing_feedforward, require_feedforward
from benchmark.models.text_classifiers import (
    BagOfWordsClassifier,
    ConstantClassifier,
    RandomClassifier,
    TextClassifier,
)
from benchmark.schema.errors import UsageError
from benchmark.suites import Recipe, TrainingTask
from benchmark.training.context import Context, MethodError, NonFiniteLossError
from benchmark.training.method import Method, Phase
from benchmark.training.search import Search
from benchmark.training.trial_average import Judge, TrialAverage

__all__ = [
    "Backbone",
    "BagOfWordsClassifier",
    "Batch",
    "Classifier",
    "ConstantClassifier",
    "Context",
    "Encoded",
    "Example",
    "Judge",
    "Method",
    "MethodError",
    "NonFiniteLossError",
    "Phase",
    "RandomClassifier",
    "Recipe",
    "Search",
    "TextClassifier",
    "TrainingTask",
    "TrialAverage",
    "UsageError",
    "editing_feedforward",
    "require_feedforward",
]
