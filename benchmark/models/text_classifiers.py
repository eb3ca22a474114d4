"""Classifiers of raw text without a network: a constant, random numbers, and a bag of words.

They have the interface that prediction, attacks and inspection use, so their tables come from the same code as those of
a fine-tuned encoder. Only two places treat them differently: training has no epochs for a model without parameters, and
inspection has no input gradients for a model without embeddings.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file
from torch import Tensor, nn

from benchmark.models.batch import Batch, Encoded, padded_rows
from benchmark.models.classifier import Classifier
from benchmark.models.pass_counter import Passes

KIND = "temper_text_classifier"
"""Key of config.json that names the class."""

_WEIGHTS, _WORDS = "model.safetensors", "vocabulary.json"

Text = tuple[str, ...]
"""The one or two texts of an example."""


class TextClassifier(Classifier):
    """A classifier that computes logits from whole texts, in float64 and on the CPU.

    The tokens are the bytes of the texts, so that a batch holds them without truncation. There are no parameters and
    no embeddings. A subclass sets `kind` and defines `fit`, `scores`, `weights` and `set_weights`.
    """

    kind: ClassVar[str]
    has_input_gradients = False

    def __init__(self, classes: int) -> None:
        nn.Module.__init__(self)
        self.passes = Passes()
        self.attend_padding = False
        self._classes = classes
        self._names: list[str] = []

    def fit(self, texts: Sequence[Text], labels: Sequence[int], seed: int) -> None:
        """Fit to the training part; the order of the examples does not matter."""
        raise NotImplementedError

    def scores(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """Compute logits, shape (texts, classes). A text's logits do not depend on the others."""
        raise NotImplementedError

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save, by name."""
        raise NotImplementedError

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Restore what `weights` returned."""
        raise NotImplementedError

    def tokenise(self, texts: Sequence[str]) -> Encoded:
        """Encode one example as the bytes of a JSON list, one token per byte."""
        numbers = list(json.dumps(list(texts)).encode("ascii"))
        return {"input_ids": numbers, "attention_mask": [1] * len(numbers)}

    def collate(self, encoded: Sequence[Encoded], labels: Sequence[int] | None = None) -> Batch:
        """Pad encoded examples to the longest."""
        tokens = {name: padded_rows([e[name] for e in encoded], "right") for name in ("input_ids", "attention_mask")}
        return Batch(tokens, None if labels is None else torch.tensor(labels, dtype=torch.long))

    def texts(self, batch: Batch) -> list[Text]:
        """Decode the texts of a batch from `collate`."""
        lengths = batch.attention_mask.sum(dim=1).tolist()
        rows = zip(batch.tokens["input_ids"].tolist(), lengths, strict=True)
        return [tuple(json.loads(bytes(row[:length]))) for row, length in rows]

    def forward(self, batch: Batch, embeds: Tensor | None = None, words: Tensor | None = None) -> Tensor:
        """Compute logits in float32, shape (batch, classes); there are no embeddings to start from."""
        if embeds is not None or words is not None:
            raise ValueError(f"A {self.kind} classifier has no embeddings.")
        return self.passes.watch(torch.from_numpy(self.scores(self.texts(batch)).astype(np.float32)))

    def penultimate(self, batch: Batch) -> Tensor:
        """Return features of width 0, since there is no last linear layer; shape (batch, 0)."""
        return torch.zeros(len(batch), self.feature_width)

    @property
    def feature_width(self) -> int:
        """Always 0."""
        return 0

    def name_classes(self, names: Sequence[str]) -> None:
        """Store the class names, which `save` writes."""
        self._names = list(names)

    def save(self, folder: Path) -> None:
        """Write config.json and model.safetensors."""
        names = self._names or [f"LABEL_{number}" for number in range(self.classes)]
        config = {KIND: self.kind, "temper_named_classes": bool(self._names), "id2label": dict(enumerate(names))}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
        save_file(self.weights(), folder / _WEIGHTS)

    @classmethod
    def restore(cls, folder: Path, config: Mapping[str, Any]) -> "TextClassifier":
        """Load what `save` wrote; call it through `load_classifier`."""
        names = [config["id2label"][str(number)] for number in range(len(config["id2label"]))]
        model = cls(len(names))
        if config["temper_named_classes"]:
            model.name_classes(names)
        model.set_weights(load_file(folder / _WEIGHTS))
        return model

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self._classes

    @property
    def device(self) -> torch.device:
        """Always the CPU."""
        return torch.device("cpu")


class ConstantClassifier(TextClassifier):
    """Give every text the shares of the classes in the training part, so the largest class is always predicted.

    The first of several largest classes wins. This is scikit-learn's ``DummyClassifier(strategy="prior")``.
    """

    kind = "constant"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self._counts = np.ones(classes, dtype=np.int64)

    def fit(self, texts: Sequence[Text], labels: Sequence[int], seed: int) -> None:
        """Count the classes."""
        self._counts = np.bincount(labels, minlength=self.classes).astype(np.int64)

    def scores(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """Return the log shares for each text; a class without examples counts as a thousandth of one."""
        shares = np.maximum(self._counts, 1e-3) / self._counts.sum()
        return np.tile(np.log(shares), (len(texts), 1))

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the counts."""
        return {"counts": self._counts}

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Restore the counts."""
        self._counts = weights["counts"]


class RandomClassifier(TextClassifier):
    """Draw the class probabilities of each text from a hash of the seed and the text, uniformly on the simplex."""

    kind = "random"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self._seed = 0

    def fit(self, texts: Sequence[Text], labels: Sequence[int], seed: int) -> None:
        """Keep the seed."""
        self._seed = seed

    def scores(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """Return log weights that are uniform on the simplex once normalised: logs of exponential draws."""
        uniform = np.array([[self._uniform(text, number) for number in range(self.classes)] for text in texts])
        scores: NDArray[np.float64] = np.log(-np.log(uniform)).reshape(len(texts), self.classes)
        return scores

    def _uniform(self, text: Text, number: int) -> float:
        """Draw a number between 0 and 1, without the ends."""
        digest = hashlib.sha256(json.dumps([self._seed, number, *text]).encode("ascii")).digest()
        return ((int.from_bytes(digest[:8], "big") >> 12) + 0.5) / 2**52

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the seed."""
        return {"seed": np.array([self._seed], dtype=np.int64)}

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Restore the seed."""
        self._seed = int(weights["seed"][0])


class BagOfWordsClassifier(TextClassifier):
    """Logistic regression on TF-IDF of words, with scikit-learn's default settings; two texts are read as one.

    Class probabilities are those of ``make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))``.
    """

    kind = "bag-of-words"

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self._vocabulary: list[str] = []
        self._frequencies = np.zeros(0)
        self._coefficients, self._intercepts = np.zeros((classes, 0)), np.zeros(classes)

    def fit(self, texts: Sequence[Text], labels: Sequence[int], seed: int) -> None:
        """Fit the vocabulary, the inverse document frequencies and the coefficients.

        A class without training examples gets a probability of about 0.
        """
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression

        # The examples are sorted because the last bits of a sum depend on their order, which depends on the seed.
        examples = sorted(zip(map(_joined, texts), labels, strict=True))
        vectorizer = TfidfVectorizer()
        features = vectorizer.fit_transform([text for text, _ in examples])
        regression = LogisticRegression(max_iter=1000).fit(features, [label for _, label in examples])
        fitted, intercepts = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:
            # Of two classes, only the second has coefficients.
            fitted, intercepts = np.vstack([np.zeros_like(fitted), fitted]), np.array([0.0, *intercepts])
        self._vocabulary, self._frequencies = vectorizer.get_feature_names_out().tolist(), vectorizer.idf_
        self._coefficients = np.zeros((self.classes, len(self._vocabulary)))
        self._intercepts = np.full(self.classes, -100.0)
        self._coefficients[regression.classes_], self._intercepts[regression.classes_] = fitted, intercepts
        self.__dict__.pop("_vectorizer", None)

    def scores(self, texts: Sequence[Text]) -> NDArray[np.float64]:
        """Compute the logits of the regression."""
        features = self._vectorizer.transform([_joined(text) for text in texts])
        logits: NDArray[np.float64] = features @ self._coefficients.T + self._intercepts
        return logits

    def weights(self) -> dict[str, NDArray[Any]]:
        """Return the inverse document frequencies and the regression."""
        return {"idf": self._frequencies, "coefficients": self._coefficients, "intercepts": self._intercepts}

    def set_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Restore the inverse document frequencies and the regression."""
        self._frequencies = weights["idf"]
        self._coefficients, self._intercepts = weights["coefficients"], weights["intercepts"]

    def save(self, folder: Path) -> None:
        """Write config.json, model.safetensors and vocabulary.json."""
        super().save(folder)
        (folder / _WORDS).write_text(json.dumps(self._vocabulary, indent=0) + "\n", encoding="utf-8")

    @classmethod
    def restore(cls, folder: Path, config: Mapping[str, Any]) -> "TextClassifier":
        """Load what `save` wrote; call it through `load_classifier`."""
        model = super().restore(folder, config)
        model._vocabulary = json.loads((folder / _WORDS).read_text(encoding="utf-8"))
        return model

    @cached_property
    def _vectorizer(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(vocabulary=self._vocabulary)
        vectorizer.idf_ = self._frequencies
        return vectorizer


def _joined(text: Text) -> str:
    return " ".join(text)


TEXT_CLASSIFIERS: dict[str, type[TextClassifier]] = {
    cls.kind: cls for cls in (ConstantClassifier, RandomClassifier, BagOfWordsClassifier)
}
"""The classes by the name that config.json holds."""


def load_text_classifier(folder: Path) -> TextClassifier | None:
    """Load a model that `TextClassifier.save` wrote; return None for any other model."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return TEXT_CLASSIFIERS[config[KIND]].restore(folder, config) if KIND in config else None
