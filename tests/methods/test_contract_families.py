"""The contract on families that differ most from BERT: decoders, and XLNet (padded left, time first)."""

from pathlib import Path
from typing import ClassVar

import pytest

from benchmark.testing import MethodContract
from tests.support.families import write_tiny_family
from tests.support.prompts import write_family

pytestmark = pytest.mark.slow
COMMON = ("freelb", "hiddencut", "lp_ft", "mixout", "roast")
METHODS = {
    **dict.fromkeys(("gpt2", "xlnet"), (*COMMON, "rose-ensemble")),
    # As published they have no dropout, so rose-ensemble and r_drop refuse them.
    "llama": (*COMMON, "lora", "mvp", "rose-second", "smart"),
    # Gemma has Llama's layers; what differs are its embeddings and their use as the head.
    "gemma": ("freelb", "lp_ft", "mvp", "roast", "smart"),
}


class Contract(MethodContract):
    family: ClassVar[str]
    __test__ = False

    @classmethod
    def write_backbone(cls, folder: Path) -> Path:
        return write_tiny_family(cls.family, folder)


class PromptContract(Contract):
    @classmethod
    def write_backbone(cls, folder: Path) -> Path:
        return write_family(folder, cls.family, folder)


for _family, _methods in METHODS.items():
    for _method in _methods:
        _name = f"Test_{_family}_{_method.replace('-', '_')}"
        _body = {"method": _method, "family": _family, "__test__": True, "__module__": __name__}
        globals()[_name] = type(_name, (PromptContract if _method == "mvp" else Contract,), _body)
