"""Attacks that do not search stand on the suite card as checks for masking, and enter no score."""

from pathlib import Path

from benchmark.execution.cards import suite_card
from benchmark.execution.workload import materialise
from benchmark.schema import MASKING
from benchmark.suites import load_suite
from tests.support.tiny_suite import ATTACK, write_tiny_suite

RANDOM = ATTACK.replace('id = "textfooler"', 'id = "random"').replace('recipe = "textfooler"', 'recipe = "random_swap"')


def test_random_swaps_are_a_check(tiny_backbone: Path, tmp_path: Path) -> None:
    path = write_tiny_suite(tmp_path, tiny_backbone, attack=True)
    path.write_text(path.read_text() + RANDOM.replace("{ candidates", "{ queries = 9, candidates"))
    card = suite_card(materialise(load_suite(str(path))))
    found = {entry["id"]: (entry["perspective"], entry["headline"]) for entry in card["probes"]}
    assert found["random"] == (MASKING, "accuracy_under_attack")
    assert found["textfooler"] == ("adversarial", "accuracy_under_attack")
