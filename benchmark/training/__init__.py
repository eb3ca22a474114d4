"""The public training API: what a method may import, and the one loop that runs it."""

from benchmark.models.batch import Batch, Encoded
from benchmark.models.classifier import Classifier
from benchmark.schema.errors import UsageError
from benchmark.training.context import Context, MethodError, NonFiniteLossError
from benchmark.training.method import Method, Phase

__all__ = [
    "Batch",
    "Classifier",
    "Context",
    "Encoded",
    "Method",
    "MethodError",
    "NonFiniteLossError",
    "Phase",
    "UsageError",
]
