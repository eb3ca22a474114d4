"""The hyper-parameters of a method: fields of a dataclass, and nothing that only looks like one."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Optional

import pytest

from benchmark.execution import method_registry
from benchmark.execution.method_registry import MethodRequest, configure, load_plugin, registered
from benchmark.schema.errors import UsageError
from benchmark.training import Method
from methods.roast import RoAST

if TYPE_CHECKING:
    from decimal import Decimal


class Undecorated(Method):
    strength: float = 0.5


class UndecoratedChild(RoAST):
    alpha: float = 0.6


class Quoted(Method):
    strength: "float" = 0.5


class Mixin:
    strength: float = 0.5


@dataclass(kw_only=True, eq=False)
class Mixed(Mixin, Method):
    rate: float = 0.1


@dataclass(kw_only=True, eq=False)
class Untyped(RoAST):
    alpha = 0.6


@pytest.mark.parametrize("read", ["defaults", "hyperparameter_fields", "__init__"])
@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Undecorated, "Class Undecorated in .*test_method.py declares strength and is not a dataclass, so the value"),
        (UndecoratedChild, "Class UndecoratedChild in .* declares alpha and is not a dataclass"),
        (Quoted, "Class Quoted in .* declares strength and is not a dataclass"),
        (Mixed, r"Class Mixin in .* declares strength and .* Write @dataclass\(kw_only=True, eq=False\) above"),
        (Untyped, "Class Untyped in .* sets alpha without a type, so the default of the base class would be used"),
    ],
)
def test_a_hyperparameter_that_would_be_ignored_is_refused(cls: type[Method], sentence: str, read: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cls() if read == "__init__" else getattr(cls, read)()


@dataclass(kw_only=True, eq=False)
class Sound(Method):
    name: ClassVar[str] = "sound"
    text: "ClassVar[str]" = "not a hyper-parameter"
    strength: float = 0.5
    mode: Literal["a", "b"] = "a"
    bound: Optional[int] = None  # noqa: UP045
    other: int | None = None
    state: list[Any] = field(default_factory=list, init=False)
    _own: dict[str, int] = field(default_factory=dict, init=False)


class Renamed(Sound):
    name = "renamed"
    limit: ClassVar[int] = 3
    _note: str = "state"


@pytest.mark.parametrize("cls", [Sound, Renamed])
def test_class_variables_state_and_private_names_are_no_hyperparameters(cls: type[Method]) -> None:
    assert cls.defaults() == {"strength": 0.5, "mode": "a", "bound": None, "other": None}
    assert cls.hyperparameter_fields().keys() == cls.defaults().keys()
    assert cls(strength=0.25).hyperparameters()["strength"] == 0.25


@dataclass(kw_only=True, eq=False)
class Listed(Method):
    lr: list[float] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Unresolved(Method):
    lr: "Decimal" = 1  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Listed, r"Class Listed in .*: the hyper-parameter lr is declared as list\[float\]. Declare it as bool, int,"),
        (Unresolved, "Class Unresolved in .*: an annotation names 'Decimal', which is not defined"),
    ],
)
def test_a_type_that_no_record_can_hold_is_refused(cls: type[Method], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        cls.hyperparameter_fields()


PLUGIN = '''
from benchmark.training import Method


class Mine(Method):
    """Mine."""

    name = "undecorated"
    strength: float = 0.5
'''


@pytest.mark.parametrize("packaged", [False, True])
def test_a_plugin_and_a_package_without_the_decorator_are_refused(
    packaged: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_registry, "_plugins", {})
    (tmp_path / "undecorated.py").write_text(PLUGIN)
    if packaged:
        metadata = tmp_path / "undecorated-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: undecorated\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text("[temper.methods]\nundecorated = undecorated:Mine\n")
        monkeypatch.syspath_prepend(tmp_path)
        registered.cache_clear()
    else:
        load_plugin(f"{tmp_path / 'undecorated.py'}:Mine")
    with pytest.raises(UsageError, match=r"Class Mine in .*undecorated.py declares strength and is not a dataclass"):
        configure(MethodRequest("undecorated", {}))
    registered.cache_clear()
