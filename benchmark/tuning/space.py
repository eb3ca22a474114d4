"""The search space of a method on a suite, and the point of each trial."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from itertools import product
from typing import TYPE_CHECKING, Any

from benchmark.schema.errors import UsageError
from benchmark.schema.trial import LEARNING_RATE_FACTOR, Trial
from benchmark.training.search import Search

if TYPE_CHECKING:
    from benchmark.execution.method_registry import ConfiguredMethod
    from benchmark.suites import TuningRule
    from benchmark.training.hyperparameters import Hyperparameter
    from benchmark.training.method import Method

MOST_DIMENSIONS = 2
"""Largest number of dimensions that a method declares; a composition has those of its members."""

Space = Mapping[str, Search]
"""Dimensions by the name of the hyper-parameter, in the order of the fields."""


def own_space(cls: "type[Method]") -> dict[str, Search]:
    """Return the search space that a method's fields declare.

    Raises:
        UsageError: it has too many dimensions, leaves out a default, or has a value that the field forbids. The message
            lists all problems.
    """
    fields, defaults = cls.hyperparameter_fields(), cls.defaults()
    space = {key: field.search for key, field in fields.items() if field.search is not None}
    problems = [f"{cls.name}: {key}: {problem}" for key in space for problem in space[key].problems(defaults[key])]
    for key, search in space.items():
        for value in search.values:
            try:
                fields[key].check(cls.name, key, value)
            except UsageError as error:
                problems.append(f"{cls.name}: {key}: its search space has a forbidden value: {error}")
    members = cls.name.split("+")
    for member in members:
        own = [key for key in space if len(members) == 1 or key.startswith(f"{member}.")]
        if len(own) > MOST_DIMENSIONS:
            names = ", ".join(own)
            problems.append(f"{member}: {names} are searched; keep at most {MOST_DIMENSIONS} dimensions per method.")
    if problems:
        raise UsageError("\n".join(problems))
    return space


def space_of(method: "ConfiguredMethod", rule: "TuningRule") -> dict[str, Search]:
    """Return what tuning varies: the method's own space without the settings that the user fixed, and the factor.

    Raises:
        UsageError: as `own_space`.
    """
    fixed = {part.partition("=")[0] for part in method.configuration.split(",")}
    own = {key: search for key, search in own_space(method.cls).items() if key not in fixed}
    return {**own, LEARNING_RATE_FACTOR: Search.log(*rule.learning_rate_factor, source="the suite")}


def point(space: Space, trial: int) -> "dict[str, Hyperparameter]":
    """Return the values of a trial by dimension; empty for trial 0, which has the defaults."""
    if trial == 0:
        return {}
    return {name: search.value(position(name, trial)) for name, search in space.items()}


def point_problems(trials: Sequence[Trial], rule: "TuningRule") -> Iterator[str]:
    """Yield a sentence for every trial that is not at its point of the stated space.

    Args:
        trials: The trials of one file, from trial 0.
        rule: The suite's rule, which gives the range of the shared dimension.
    """
    space = {name: _from_plain(dimension) for name, dimension in trials[0]["space"].items()}
    shared = Search.log(*rule.learning_rate_factor, source="the suite")
    if len(space) > MOST_DIMENSIONS * len(trials[0]["method"]["name"].split("+")) + 1:
        yield f"The trials search {len(space)} dimensions; a method may declare {MOST_DIMENSIONS}."
    if LEARNING_RATE_FACTOR not in space or space[LEARNING_RATE_FACTOR].plain() != shared.plain():
        yield f"The trials do not search the learning-rate factor over {shared}, as the suite says."
        return
    base = {**trials[0]["method"]["hyperparameters"], LEARNING_RATE_FACTOR: 1.0}
    for trial in trials:
        wanted = {**base, **point(space, trial["trial"])}
        stated = {**trial["method"]["hyperparameters"], LEARNING_RATE_FACTOR: trial[LEARNING_RATE_FACTOR]}
        for name in sorted(wanted.keys() | stated.keys()):
            if stated.get(name) != wanted.get(name):
                yield f"trial {trial['trial']}: {name} is {stated.get(name)}; its point is {wanted.get(name)}."


def _from_plain(dimension: Mapping[str, Any]) -> Search:
    values = dimension["choices"] if dimension["scale"] == "choice" else (dimension["low"], dimension["high"])
    return Search(dimension["scale"], tuple(values), "stated")


def corners(space: Space) -> "Iterator[dict[str, Hyperparameter]]":
    """Yield the combinations of the ends of all ranges and of all choices."""
    for values in product(*(search.values for search in space.values())):
        yield dict(zip(space, values, strict=True))


BITS = 32


def position(dimension: str, number: int) -> int:
    """Return point `number`, from 0, of a dimension as an integer from 0 to 2^32 - 1. The points never change.

    In one dimension they are the van der Corput sequence in base 2, scrambled bit by bit with a hash of the dimension's
    name (Owen, "Randomly permuted (t,m,s)-nets", 1995). Across dimensions they are a Latin hypercube: each dimension
    visits the points 2^k to 2^(k+1) - 1 in an order of its own. So the first 2^k points lie in 2^k different intervals
    of length 1 / 2^k in every dimension, a new dimension moves no other, and a longer study begins with the points of a
    shorter one.
    """
    number = _order(dimension, number.bit_length())[number] if number else 0
    point = 0
    for bit in range(BITS):
        lower = number & ((1 << bit) - 1)
        flip = _digest(dimension, "flip", bit, lower)[0] & 1
        point = point << 1 | (number >> bit & 1) ^ flip
    return point


@cache
def _order(dimension: str, bits: int) -> dict[int, int]:
    """Return the order in which a dimension visits the points whose number has so many bits."""
    numbers = range(1 << (bits - 1), 1 << bits)
    shuffled = sorted(numbers, key=lambda number: _digest(dimension, "order", bits, number))
    return dict(zip(numbers, shuffled, strict=True))


def _digest(dimension: str, *parts: str | int) -> bytes:
    return sha256("\n".join((dimension, *map(str, parts))).encode()).digest()
