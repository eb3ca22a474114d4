"""Every registered method, and the compositions that the papers speak of, hold to the contract."""

from benchmark.execution.method_registry import registered
from benchmark.testing import MethodContract

COMPOSITIONS = (
    "rose-second+freelb",
    "recadam+smart",
    "child_tuning+r_drop",
    "sam+roast",
    "wconsol+mixout",
    "mvp+roast",
    "mvp+lora",
    "lora+freelb",
)
# Two steps of their attacks instead of ten take a third of the time. SWA's mean must start before the end of the first
# of two short epochs, since that one may be the best.
SETTINGS = {"ascc": "ascc:steps=2", "rift": "rift:steps=2", "swa": "swa:start=0.2"}
VARIANTS = (
    "roast:variant=released",
    "child_tuning:mode=F",
    "freelb:variant=released",
    "lp_ft:variant=released",
    "mixout:variant=released",
    "smart:variant=released",
    "ascc:variant=released:steps=2",
    "rift:variant=released:steps=2",
    "tavat:variant=released",
    "wconsol:variant=released",
    "mvp+adv_embed:space=words:norm=l2:epsilon=1:rate=1.5:random_start=true:clean=false",
)

# A soup trains nothing; test_soup.py tests it.
TRAINED = (name for name in registered() if name != "soup")

for _method in (*(SETTINGS.get(name, name) for name in TRAINED), *VARIANTS, *COMPOSITIONS):
    _name = "Test_" + "".join(c if c.isalnum() else "_" for c in _method)
    globals()[_name] = type(_name, (MethodContract,), {"method": _method, "__module__": __name__})
