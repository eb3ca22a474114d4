"""How a data set is got that is not on this machine: the same sentence everywhere, for it stands in records."""

from benchmark.data.hub import download_command
from benchmark.data.spec import DataSpec


def obtaining(spec: DataSpec) -> str:
    """What to do to have a data set: a command in backquotes, or for a file of the suite's own, words."""
    if spec.source == "file":
        return f"put {spec.path} beside the suite file"
    if spec.source == "artifact":
        return f"`temper resources fetch {spec.resource}`"
    return f"`{download_command(spec)}`"


def absence(spec: DataSpec) -> str:
    """Why a probe was not measured, in words that no path of a machine is part of."""
    rows = "" if spec.rows is None else f" with its {spec.rows} rows"
    return f"The data, {spec.place}{rows}, was not at hand; {obtaining(spec)} and the same run fill this in."
