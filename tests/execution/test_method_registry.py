"""Methods by name: spelling, hyper-parameters, plugins that do not import, duplicate names."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from annotated_types import Gt, Interval, Le, MultipleOf
from pydantic import Field, PositiveFloat

from benchmark.execution import method_registry, method_source
from benchmark.execution.method_registry import MethodRequest, configure, load_plugin, loaded_plugins, registered
from benchmark.execution.method_source import Summary, hooks, own_imports, source_fingerprint, summary
from benchmark.execution.plan import parse_methods
from benchmark.schema import method_slug
from benchmark.schema.errors import TemperError, UsageError
from benchmark.training.hyperparameters import HyperparameterField
from methods.vanilla import Vanilla


def test_a_request_is_a_name_and_pairs() -> None:
    assert MethodRequest.parse("roast:variant=released:alpha=0.6") == MethodRequest(
        "roast", {"variant": "released", "alpha": "0.6"}
    )


def test_a_composition_is_spelled_with_a_plus() -> None:
    request = MethodRequest.parse("rose-second + freelb:rate=0.2")
    assert request == MethodRequest("rose-second+freelb", {"rate": "0.2"})
    assert request.members == ("rose-second", "freelb")


@pytest.mark.parametrize("text", ["roast+", "+roast", "roast++sam:alpha=0.5"])
def test_half_a_composition_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="write two or more methods as a\\+b"):
        MethodRequest.parse(text)


@pytest.mark.parametrize(
    "text", ["roast:alpha=0.5:alpha=0.6", "roast:alpha=0.5:beta=1:alpha=0.5", "mvp+roast:roast.alpha=1:roast.alpha=2"]
)
def test_a_hyperparameter_that_is_set_twice_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"' sets (roast\.)?alpha to [0-9.]+ and to [0-9.]+; set it once"):
        MethodRequest.parse(text)


@pytest.mark.parametrize("text", ["roast:alpha", "roast:=3", "roast:"])
def test_a_malformed_request_shows_the_form(text: str) -> None:
    with pytest.raises(UsageError, match="name:key=value"):
        MethodRequest.parse(text)


def test_an_unknown_method_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no method 'raost'. Did you mean 'roast'\?"):
        configure(MethodRequest("raost", {}))


def test_an_unknown_hyperparameter_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no hyper-parameter 'alhpa'. Did you mean 'alpha'\?"):
        configure(MethodRequest("roast", {"alhpa": "0.5"}))


@pytest.mark.parametrize(
    ("key", "text", "kind"),
    [
        ("alpha", "much", "a finite number"),
        ("unbiased", "perhaps", "true or false"),
        ("beta", "nan", "a finite number"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(key: str, text: str, kind: str) -> None:
    with pytest.raises(UsageError, match=f"roast:{key}={text}: {key} must be {kind}"):
        configure(MethodRequest("roast", {key: text}))


def test_the_users_word_wins_over_the_default() -> None:
    made = configure(MethodRequest("roast", {"alpha": "0.7"}))
    assert made.hyperparameters["alpha"] == 0.7
    assert made.hyperparameters["beta"] == 1.0
    assert made.configuration == "alpha=0.7"
    assert made.label == "roast (alpha=0.7)"


def test_saying_what_holds_anyway_is_no_configuration() -> None:
    made = configure(MethodRequest("roast", {"alpha": "0.6", "variant": "paper"}))
    assert made.configuration == ""


def edit_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    read = method_source.read_source
    edit = {"gradients.py": "\nEDITED = 1\n"}
    monkeypatch.setattr(method_source, "read_source", lambda path: read(path) + edit.get(path.name, ""))


def test_the_source_fingerprint_follows_the_plugin_and_what_it_imports_of_the_toolbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    roast, vanilla = (configure(MethodRequest(name, {})).source for name in ("roast", "vanilla"))
    assert roast == configure(MethodRequest("roast", {})).source
    edit_gradients(monkeypatch)
    assert configure(MethodRequest("roast", {})).source != roast
    assert configure(MethodRequest("vanilla", {})).source == vanilla


def test_the_toolbox_modules_of_a_source_are_found_in_every_spelling() -> None:
    source = (
        "from benchmark.training.toolbox import ema\nfrom benchmark.training.toolbox.gradients import x\nimport os\n"
        "import benchmark.training.toolbox.sharpness\nfrom . import roast\nfrom .sam import SAM\n"
        "from benchmark.training import Method"
    )
    toolbox = [f"benchmark.training.toolbox.{name}" for name in ("ema", "gradients", "sharpness")]
    assert own_imports(source, "methods.mine") == [*toolbox, "methods.roast", "methods.sam"]
    assert own_imports(source, "benchmark.training.toolbox.chunked") == [
        *toolbox[:2],
        "benchmark.training.toolbox.sharpness",
    ]


def entry(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="temper.methods")


def test_a_plugin_that_does_not_import_is_named_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_registry, "registered", lambda **_: {"lost": entry("lost", "no_such_package.lost:Lost")})
    with pytest.raises(TemperError, match=r"'lost' \(no_such_package.lost:Lost\) does not import.*no_such_package"):
        configure(MethodRequest("lost", {}))


def test_a_package_that_exits_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(method_registry, "registered", lambda **_: {"leaving": entry("leaving", "leaving:Leaving")})
    with pytest.raises(TemperError, match=r"'leaving' \(leaving:Leaving\) does not import: SystemExit\(0\)"):
        configure(MethodRequest("leaving", {}))


def test_a_plugin_that_is_no_method_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_registry, "registered", lambda **_: {"path": entry("path", "pathlib:Path")})
    with pytest.raises(TemperError, match="not a subclass"):
        configure(MethodRequest("path", {}))


def test_a_plugin_under_anothers_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(method_registry, "registered", lambda **_: {"mine": entry("mine", "methods.roast:RoAST")})
    with pytest.raises(TemperError, match="calls itself 'roast'"):
        configure(MethodRequest("mine", {}))


def test_two_packages_with_one_name_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [entry("roast", "methods.roast:RoAST"), entry("roast", "other.roast:RoAST")]
    monkeypatch.setattr(method_registry, "entry_points", lambda group: points)
    registered.cache_clear()
    try:
        with pytest.raises(TemperError, match=r"methods.roast:RoAST and other.roast:RoAST"):
            registered()
    finally:
        registered.cache_clear()


def test_summaries_come_without_importing() -> None:
    points = {name: summary(point).text for name, point in registered().items()}
    assert points["roast"].startswith("Train on clean and perturbed embeddings")
    assert "does not import" in summary(entry("lost", "no_such_package.lost:Lost")).text


def test_a_hyperparameter_of_a_composition_needs_its_member_only_where_two_have_it() -> None:
    short, full = (
        configure(MethodRequest.parse(f"sam+roast:{key}=0.7")).hyperparameters for key in ("alpha", "roast.alpha")
    )
    assert short == full
    assert short["roast.alpha"] == 0.7
    made = configure(MethodRequest.parse("sam+roast:alpha=0.7"))
    assert made.label == "sam+roast (roast.alpha=0.7)"
    assert method_slug(made.cls.name, made.configuration) == "sam+roast~roast.alpha=0.7"
    assert made.make().hyperparameters() == made.hyperparameters


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("recadam+freelb:rate=1", r"recadam\+freelb:rate could be recadam.rate or freelb.rate; write which"),
        ("sam+roast:roast.alhpa=1", r"has no hyper-parameter 'roast.alhpa'. Did you mean 'roast.alpha'\?"),
        ("sam+roast:alpha=1:roast.alpha=0.5", "of which two are the same"),
        ("sam+roast:roast.alpha=much", r"sam\+roast:roast.alpha=much: roast.alpha must be a finite number"),
        ("sam+raost", r"no method 'raost'. Did you mean 'roast'\?"),
        ("freelb+smart", r"freelb\+smart cannot be composed: both freelb and smart own the loss"),
    ],
)
def test_a_mistake_in_a_composition_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        configure(MethodRequest.parse(text))


def test_the_source_fingerprint_of_a_composition_follows_every_member(monkeypatch: pytest.MonkeyPatch) -> None:
    def fingerprints() -> dict[str, str]:
        return {name: configure(MethodRequest(name, {})).source for name in ("sam+roast", "sam+r_drop", "roast+sam")}

    before = fingerprints()
    assert len({before["sam+roast"], before["sam+r_drop"]}) == 2
    edit_gradients(monkeypatch)
    after = fingerprints()
    assert after["sam+roast"] != before["sam+roast"]
    assert after["sam+r_drop"] == before["sam+r_drop"]


def in_short(legal: str) -> str:
    for words, short in ("a finite number", "float"), ("an integer", "int"), ("true or false", "bool"), ("text", "str"):
        legal = legal.replace(words, short)
    return legal.replace(" or ", ", ").replace("'", "")


def test_what_a_list_shows_of_a_method_is_what_importing_it_shows() -> None:
    from benchmark.training.composition import EXCLUSIVE, TOGETHER, overridden

    assert set(hooks()) == {*EXCLUSIVE, *TOGETHER}
    assert hooks()[0] == "build_model"
    for name, point in registered().items():
        cls = point.load()
        # Nothing calls the hooks of a method that averages trials.
        hooked = set() if summary(point).averages_trials else set(overridden(cls))
        assert (name, set(summary(point).hooks)) == (name, hooked)
        assert summary(point).paper == cls.paper
        shown = {key: (default, legal) for key, default, legal, _ in summary(point).hyperparameters}
        declared = cls.hyperparameter_fields().items()
        assert shown == {key: (str(f.default), in_short(f.legal)) for key, f in declared}
        assert summary(point).text


PLUGIN = """
from dataclasses import dataclass
from typing import ClassVar

from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Mine(Method):
    \"\"\"Mine is the best.\"\"\"

    name: ClassVar[str] = "{name}"
    paper: ClassVar[str] = "Me, 2026"
    strength: float = 1.0

    def after_step(self, ctx):
        pass
"""

TWO = """
from benchmark.training import Method


class First(Method):
    name = "{first}"


class Second(First):
    name = "{second}"
"""


@pytest.fixture
def _fresh_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(method_registry, "_plugins", {})
    registered.cache_clear()
    yield
    registered.cache_clear()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


@pytest.mark.usefixtures("_fresh_registry")
def test_a_file_is_a_plugin_for_this_process(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.py", PLUGIN.format(name="mine"))
    assert "mine" in [request.name for request in parse_methods("all", [f"{file}:Mine"])]
    made = configure(MethodRequest.parse("mine+sam:strength=2"))
    assert made.label == "mine+sam (mine.strength=2.0)"
    assert summary(registered()["mine"]) == Summary(
        "Mine is the best.", "Me, 2026", ("after_step",), (("strength", "1.0", "float", ""),)
    )
    mine = configure(MethodRequest("mine", {}))
    write(file, PLUGIN.format(name="mine") + "\nEDITED = 1\n")
    assert source_fingerprint(mine.plugin) != mine.source


@pytest.mark.usefixtures("_fresh_registry")
@pytest.mark.parametrize("file", ["mine.py", "my-method.py", "my.method.py", "1 method.py"])
def test_the_class_of_a_plugin_is_known_if_there_is_one_whatever_the_file_is_called(tmp_path: Path, file: str) -> None:
    text = "from methods.vanilla import Vanilla\n" + PLUGIN.format(name="mine")
    load_plugin(str(write(tmp_path / file, text)))
    assert configure(MethodRequest("mine", {})).cls.__name__ == "Mine"
    assert summary(registered()["mine"]).text == "Mine is the best."


@pytest.mark.usefixtures("_fresh_registry")
def test_a_base_class_without_a_name_is_no_second_method(tmp_path: Path) -> None:
    load_plugin(str(write(tmp_path / "mine.py", TWO.format(first="", second="two"))))
    assert configure(MethodRequest("two", {})).cls.__name__ == "Second"


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
@pytest.mark.parametrize(
    ("head", "encoding"),
    [("", "utf-8"), ("", "utf-8-sig"), ("# -*- coding: latin-1 -*-\n", "latin-1"), ("# coding: cp1252\n", "cp1252")],
)
def test_a_plugin_and_its_helper_are_read_in_the_encoding_that_they_declare(
    tmp_path: Path, head: str, encoding: str
) -> None:
    text = PLUGIN.format(name="mine").replace("Mine is the best.", "Caf\xe9 is the best.")
    (tmp_path / "mine.py").write_text(f"{head}import outer_helper\n{text}", encoding=encoding)
    (tmp_path / "outer_helper.py").write_text(f"{head}TEXT = '\xe9'\n", encoding=encoding)
    load_plugin(str(tmp_path / "mine.py"))
    made = configure(MethodRequest("mine", {}))
    assert str(made.cls.__doc__).startswith("Caf\xe9 is the best.")
    assert summary(registered()["mine"]).text == "Caf\xe9 is the best."


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
@pytest.mark.parametrize(
    ("text", "spec", "sentence"),
    [
        (
            PLUGIN.format(name="roast"),
            "mine.py:Mine",
            r"calls itself 'roast', and so does methods.roast:RoAST; give it",
        ),
        (PLUGIN.format(name="a+b"), "mine.py:Mine", r"calls itself 'a\+b'. Name it with letters, digits"),
        (PLUGIN.format(name=""), "mine.py:Mine", "calls itself ''"),
        (PLUGIN.format(name="mine"), "mine.py:Mien", r"mine.py has no method class 'Mien'. Did you mean 'Mine'\?"),
        (PLUGIN.format(name="mine"), "mine.py:dataclass", "mine.py has no method class 'dataclass'"),
        (PLUGIN.format(name="mine"), "lost.py", r"file not found: .*lost.py. Write file.py or file.py:Class"),
        (PLUGIN.format(name="mine"), "lost.py:Mine", r"file not found: .*lost.py. Write file.py or file.py:Class"),
        (
            TWO.format(first="one", second="two"),
            "mine.py",
            r"mine.py defines First, Second. Write for example .*/mine.py:First",
        ),
        (
            "from methods.vanilla import Vanilla",
            "mine.py",
            "mine.py defines no method. A method is a class that inherits",
        ),
        (
            "\nimport no_such_module",
            "mine.py:Mine",
            r"does not import: mine.py, line 2: ModuleNotFoundError: No module",
        ),
        ("x = 1\ny = (", "mine.py:Mine", r"does not import: mine.py, line 2: '\(' was never closed"),
        ("x = 1\ny = (", "mine.py", r"does not import: mine.py, line 2: '\(' was never closed"),
        ("import broken_helper", "mine.py", r"does not import: broken_helper.py, line 3: invalid syntax"),
        ("def f():\n    import broken_helper", "mine.py", r"does not import: broken_helper.py, line 3: invalid syntax"),
        ("import failing_helper", "mine.py", r"does not import: failing_helper.py, line 2: KeyError: 'lost'"),
        ("import sys\nsys.exit(0)", "mine.py", r"does not import: mine.py, line 2: SystemExit: 0"),
        ("x = 1\n# caf\xe9", "mine.py", r"does not import: mine.py, line 2: not utf-8 text"),
        ("# coding: klingon", "mine.py", r"does not import: mine.py, line 1: unknown encoding: klingon"),
    ],
)
def test_a_file_that_is_no_plugin_is_one_sentence(tmp_path: Path, text: str, spec: str, sentence: str) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="latin-1")
    write(tmp_path / "broken_helper.py", "x = 1\n\nx = = 1")
    write(tmp_path / "failing_helper.py", "x = {}\nx['lost']")
    before = list(registered())
    with pytest.raises(TemperError, match=sentence):
        load_plugin(f"{tmp_path}/{spec}")
    assert list(registered()) == before


@pytest.mark.usefixtures("_fresh_registry")
def test_two_files_with_one_name_are_both_named(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "mine.py", PLUGIN.format(name="mine"))
    load_plugin(f"{tmp_path}/a/mine.py:Mine")
    with pytest.raises(UsageError, match=r"b/mine.py:Mine calls itself 'mine', and so does .*/a/mine.py:Mine;"):
        load_plugin(f"{tmp_path}/b/mine.py:Mine")


@pytest.mark.usefixtures("_fresh_registry")
def test_a_file_is_loaded_again_only_if_it_has_not_changed(tmp_path: Path) -> None:
    file = write(tmp_path / "mine.py", "import absent_package\n")
    with pytest.raises(TemperError, match="No module named 'absent_package'"):
        load_plugin(str(file))
    write(file, PLUGIN.format(name="mine"))
    load_plugin(str(file))
    load_plugin(f"{file}:Mine")
    assert loaded_plugins() == [f"{file}:Mine"]
    write(file, PLUGIN.format(name="mine").replace("strength: float = 1.0", "strength: float = 21.5"))
    changed = r"mine\.py has changed since this process imported it\. Start Python again"
    with pytest.raises(UsageError, match=f"^--plugin .*: {changed}"):
        load_plugin(str(file))
    with pytest.raises(UsageError, match=f"^Method 'mine': {changed}"):
        configure(MethodRequest("mine", {}))


SIBLINGS = """
from dataclasses import dataclass
from typing import ClassVar

import outer_helper
from inner_parts.scaling import scaled
from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Mine(Method):
    name: ClassVar[str] = "{name}"

    def strength(self):
        from late_helper import LATE

        return scaled(outer_helper.ONE + LATE)
"""


@pytest.fixture
def _own_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a plugin's folder brings is gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(
            ("outer_helper", "inner_parts", "late_helper", "deep_helper", "broken_helper", "failing_helper")
        ):
            del sys.modules[name]


def write_siblings(folder: Path, name: str = "mine") -> Path:
    (folder / "inner_parts").mkdir(parents=True)
    write(folder / "outer_helper.py", "import deep_helper\nONE = deep_helper.ONE\n")
    write(folder / "deep_helper.py", "ONE = 1\n")
    write(folder / "late_helper.py", "LATE = 2\n")
    write(folder / "unused_helper.py", "raise RuntimeError\n")
    write(folder / "inner_parts/__init__.py", "")
    write(folder / "inner_parts/scaling.py", "from .factor import TEN\ndef scaled(x):\n    return TEN * x\n")
    write(folder / "inner_parts/factor.py", "TEN = 10\n")
    return write(folder / "mine.py", SIBLINGS.format(name=name))


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
def test_a_plugins_file_imports_those_beside_it_and_all_of_them_count(tmp_path: Path) -> None:
    load_plugin(f"{write_siblings(tmp_path)}:Mine")
    mine = configure(MethodRequest("mine", {}))
    assert mine.make().strength() == 30  # type: ignore[attr-defined]
    for name in ("outer_helper", "deep_helper", "late_helper", "inner_parts/scaling", "inner_parts/factor"):
        path = tmp_path / f"{name}.py"
        text = path.read_text()
        write(path, text + "\nEDITED = 1\n")
        assert source_fingerprint(mine.plugin) != mine.source, name
        write(path, text)
    write(tmp_path / "unused_helper.py", "edited = True")
    assert configure(MethodRequest("mine", {})).source == mine.source


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
def test_an_edited_file_beside_a_plugin_is_refused_for_every_plugin_that_imports_it(tmp_path: Path) -> None:
    load_plugin(str(write_siblings(tmp_path)))
    write(tmp_path / "deep_helper.py", "ONE = 1_000\n")
    other = write(tmp_path / "other.py", "import deep_helper\n" + PLUGIN.format(name="other"))
    with pytest.raises(UsageError, match=r"^--plugin .*other\.py: deep_helper\.py has changed since"):
        load_plugin(str(other))
    with pytest.raises(UsageError, match=r"^Method 'mine': deep_helper\.py has changed since"):
        configure(MethodRequest("mine", {}))


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
@pytest.mark.parametrize("name", ["random", "time", "rich", "methods"])
def test_a_file_beside_a_plugin_takes_no_installed_packages_place(tmp_path: Path, name: str) -> None:
    write(tmp_path / f"{name}.py", "x = 1")
    text = f"import {name}\n" + PLUGIN.format(name="mine")
    file = write(tmp_path / "mine.py", text)
    with pytest.raises(UsageError, match=rf"imports '{name}', which is .* and not the file of that name next to mine"):
        load_plugin(f"{file}:Mine")
    assert "mine" not in registered()
    write(file, PLUGIN.format(name="mine"))
    load_plugin(f"{file}:Mine")
    assert Path(str(importlib.import_module("rich").__file__)).parent.name == "rich"


@pytest.mark.usefixtures("_fresh_registry", "_own_path")
def test_two_plugins_with_helpers_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = (write_siblings(tmp_path / folder, name) for folder, name in (("a", "one"), ("b", "two")))
    load_plugin(f"{first}:Mine")
    with pytest.raises(UsageError, match=r"b/mine.py:Mine imports 'deep_helper', which is .*/a/deep_helper.py and not"):
        load_plugin(f"{second}:Mine")
    assert "two" not in registered()


@pytest.mark.usefixtures("_fresh_registry")
def test_an_installed_package_brings_its_methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write what an installer writes: the package, and next to it a folder of metadata with its entry points."""
    (tmp_path / "elsewhere").mkdir()
    write(tmp_path / "elsewhere/__init__.py", "raise RuntimeError('listing must not run this')")
    helper = write(tmp_path / "elsewhere/helper.py", "x = 1")
    write(tmp_path / "elsewhere/mine.py", PLUGIN.format(name="elsewhere") + "\nfrom elsewhere.helper import x\n")
    metadata = tmp_path / "elsewhere-1.0.dist-info"
    metadata.mkdir()
    write(metadata / "METADATA", "Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    write(metadata / "entry_points.txt", "[temper.methods]\nelsewhere = elsewhere.mine:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    registered.cache_clear()
    assert summary(registered()["elsewhere"]) == Summary(
        "Mine is the best.", "Me, 2026", ("after_step",), (("strength", "1.0", "float", ""),)
    )
    write(tmp_path / "elsewhere/__init__.py", "")
    made = configure(MethodRequest.parse("elsewhere:strength=3"))
    assert made.make().strength == 3.0
    assert made.label == "elsewhere (strength=3.0)"
    write(helper, "x = 2")
    assert configure(MethodRequest("elsewhere", {})).source != made.source


def test_a_hyperparameter_without_a_default_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(method_registry, "_plugins", {})
    text = PLUGIN.format(name="bare").replace("strength: float = 1.0", "strength: float")
    load_plugin(f"{write(tmp_path / 'bare.py', text)}:Mine")
    try:
        with pytest.raises(TemperError, match="'bare' has no default for strength"):
            configure(MethodRequest("bare", {}))
    finally:
        monkeypatch.undo()
        registered.cache_clear()


def test_two_files_of_one_name_both_count_and_so_do_helpers_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package, body in (
        ("ours", "from methods.vanilla import Vanilla\nfrom . import helper\nclass A(Vanilla):\n    name = 'a'\n"),
        ("theirs", "import ours.method\nclass B(ours.method.A):\n    name = 'b'\n"),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "method.py").write_text(body)
    (tmp_path / "ours/helper.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    cls = importlib.import_module("theirs.method").B
    before = source_fingerprint(cls)
    seen = {before}
    for file in ("theirs/method.py", "ours/method.py", "ours/helper.py"):
        path = tmp_path / file
        path.write_text(path.read_text() + "EDITED = 1\n")
        seen.add(source_fingerprint(cls))
    assert len(seen) == 4


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        (float | None, "0.5", 0.5),
        (float | None, "none", None),
        (int | None, "3", 3),
        (Literal["mean", "sum"], "sum", "sum"),
        (bool, "True", True),
        (str, "none", "none"),
        (str, "5", "5"),
        (int | str, "5", 5),
        (float, "5", 5.0),
        (Literal[1, 2], "2", 2),
        (Annotated[float, Gt(0), "anything else"], "1e-3", 1e-3),
    ],
)
def test_text_is_read_as_the_field_declares(declared: object, text: str, value: object) -> None:
    found = HyperparameterField(declared, None).parse("m", "k", text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("declared", "value", "sentence"),
    [
        (float, "x", "m:k=x: k must be a finite number."),
        (bool, 3, "m:k=3: k must be true or false."),
        (int, 2.5, "m:k=2.5: k must be an integer."),
        (int, True, "m:k=True: k must be an integer."),
        (float, float("inf"), "m:k=inf: k must be a finite number."),
        (float | None, "x", "m:k=x: k must be a finite number or none."),
        (Literal["mean", "sum"], "max", "m:k=max: k must be 'mean' or 'sum'."),
        (Literal["mean", "sum", "max"], "men", "m:k=men: k must be 'mean', 'sum' or 'max'. Did you mean 'mean'?"),
        (Annotated[float, Gt(0), Le(1)], 1.5, "m:k=1.5: k must be a finite number > 0 and <= 1."),
        (Annotated[float, Interval(ge=0, lt=1)], 1.0, "m:k=1.0: k must be a finite number >= 0 and < 1."),
        (Annotated[int, Field(ge=1)] | None, 0, "m:k=0: k must be an integer >= 1 or none."),
        (PositiveFloat, 0.0, "m:k=0.0: k must be a finite number > 0."),
        (Annotated[int, MultipleOf(2)], 3, "m:k=3: k must be an integer. Input should be a multiple of 2."),
    ],
)
def test_a_value_that_does_not_fit_its_field_is_named(declared: object, value: object, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        HyperparameterField(declared, None).check("m", "k", value)
    assert str(caught.value) == sentence


def test_a_plugins_own_complaint_about_its_values_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(kw_only=True, eq=False)
    class Picky(Vanilla):
        name: ClassVar[str] = "picky"
        strength: float = 1.0

        def __post_init__(self) -> None:
            if self.strength > 1:
                raise ValueError("too strong")

    monkeypatch.setattr(method_registry, "_load", lambda _name: Picky)
    with pytest.raises(UsageError, match=r"'picky' does not take.*too strong"):
        configure(MethodRequest("picky", {"strength": "2"}))
