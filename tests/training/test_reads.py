"""Files that a method reads besides backbone and data enter its training key; compositions name them by member."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from benchmark.execution.cells import Row, train_spec
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.execution.workload import Workload, materialise
from benchmark.lexicons import Lexicon
from benchmark.models.backbones import Backbone
from benchmark.schema import fingerprint
from benchmark.schema.errors import UsageError
from benchmark.suites import load_suite
from benchmark.training.composition import compose
from methods.ascc import ASCC
from methods.rift import RIFT
from methods.sam import SAM
from methods.vanilla import Vanilla
from tests.support.tiny_suite import write_tiny_suite

BACKBONE = Backbone("tiny", "folder:tiny", "0", Path("nowhere"))


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path) -> Workload:
    return materialise(load_suite(str(write_tiny_suite(tmp_path_factory.mktemp("suite"), tiny_backbone))))


def spec(work: Workload, method: str) -> dict[str, Any]:
    return train_spec(Row(configure(MethodRequest.parse(method)), BACKBONE, 0), work)


def write(path: Path, neighbours: dict) -> Path:
    path.write_text(json.dumps(neighbours))
    return path


@pytest.mark.parametrize("method", ["ascc", "rift"])
def test_the_lexicons_contents_are_in_the_key(work: Workload, tmp_path: Path, method: str) -> None:
    path = write(tmp_path / "n.json", {"good": ["great"]})
    asked = f"{method}:lexicon={path}"
    first = spec(work, asked)
    assert first["method"]["reads"] == {"lexicon": Lexicon.read(path).fingerprint}
    assert fingerprint(spec(work, asked)) == fingerprint(first)
    write(path, {"good": ["fine"]})
    second = spec(work, asked)
    assert fingerprint(second) != fingerprint(first)
    assert {**second["method"], "reads": None} == {**first["method"], "reads": None}


def test_a_method_that_reads_nothing_has_the_key_that_it_had(work: Workload) -> None:
    assert Vanilla().reads(BACKBONE) == {}
    assert set(spec(work, "vanilla")["method"]) == {"name", "version", "source", "hyperparameters"}


def test_a_composition_names_what_each_member_reads(work: Workload) -> None:
    @dataclass(kw_only=True, eq=False)
    class Reader(Vanilla):
        name: ClassVar[str] = "reader"

        def reads(self, backbone: Backbone) -> dict[str, str]:
            return {"head": f"of {backbone.name}"}

    lexicon = ASCC().reads(BACKBONE)["lexicon"]
    composed = compose([Reader, ASCC, SAM])()
    assert composed.reads(BACKBONE) == {"reader.head": "of tiny", "ascc.lexicon": lexicon}
    assert spec(work, "ascc+sam")["method"]["reads"] == {"ascc.lexicon": lexicon}


@pytest.mark.parametrize("method", [ASCC, RIFT])
def test_a_lexicon_that_is_not_there_is_told_before_training(method: type[ASCC]) -> None:
    with pytest.raises(UsageError, match=r"There is no lexicon 'none\.json'"):
        method(lexicon="none.json").reads(BACKBONE)
