"""Sanity checks: classifiers that a useful method must beat. They are shown in a table of their own and never ranked.

`constant`, `random` and `bag-of-words` build a model without parameters, which `setup` fits to the whole training part;
such a model skips the recipe's epochs. Everything after training is the code that all methods share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from torch import Tensor

from benchmark.training import (
    Backbone,
    BagOfWordsClassifier,
    Batch,
    Classifier,
    ConstantClassifier,
    Context,
    Encoded,
    Example,
    Method,
    RandomClassifier,
    TextClassifier,
    TrainingTask,
)


@dataclass(kw_only=True, eq=False)
class TextBaseline(Method):
    """Base of the checks that read raw text."""

    classifier: ClassVar[type[TextClassifier]]

    def build_model(self, backbone: Backbone, task: TrainingTask) -> Classifier:
        """Build the classifier; the backbone is not used."""
        self._model = self.classifier(len(task.classes))
        return self._model

    def setup(self, ctx: Context) -> None:
        """Fit the classifier to the training part."""
        texts: list[tuple[str, ...]] = []
        labels: list[int] = []
        for batch in ctx.train_batches("fit"):
            texts += self._model.texts(batch)
            labels += batch.targets().tolist()
        self._model.fit(texts, labels, ctx.seed)


@dataclass(kw_only=True, eq=False)
class Constant(TextBaseline):
    """Always the largest class of the training part, with the shares of the classes as probabilities."""

    name: ClassVar[str] = "constant"
    classifier: ClassVar[type[TextClassifier]] = ConstantClassifier


@dataclass(kw_only=True, eq=False)
class Random(TextBaseline):
    """Random class probabilities for each text, from a hash of the text and the seed."""

    name: ClassVar[str] = "random"
    classifier: ClassVar[type[TextClassifier]] = RandomClassifier


@dataclass(kw_only=True, eq=False)
class BagOfWords(TextBaseline):
    """Logistic regression on TF-IDF of words, without pre-training (scikit-learn's defaults)."""

    name: ClassVar[str] = "bag-of-words"
    classifier: ClassVar[type[TextClassifier]] = BagOfWordsClassifier


_PLACE = "place"
"""Mark that holds an example's place in the training part, on each of its tokens."""


@dataclass(kw_only=True, eq=False)
class ShuffledLabels(Method):
    """Vanilla fine-tuning on shuffled labels of the training part.

    One permutation per seed holds for all epochs. The validation part, which selects the epoch, keeps its labels.
    """

    name: ClassVar[str] = "shuffled-labels"
    paper: ClassVar[str] = "Zhang et al., ICLR 2017"

    _labels: list[int] = field(default_factory=list, init=False)
    _shuffled: Tensor | None = field(default=None, init=False)

    def encode_example(self, model: Classifier, example: Example) -> Encoded:
        """Keep the label, and mark the tokens with the example's place."""
        encoded = super().encode_example(model, example)
        self._labels.append(0 if example.label is None else example.label)
        return {**encoded, _PLACE: [len(self._labels) - 1] * len(encoded["input_ids"])}

    def transform_batch(self, batch: Batch, ctx: Context) -> Batch:
        """Replace the labels by the shuffled ones."""
        if self._shuffled is None:
            self._shuffled = shuffled(self._labels, ctx.seed)
        # Padding is 0 and may be on either side.
        places = batch.marks[_PLACE].amax(dim=1)
        return replace(batch, labels=self._shuffled.to(places.device)[places])


def shuffled(labels: Sequence[int], seed: int) -> Tensor:
    """Return a random permutation of labels, int64."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    return torch.tensor(labels)[order]
