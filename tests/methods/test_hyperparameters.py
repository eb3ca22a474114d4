"""Hyper-parameters of all methods: what every field declares, which values are refused, and with which sentence."""

import math
import operator
from typing import Any, Literal, get_args, get_origin

import pytest

from benchmark.execution.method_registry import MethodRequest, configure, registered
from benchmark.schema.errors import UsageError
from benchmark.training.hyperparameters import HyperparameterField

POSITIVE, WEIGHT, RATIO, SHARE, BELOW_ONE = "> 0", ">= 0", "> 0 and <= 1", "> 0 and < 1", ">= 0 and < 1"
"""A scale or rate: at 0 the method does nothing, below 0 the opposite. The weight of a term, 0 of which has a meaning.
A share that may be all. A share that would keep or drop everything at its ends. A momentum or mixing probability."""

RANGES = {
    "alpha": WEIGHT, "beta": WEIGHT, "bregman": WEIGHT, "ce_weight": WEIGHT, "dropout": BELOW_ONE, "epsilon": POSITIVE,
    "gamma": ">= 0 and <= 1", "high": RATIO, "inverse_strength": POSITIVE, "js_weight": WEIGHT, "kl_weight": WEIGHT,
    "late_momentum": BELOW_ONE, "low": BELOW_ONE, "lower": BELOW_ONE, "mi_weight": WEIGHT, "midpoint": WEIGHT,
    "min_cosine": ">= -1 and <= 1", "momentum": BELOW_ONE, "p": BELOW_ONE, "probability": SHARE, "pull": WEIGHT,
    "rank": ">= 1", "rate_factor": POSITIVE,
    "radius": WEIGHT, "rate": POSITIVE, "ratio": RATIO, "reserve": SHARE, "rho": POSITIVE, "sigma": POSITIVE,
    "sparsity": WEIGHT, "start": WEIGHT, "step_size": WEIGHT, "steps": ">= 1", "strength": WEIGHT,
    "temperature": POSITIVE, "top": RATIO, "upper": RATIO,
    "awp.gamma": POSITIVE, "dora.alpha": POSITIVE, "lora.alpha": POSITIVE, "mixup.alpha": POSITIVE,
    "roast.alpha": SHARE, "roast.beta": POSITIVE, "decay": SHARE, "smoothing": BELOW_ONE, "focal.gamma": WEIGHT,
    "swa.start": BELOW_ONE, "wise_ft.alpha": ">= 0 and <= 1",
}  # fmt: skip
"""The legal values of every numeric hyper-parameter; ``method.name`` where a method means something else by a name."""

ODD = (-1e9, -1.0, -1e-3, 0.0, 0.5, 1.0, 1.5, 1e9)
OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
OTHERS = {"low": {"high": 1.0}, "high": {"low": 0.0}, "lower": {"upper": 1.0}, "upper": {"lower": 0.0}}
"""Values of other hyper-parameters next to which the whole range is legal."""

FIELDS = [
    (name, key, field) for name, point in registered().items()
    for key, field in point.load().hyperparameter_fields().items()
]  # fmt: skip
NUMERIC = [(name, key, field) for name, key, field in FIELDS if field.legal.startswith(("an integer", "a finite"))]
CHOICES = [(name, key, field) for name, key, field in FIELDS if get_origin(field.annotation) is Literal]


def range_of(method: str, key: str) -> str:
    return RANGES.get(f"{method}.{key}") or RANGES[key]


def make(method: str, **values: Any) -> Any:
    return registered()[method].load()(**values)


def test_every_field_declares_its_range_or_choices() -> None:
    free = {(key, field.legal) for method, key, field in FIELDS if (method, key, field) not in [*NUMERIC, *CHOICES]}
    assert free == {
        ("adaptive", "true or false"), ("clean", "true or false"), ("random_start", "true or false"),
        ("unbiased", "true or false"), ("lexicon", "text"), ("of", "text"), ("templates", "text"),
    }  # fmt: skip
    for method, key, field in NUMERIC:
        kind = "an integer" if isinstance(field.default, int) else "a finite number"
        assert (method, key, field.legal) == (method, key, f"{kind} {range_of(method, key)}")


@pytest.mark.parametrize(("method", "key", "field"), NUMERIC)
def test_a_number_is_legal_or_refused_with_its_range(method: str, key: str, field: HyperparameterField) -> None:
    bounds = [part.split() for part in range_of(method, key).split(" and ")]
    kind = type(field.default)
    for value in (kind(odd) for odd in ODD if kind(odd) == odd):
        if all(OPERATORS[sign](value, float(end)) for sign, end in bounds):
            assert getattr(make(method, **OTHERS.get(key, {}), **{key: value}), key) == value
            continue
        with pytest.raises(UsageError) as caught:
            make(method, **{key: value})
        assert str(caught.value) == f"{method}:{key}={value}: {key} must be {field.legal}."


@pytest.mark.parametrize(("method", "key", "field"), NUMERIC)
def test_what_is_not_a_number_is_refused(method: str, key: str, field: HyperparameterField) -> None:
    for text in ("nan", "inf", "-inf", "true", "much"):
        with pytest.raises(UsageError, match=f"{method}:{key}={text}: {key} must be {field.legal}."):
            configure(MethodRequest(method, {key: text}))
    for value in (math.nan, math.inf, True, "0.5", None):
        with pytest.raises(UsageError, match=f"{method}:{key}={value}: {key} must be"):
            make(method, **{key: value})


@pytest.mark.parametrize(("method", "key", "field"), CHOICES)
def test_a_choice_is_one_of_those_declared(method: str, key: str, field: HyperparameterField) -> None:
    choices = get_args(field.annotation)
    for choice in choices:
        assert getattr(make(method, **{key: choice}), key) == choice
    with pytest.raises(UsageError) as caught:
        make(method, **{key: "no-such-word"})
    assert str(caught.value) == f"{method}:{key}=no-such-word: {key} must be {field.legal}."


@pytest.mark.parametrize(
    ("method", "values", "sentence"),
    [
        ("roast", {"variant": "relesed"}, "roast:variant=relesed: variant must be 'paper' or 'released'. Did you mean"),
        ("adv_embed", {"norm": "l1"}, "norm must be 'token', 'l2' or 'l_inf'."),
        ("adv_embed", {"variant": "released", "steps": 2}, "is RoAST's one token-wise step only"),
        ("adv_embed", {"variant": "released", "space": "words"}, "needs clean=False"),
        ("infobert", {"low": 0.9, "high": 0.5}, "infobert:low=0.9:high=0.5: low must be below high."),
        ("rose-second", {"lower": 0.3}, "rose-second:lower=0.3:upper=0.3: lower must be below upper."),
        ("rose-ensemble", {"lower": 0.5}, "rose-ensemble:lower=0.5:upper=0.4: lower must be below upper."),
        ("mvp", {"templates": "sentimnt"}, "Did you mean 'sentiment'?"),
    ],
)
def test_what_a_method_refuses(method: str, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(method, **values)
    assert sentence in str(caught.value)
