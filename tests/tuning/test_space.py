"""The search spaces of all methods, and the points of their trials."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
from annotated_types import Gt

from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.execution.method_source import code_of, summary
from benchmark.suites import TuningRule
from benchmark.testing import broken_rules
from benchmark.training import Method, Search, UsageError
from benchmark.tuning.space import corners, own_space, point, point_problems, position, space_of

RULE = TuningRule()


def configured(text: str):
    return configure(MethodRequest.parse(text))


@pytest.mark.parametrize("name", sorted(registered()))
def test_every_in_tree_method_has_a_legal_space_with_sources(name):
    method = configured(name)
    space = space_of(method, RULE)
    assert len(space) <= 3
    assert all(search.source for search in space.values())
    fields = method.cls.hyperparameter_fields()
    for trial in range(40):
        values = point(space, trial)
        own = {key: value for key, value in values.items() if key in fields}
        assert own == {key: fields[key].check(name, key, value) for key, value in own.items()}
        assert all(space[key].includes(value) for key, value in values.items())
        method.cls(**{**method.hyperparameters, **own})
    for values in corners(own_space(method.cls)):
        method.cls(**{**method.hyperparameters, **values})


def test_nearly_every_method_declares_dimensions_of_its_own():
    bare = {name for name in registered() if not own_space(configured(name).cls)}
    assert bare == {"vanilla", "mvp", "bitfit", "soup"}


def test_trial_0_has_the_defaults_and_more_trials_begin_with_the_fewer():
    space = space_of(configured("roast"), RULE)
    assert point(space, 0) == {}
    assert set(point(space, 1)) == {"alpha", "epsilon", "learning_rate_factor"}


def test_another_parameter_moves_no_other():
    one, two = ({"a": Search.log(0.1, 1, source="s")}, {"b": Search.linear(0, 1, source="s")})
    for trial in range(1, 20):
        assert point(one, trial)["a"] == point({**two, **one}, trial)["a"]


def test_all_methods_share_the_points_of_the_learning_rate():
    spaces = [space_of(configured(name), RULE) for name in ("vanilla", "roast", "mvp+roast", "sam:rho=0.1")]
    for trial in range(1, 10):
        assert len({point(space, trial)["learning_rate_factor"] for space in spaces}) == 1


def test_a_setting_that_was_asked_for_is_not_searched():
    assert list(space_of(configured("roast:epsilon=0.02"), RULE)) == ["alpha", "learning_rate_factor"]
    assert list(space_of(configured("roast:variant=released"), RULE)) == ["alpha", "epsilon", "learning_rate_factor"]


def test_a_composition_searches_both_members():
    space = space_of(configured("sam+roast"), RULE)
    assert list(space) == ["sam.rho", "roast.alpha", "roast.epsilon", "learning_rate_factor"]


def test_values_lie_where_the_scale_puts_them():
    low, middle, high = 0, 2**31, 2**32 - 1
    log = Search.log(0.01, 1.0, source="s")
    assert (log.value(low), log.value(middle), log.value(high)) == (0.01, 0.1, 1.0)
    linear = Search.linear(0.0, 2.0, source="s")
    assert (linear.value(low), linear.value(middle), linear.value(high)) == (2.33e-10, 1.0, 2.0)
    whole = Search.linear(1, 4, source="s")
    assert [whole.value(position << 30) for position in range(4)] == [1, 2, 3, 4]
    assert [Search.log(10, 1000, source="s").value(p) for p in (low, middle, high)] == [10, 100, 1000]
    assert [Search.choice("a", None, True, source="s").value(p) for p in (low, middle, high)] == ["a", None, True]
    assert log.value(position("epsilon", 3)) == float(f"{log.value(position('epsilon', 3)):.3g}")


def broken(annotation, default):
    @dataclass(kw_only=True, eq=False)
    class Broken(Method):
        strength: annotation = default

    Broken.name = "broken"
    return Broken


@pytest.mark.parametrize(
    ("search", "default", "message"),
    [
        (Search.log(0.1, 1.0, source="s"), 2.0, "leaves out the default 2.0"),
        (Search.log(0.1, 1.0, source=" "), 0.5, "has no source"),
        (Search.log(1.0, 0.1, source="s"), 0.5, "Put the lower end first"),
        (Search.log(0.0, 1.0, source="s"), 0.5, "begins above 0"),
        (Search.linear(0.0, 1.0, source="s"), 0.5, "forbidden value"),
        (Search.linear("a", 1.0, source="s"), 0.5, "not a number"),
        (Search.choice(0.5, source="s"), 0.5, "at least two different choices"),
        (Search.choice(0.5, 1.0, source="s"), 0.7, "leaves out the default"),
    ],
)
def test_a_broken_space_is_refused(search, default, message):
    with pytest.raises(UsageError, match=message):
        own_space(broken(Annotated[float, Gt(0), search], default))


def test_more_than_two_dimensions_are_refused():
    @dataclass(kw_only=True, eq=False)
    class Greedy(Method):
        name = "greedy"
        a: Annotated[float, Search.linear(0, 1, source="s")] = 0.5
        b: Annotated[float, Search.linear(0, 1, source="s")] = 0.5
        c: Annotated[float, Search.linear(0, 1, source="s")] = 0.5

    with pytest.raises(UsageError, match="greedy: a, b, c are searched; keep at most 2"):
        own_space(Greedy)


def test_a_search_space_is_not_part_of_the_source_hash():
    """A wider range changes no training, so finished trainings and committed rows keep their keys."""
    text = "from benchmark.training import Method{}\nclass A(Method):\n    x: Annotated[float, Gt(0){}] = {}\n"
    plain = code_of(text.format("", "", "1.0"))
    assert code_of(text.format(", Search", ', Search.log(0.1, 2.0, source="s")', "1.0")) == plain
    assert code_of(text.format(", Search", ', Search.log(0.1, 2.0, source="s")', "2.0")) != plain
    call = "x = [Search.log(1, 2)]"
    assert code_of(call) != code_of("x = []")


def test_the_list_of_hyperparameters_shows_the_space():
    rows = {row[0]: row for row in summary(registered()["roast"]).hyperparameters}
    assert rows["epsilon"] == ("epsilon", "0.1", "float > 0", "0.005 to 0.5, log")
    assert rows["beta"][3] == ""


def test_a_space_that_crashes_at_a_corner_breaks_the_contract():
    @dataclass(kw_only=True, eq=False)
    class Fragile(Method):
        name = "fragile"
        strength: Annotated[float, Gt(0), Search.log(0.1, 10.0, source="s")] = 0.5

        def loss(self, model, batch, ctx):
            return super().loss(model, batch, ctx) * (float("nan") if self.strength > 1 else self.strength)

    (sentence,) = (text for text in broken_rules(Fragile) if "tuned over" in text)
    assert "strength=10.0" in sentence


def test_stated_points_are_recomputed():
    space = space_of(configured("roast"), RULE)
    trials = [
        {
            "trial": trial,
            "method": {"name": "roast", "hyperparameters": {"alpha": 0.9, "epsilon": 0.1, **values}},
            "learning_rate_factor": factor,
            "space": {name: search.plain() for name, search in space.items()},
        }
        for trial in range(4)
        for values in [point(space, trial)]
        for factor in [values.pop("learning_rate_factor", 1.0)]
    ]
    assert list(point_problems(trials, RULE)) == []
    trials[2]["method"]["hyperparameters"]["epsilon"] = 0.0123
    trials[0]["learning_rate_factor"] = 2.0
    problems = list(point_problems(trials, RULE))
    assert [problem.split(" is ")[0] for problem in problems] == ["trial 0: learning_rate_factor", "trial 2: epsilon"]
    assert "as the suite says" in next(point_problems(trials, TuningRule(learning_rate_factor=(0.1, 10.0))))


FIRST_16 = {
    "epsilon": [
        519203593, 3763302449, 1928634560, 2808502697, 1134762841, 577056558, 2566471904, 3634044558,
        1667546400, 1353302059, 4232070816, 1066175147, 2172400079, 3192564012, 63509379, 3291189272,
    ],
    "learning_rate_factor": [
        3976958641, 2021269950, 566679434, 2617683459, 3125049954, 107349385, 1127435635, 3322559001,
        1759376943, 361934949, 2744391050, 3687285109, 1008695022, 4238096711, 1562878773, 2377372250,
    ],
}  # fmt: skip


@pytest.mark.parametrize("dimension", FIRST_16)
def test_the_first_points_never_change(dimension):
    assert [position(dimension, number) for number in range(16)] == FIRST_16[dimension]


@pytest.mark.parametrize("dimension", ["alpha", "epsilon", "mvp.templates", "x" * 200])
@pytest.mark.parametrize("size", [2, 4, 8, 16, 64])
def test_the_first_points_and_the_next_have_one_in_each_interval(dimension, size):
    for start in (0, size):
        points = [position(dimension, number) for number in range(start, start + size)]
        assert sorted(point * size >> 32 for point in points) == list(range(size))


@pytest.mark.parametrize("pair", [("alpha", "epsilon"), ("epsilon", "learning_rate_factor"), ("rate", "radius")])
def test_dimensions_are_not_coupled(pair):
    """If all dimensions had one order, the first bits of one would determine those of another."""
    first, second = ([position(name, number) for number in range(256)] for name in pair)
    assert len({(a >> 30, b >> 30) for a, b in zip(first, second, strict=True)}) == 16
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.15


def test_points_are_distinct():
    assert len({position("epsilon", number) for number in range(4096)}) == 4096
