"""Parts of a search side by side."""

import numpy as np
import pytest

from benchmark.attacks.engine.questions import Answer, Question
from benchmark.attacks.engine.scheduler import gather


def part(name, rounds, oracle="victim", tier=0):
    """Asks about itself and about what all ask about, some times, and gives what it was told."""
    told = []
    for number in range(rounds):
        answers = yield Question(oracle, (f"{name}{number}", "shared"), tier)
        told.append([float(answer.values[0]) for answer in answers])
    return name, told


def run(search):
    asked = []
    try:
        question = next(search)
        while True:
            asked.append(question)
            answers = [Answer(np.array([len(item) + question.tier], np.float32), 0.0, 0) for item in question.items]
            question = search.send(answers)
    except StopIteration as end:
        return end.value, asked


def test_questions_of_a_round_are_put_together_and_each_part_hears_its_own_answers():
    results, asked = run(gather([part("a", 1), part("bb", 2), part("c", 0)]))
    assert results == [("a", [[2, 6]]), ("bb", [[3, 6], [3, 6]]), ("c", [])]
    assert [question.items for question in asked] == [("a0", "shared", "bb0"), ("bb1", "shared")]


def test_oracles_and_tiers_are_kept_apart():
    results, asked = run(gather([part("a", 1), part("b", 1, "encoder"), part("c", 1, tier=1)]))
    assert [(question.oracle, question.tier) for question in asked] == [("victim", 0), ("encoder", 0), ("victim", 1)]
    assert results == [("a", [[2, 6]]), ("b", [[2, 6]]), ("c", [[3, 7]])]


def test_each_part_gets_what_it_would_alone():
    alone = [run(part(name, rounds))[0] for name, rounds in (("a", 3), ("b", 1), ("c", 2))]
    assert run(gather([part("a", 3), part("b", 1), part("c", 2)]))[0] == alone
    assert run(gather([])) == ([], [])


def test_what_goes_wrong_ends_the_whole_search():
    search = gather([part("a", 1), part("b", 1)])
    next(search)
    with pytest.raises(ValueError, match="no answer"):
        search.throw(ValueError("no answer"))
