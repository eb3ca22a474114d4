"""Every numeric hyper-parameter of every method: what is refused, and what is legal though it looks odd."""

import math
from collections.abc import Callable, Iterator

import pytest

from benchmark.execution.registry import MethodRequest, configure, registered
from benchmark.schema.errors import UsageError

ODD = (-1e9, -1.0, -1e-3, 0.0, 0.5, 1.0, 1.5, 1e9)
Legal = Callable[[float], bool]


def positive(x: float) -> bool:
    """A scale or a rate: at 0 the method would do nothing, at a negative value the opposite. No upper bound is safe."""
    return x > 0


def weight(x: float) -> bool:
    """The weight of a term, or a size that has a meaning at 0: no term, no noise, no bound."""
    return x >= 0


def count(x: float) -> bool:
    return x >= 1


def share(x: float) -> bool:
    """A share that would keep or drop everything at its ends."""
    return 0 < x < 1


def share_or_all(x: float) -> bool:
    return 0 < x <= 1


def rate_below_one(x: float) -> bool:
    """A momentum or a mixing probability: 0 switches it off, 1 would stop the model."""
    return 0 <= x < 1


def blend(x: float) -> bool:
    return 0 <= x <= 1


def cosine(x: float) -> bool:
    return -1 <= x <= 1


LEGAL: dict[str, Legal] = {
    "alpha": weight, "beta": weight, "bregman": weight, "ce_weight": weight, "epsilon": positive, "gamma": blend,
    "high": lambda x: 0.5 < x <= 1, "inverse_strength": positive, "js_weight": weight, "kl_weight": weight,
    "late_momentum": rate_below_one, "low": lambda x: 0 <= x < 0.9, "lower": lambda x: x == 0, "mi_weight": weight,
    "midpoint": weight, "min_cosine": cosine, "momentum": rate_below_one, "p": rate_below_one, "probability": share,
    "pull": weight, "radius": weight, "rate": positive, "ratio": share_or_all, "reserve": share, "rho": positive,
    "sigma": positive, "sparsity": weight, "start": weight, "step_size": positive, "steps": count, "strength": weight,
    "temperature": positive, "top": share_or_all, "upper": share_or_all,
}  # fmt: skip
"""What is legal under a name, beside the other defaults."""

OWN: dict[str, Legal] = {
    "awp.gamma": positive,
    "roast.alpha": share,
    "roast.beta": positive,
    "rose-ensemble.lower": lambda x: 0 <= x < 0.4,
    "rose-first.lower": lambda x: 0 <= x < 0.6,
    "rose-second.lower": lambda x: 0 <= x < 0.3,
    "smart.step_size": weight,
}
"""Where a method means something else by a name."""


def numeric() -> Iterator[tuple[str, str, type]]:
    for name, point in registered().items():
        for key, kind in point.load().types().items():
            if kind in (int, float):
                yield name, key, kind


@pytest.mark.parametrize(("method", "key", "kind"), list(numeric()))
def test_odd_values_are_refused_with_a_sentence_or_legal(method: str, key: str, kind: type) -> None:
    legal = OWN.get(f"{method}.{key}", LEGAL.get(key))
    assert legal is not None, f"say in LEGAL or OWN which values of {method}.{key} are legal"
    cls = registered()[method].load()
    for value in ODD:
        if kind is int and value != int(value):
            continue
        if legal(value):
            assert getattr(cls(**{key: kind(value)}), key) == value
            continue
        with pytest.raises(UsageError) as caught:
            cls(**{key: kind(value)})
        assert str(caught.value).startswith(method)
        assert str(caught.value).endswith(".")


@pytest.mark.parametrize(("method", "key", "kind"), list(numeric()))
def test_what_is_no_number_is_refused_before_the_method_sees_it(method: str, key: str, kind: type) -> None:
    for text in ("nan", "inf", "-inf", "true", "much"):
        with pytest.raises(UsageError, match=f"{method}:{key}={text}: {key} must be"):
            configure(MethodRequest(method, {key: text}), {})
    for value in (math.nan, math.inf, True):
        with pytest.raises(UsageError, match=f"{method}:{key}={value}: {key} must be"):
            configure(MethodRequest(method, {}), {key: value})


NAMES = {"lexicon", "templates"}
"""Name something outside the method, which is looked up before a run."""


@pytest.mark.parametrize("method", registered())
def test_words_that_no_method_knows_are_refused(method: str) -> None:
    cls = registered()[method].load()
    for key, kind in cls.types().items():
        if kind is str and key not in NAMES:
            with pytest.raises(UsageError, match=method):
                cls(**{key: "no-such-word"})
