"""The classifiers of raw text: equal to scikit-learn's, independent of the batch, and saved without pickle."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from benchmark.models.inference import predict_logits
from benchmark.models.prompt_classifier import load_classifier
from benchmark.models.text_classifiers import (
    TEXT_CLASSIFIERS,
    BagOfWordsClassifier,
    ConstantClassifier,
    RandomClassifier,
)
from benchmark.testing.tiny import sentences

TRAIN = sentences(60)
SEEN = [(text,) for text, _ in TRAIN]
LABELS = [label for _, label in TRAIN]
UNSEEN = [("",), ("nothing known",), ("Ünïcode good \x00 \ud800",), ("good film", "bad film"), (SEEN[0][0] * 40,)]


def fitted(kind, classes=2, labels=LABELS, seed=3):
    model = TEXT_CLASSIFIERS[kind](classes)
    model.fit(SEEN, labels, seed)
    return model


def probabilities(model, texts):
    return softmax(predict_logits(model, texts).astype(float), axis=1)


@pytest.mark.parametrize("classes", [2, 3])
def test_a_bag_of_words_has_the_probabilities_of_scikit_learns_pipeline(classes):
    labels = [(label + number) % classes for number, label in enumerate(LABELS)] if classes > 2 else LABELS
    order = np.random.default_rng(0).permutation(len(SEEN))
    pipeline = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    pipeline.fit([SEEN[i][0] for i in order], [labels[i] for i in order])
    texts = [*SEEN, *UNSEEN]
    expected = pipeline.predict_proba([" ".join(text) for text in texts])
    # Both optima are found to a tolerance, from sums in another order.
    assert np.allclose(probabilities(fitted("bag-of-words", classes, labels), texts), expected, atol=1e-5)


def test_a_class_without_training_examples_is_never_predicted():
    model = fitted("bag-of-words", classes=4, labels=[3 * label for label in LABELS])
    found = probabilities(model, SEEN)
    assert found[:, 1:3].max() < 1e-20
    assert ((found.argmax(axis=1) == 3) == np.array(LABELS, dtype=bool)).all()


def test_the_order_of_the_training_part_does_not_matter():
    one, other = fitted("bag-of-words"), BagOfWordsClassifier(2)
    other.fit(SEEN[::-1], LABELS[::-1], 8)
    assert all(np.array_equal(value, other.weights()[name]) for name, value in one.weights().items())


def test_a_constant_has_the_probabilities_of_scikit_learns_prior():
    labels = [0] * 20 + [1] * 40
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((60, 1)), labels)
    found = probabilities(fitted("constant", labels=labels), UNSEEN)
    assert np.allclose(found, dummy.predict_proba(np.zeros((len(UNSEEN), 1))))
    assert (found.argmax(axis=1) == 1).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_random_probabilities_are_uniform_on_the_simplex(classes):
    found = probabilities(fitted("random", classes), [(f"text {number}",) for number in range(4000)])
    # The marginal of a uniform distribution on the simplex is Beta(1, classes - 1).
    for place in range(classes):
        for quantile in (0.1, 0.5, 0.9):
            assert np.mean(found[:, place] < 1 - (1 - quantile) ** (1 / (classes - 1))) == pytest.approx(
                quantile, abs=0.03
            )


def test_random_probabilities_depend_on_the_text_and_the_seed_alone():
    one, same, other = fitted("random"), fitted("random", labels=LABELS[::-1]), fitted("random", seed=4)
    assert np.array_equal(predict_logits(one, SEEN), predict_logits(same, SEEN[::-1])[::-1])
    assert (predict_logits(one, SEEN) != predict_logits(other, SEEN)).all()
    assert not np.array_equal(predict_logits(one, [("a", "b")]), predict_logits(one, [("a b",)]))


@pytest.mark.parametrize("kind", TEXT_CLASSIFIERS)
def test_logits_do_not_depend_on_the_batch(kind):
    model, texts = fitted(kind), [*SEEN, *UNSEEN]
    alone = np.concatenate([predict_logits(model, [text]) for text in texts])
    assert np.array_equal(predict_logits(model, texts, tokens_per_batch=10**6), alone)


@pytest.mark.parametrize("kind", TEXT_CLASSIFIERS)
def test_a_saved_model_is_the_same_bytes_and_gives_the_same_logits(kind, tmp_path: Path):
    model = fitted(kind)
    model.name_classes(["negative", "positive"])
    model.save(tmp_path / "one")
    loaded = load_classifier(tmp_path / "one")
    assert type(loaded) is type(model)
    assert np.array_equal(predict_logits(loaded, UNSEEN), predict_logits(model, UNSEEN))
    fitted(kind).save(tmp_path / "unnamed")
    loaded.save(tmp_path / "two")
    files = {path.name: path.read_bytes() for path in (tmp_path / "one").iterdir()}
    assert files == {path.name: path.read_bytes() for path in (tmp_path / "two").iterdir()}
    assert {Path(name).suffix for name in files} <= {".json", ".safetensors"}
    assert load_classifier(tmp_path / "unnamed").classes == 2


def test_texts_survive_a_batch_whole():
    model = ConstantClassifier(2)
    assert model.texts(model.encode(UNSEEN)) == UNSEEN


def test_there_are_no_embeddings_to_start_from():
    model = RandomClassifier(2)
    batch = model.encode(UNSEEN)
    with pytest.raises(ValueError, match="no embeddings"):
        model(batch, embeds=batch.attention_mask)
