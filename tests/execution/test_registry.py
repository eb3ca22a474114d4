"""Methods by name: spelling, hyper-parameters, plugins that do not import, duplicate names."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from benchmark.execution import registry
from benchmark.execution.registry import MethodRequest, _toolbox_imports, configure, registered, summary
from benchmark.schema.errors import TemperError, UsageError


def test_a_request_is_a_name_and_pairs() -> None:
    assert MethodRequest.parse("roast:variant=released:alpha=0.6") == MethodRequest(
        "roast", {"variant": "released", "alpha": "0.6"}
    )


@pytest.mark.parametrize("text", ["roast:alpha", "roast:=3", "roast:"])
def test_a_malformed_request_shows_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="name:key=value"):
        MethodRequest.parse(text)


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no method 'raost'. Did you mean 'roast'\?"):
        configure(MethodRequest("raost", {}), {})


def test_an_unknown_hyperparameter_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no hyper-parameter 'alhpa'. Did you mean 'alpha'\?"):
        configure(MethodRequest("roast", {"alhpa": "0.5"}), {})


@pytest.mark.parametrize(("key", "text", "kind"), [("alpha", "much", "float"), ("unbiased", "perhaps", "bool")])
def test_a_value_of_the_wrong_type_is_named(key: str, text: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"roast:{key}={text}: {key} takes {kind}"):
        configure(MethodRequest("roast", {key: text}), {})


def test_the_users_word_wins_over_the_suites_and_that_over_the_default() -> None:
    made = configure(MethodRequest("roast", {"alpha": "0.7"}), {"alpha": 0.6, "beta": 1})
    assert made.hyperparameters["alpha"] == 0.7
    assert made.hyperparameters["beta"] == 1.0
    assert isinstance(made.hyperparameters["beta"], float)
    assert made.configuration == "alpha=0.7"
    assert made.label == "roast (alpha=0.7)"


def test_saying_what_holds_anyway_is_no_configuration() -> None:
    made = configure(MethodRequest("roast", {"alpha": "0.9", "variant": "paper"}), {})
    assert made.configuration == ""


def test_the_source_fingerprint_follows_the_plugin_and_what_it_imports_of_the_toolbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roast, vanilla = (configure(MethodRequest(name, {}), {}).source for name in ("roast", "vanilla"))
    assert roast == configure(MethodRequest("roast", {}), {}).source
    read = Path.read_text

    def edited(path: Path, **options: str) -> str:
        return read(path, **options) + ("# edited" if path.name == "masks.py" else "")

    monkeypatch.setattr(Path, "read_text", edited)
    assert configure(MethodRequest("roast", {}), {}).source != roast
    assert configure(MethodRequest("vanilla", {}), {}).source == vanilla


def test_the_toolbox_modules_of_a_source_are_found_in_both_spellings() -> None:
    source = "from benchmark.training.toolbox import masks\nfrom benchmark.training.toolbox.ascent import x\nimport os"
    assert _toolbox_imports(source) == ["benchmark.training.toolbox.ascent", "benchmark.training.toolbox.masks"]


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="temper.methods")


def test_a_plugin_that_does_not_import_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered", lambda: {"lost": entry("lost", "no_such_package.lost:Lost")})
    with pytest.raises(TemperError, match=r"'lost' \(no_such_package.lost:Lost\) does not import.*no_such_package"):
        configure(MethodRequest("lost", {}), {})


def test_a_plugin_that_is_no_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered", lambda: {"path": entry("path", "pathlib:Path")})
    with pytest.raises(TemperError, match="not a subclass"):
        configure(MethodRequest("path", {}), {})


def test_a_plugin_under_anothers_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "registered", lambda: {"mine": entry("mine", "methods.roast:RoAST")})
    with pytest.raises(TemperError, match="calls itself 'roast'"):
        configure(MethodRequest("mine", {}), {})


def test_two_packages_with_one_name_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [entry("roast", "methods.roast:RoAST"), entry("roast", "other.roast:RoAST")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    registered.cache_clear()
    try:
        with pytest.raises(TemperError, match=r"methods.roast:RoAST and other.roast:RoAST"):
            registered()
    finally:
        registered.cache_clear()


def test_summaries_come_without_importing() -> None:
    points = {name: summary(point) for name, point in registered().items()}
    assert points["roast"].startswith("Train on clean and perturbed embeddings")
    assert "does not import" in summary(entry("lost", "no_such_package.lost:Lost"))
