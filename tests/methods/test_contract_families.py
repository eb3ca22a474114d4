"""The contract on the two families that differ most from BERT: GPT-2 (causal) and XLNet (padded left, time first)."""

from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.testing import MethodContract
from tests.support.families import write_tiny_family

pytestmark = pytest.mark.slow
METHODS = ("freelb", "hiddencut", "lp_ft", "mixout", "roast", "rose-ensemble", "sam")


class Contract(MethodContract):
    family: ClassVar[str]
    __test__ = False

    @classmethod
    def write_backbone(cls, folder: Path) -> Path:
        return write_tiny_family(cls.family, folder)


for _family in ("gpt2", "xlnet"):
    for _method in METHODS:
        _name = f"Test_{_family}_{_method.replace('-', '_')}"
        _body = {"method": _method, "family": _family, "__test__": True, "__module__": __name__}
        globals()[_name] = type(_name, (Contract,), _body)
