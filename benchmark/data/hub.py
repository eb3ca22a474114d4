"""Data sets of the Hugging Face Hub, from the Hub itself or from a local mirror in the Hub's own layout.

A mirror is a folder, named by the environment variable ``TEMPER_MIRROR``, that holds
``<owner>/<name>/[<configuration>/]<split>-00000-of-00001.parquet``. It is read with pyarrow as it stands: the Hub's
loader gives the same rows but would first copy them into its cache.
"""

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from benchmark.data.readers import Row, Table, read_rows, require_columns
from benchmark.data.spec import DataSpec
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError, nearest

MIRROR_VARIABLE = "TEMPER_MIRROR"
_SHARD = re.compile(r"(?P<split>\w+(?:[.]\w+)*)-(?P<index>\d{5})-of-(?P<total>\d{5})[.]parquet")
_BATCH = 4096


class HubAnswerError(UnavailableError):
    """The Hub was asked for a data set and did not give it; the message ends with what it said."""


def mirror_root() -> Path | None:
    """The mirror's folder, or None where no mirror is set.

    Raises:
        UnavailableError: the variable names something that is not a folder.
    """
    value = os.environ.get(MIRROR_VARIABLE)
    if not value:
        return None
    root = Path(value).expanduser()
    if not root.is_dir():
        raise UnavailableError(f"{MIRROR_VARIABLE} is {value!r}, which is not a folder. Correct it or unset it.")
    return root


def mirror_problem() -> str:
    """Return why there is no mirror on this machine, and what to do about it; empty where there is one."""
    if not os.environ.get(MIRROR_VARIABLE):
        return (
            f"{MIRROR_VARIABLE} is not set. Set it to the folder of a mirror, or to an empty one that `hf` is to fill."
        )
    try:
        mirror_root()
    except UnavailableError as error:
        return str(error)
    return ""


def mirror_shards(spec: DataSpec, root: Path) -> tuple[Path, ...]:
    """The mirror's files of a split, in order; empty where the mirror does not hold the split.

    Raises:
        IntegrityError: some of the split's files are missing.
    """
    for folder in _folders(spec, root):
        shards = sorted(path for path in _parquets(folder) if _split(path) == spec.split)
        if shards:
            _refuse_gaps(shards, folder)
            return tuple(shards)
    return ()


def mirror_rows(spec: DataSpec) -> Iterator[Row]:
    """Rows of a split from the mirror.

    Raises:
        UnavailableError: no mirror is set, or it does not hold the split; the message says how to get it.
    """
    root = mirror_root()
    shards = () if root is None else mirror_shards(spec, root)
    if not shards:
        raise UnavailableError(_missing(spec, root))
    for shard in shards:
        with shard.open("rb") as stream:
            yield from read_rows(stream, "parquet", Table(f"{spec.place} ({shard})", spec.needed))


def hub_rows(spec: DataSpec) -> Iterator[Row]:
    """Rows of a split from the mirror where it holds the split, from the Hub otherwise.

    Raises:
        UnavailableError: neither has it within reach.
        UsageError: the Hub has no such configuration, split or column.
    """
    root = mirror_root()
    if root is not None and mirror_shards(spec, root):
        yield from mirror_rows(spec)
        return
    dataset = _load(spec, root)
    require_columns(Table(spec.place, spec.needed), dataset.column_names)
    for batch in dataset.select_columns(list(spec.needed)).with_format("arrow").iter(batch_size=_BATCH):
        yield from batch.to_pylist()


def _load(spec: DataSpec, root: Path | None) -> Any:
    import datasets

    with _as_offline_as_temper(datasets):
        try:
            return datasets.load_dataset(spec.repository, spec.configuration, split=spec.split, revision=spec.revision)
        except OSError as error:  # covers a Hub out of reach, an unknown or gated repository, an empty cache
            kind = UnavailableError if datasets.config.HF_HUB_OFFLINE else HubAnswerError
            raise kind(f"{_missing(spec, root)} (The Hub said: {_first_line(error)})") from error
        except ValueError as error:
            # What the loader says offline of a data set that it has in another configuration only.
            if "cache" in str(error):
                raise UnavailableError(f"{_missing(spec, root)} (The Hub said: {_first_line(error)})") from error
            raise UsageError(f"{spec.place}: {_first_line(error)}; correct configuration or split.") from error


@contextmanager
def _as_offline_as_temper(datasets: Any) -> Iterator[None]:
    """Let TEMPER_OFFLINE=1 hold for the Hub's loader too, which reads its own switch at import and never again.

    Where the Hub cannot be reached it is offline as well: the loader would try for half a minute for each set.
    """
    from benchmark.resources import offline

    before = datasets.config.HF_HUB_OFFLINE
    datasets.config.HF_HUB_OFFLINE = before or offline() or not _hub_in_reach()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = before


@cache
def _hub_in_reach() -> bool:
    """Whether the Hub's host answers; behind a proxy, which only the loader knows how to use, it is taken to."""
    if getproxies():
        return True
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _folders(spec: DataSpec, root: Path) -> tuple[Path, ...]:
    """Where a repository keeps a split: in the configuration's folder; without one, at the top or in ``data``."""
    repository = root / str(spec.repository)
    return (repository / spec.configuration,) if spec.configuration else (repository, repository / "data")


def _parquets(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _SHARD.fullmatch(path.name)] if folder.is_dir() else []


def _split(path: Path) -> str:
    found = _SHARD.fullmatch(path.name)
    return found["split"] if found else ""


def _refuse_gaps(shards: list[Path], folder: Path) -> None:
    """Every file says of how many it is one; with one missing the split would silently be another data set."""
    split, total = _split(shards[0]), int(shards[0].name.removesuffix(".parquet").rpartition("-")[2])
    expected = [f"{split}-{index:05d}-of-{total:05d}.parquet" for index in range(total)]
    if [path.name for path in shards] != expected:
        raise IntegrityError(f"{folder} holds {len(shards)} of the {total} files of split {split!r}; get the others.")


def download_command(spec: DataSpec) -> str:
    """The command that brings a data set of the Hub into the mirror."""
    target = f'"${MIRROR_VARIABLE}/{spec.repository}"'
    return f"hf download --repo-type dataset {spec.repository} --local-dir {target}"


def _missing(spec: DataSpec, root: Path | None) -> str:
    """What is not there, and the command that gets it."""
    command = f"`{download_command(spec)}`"
    if root is None:
        return f"{spec.place} is not on this machine: set {MIRROR_VARIABLE} to a folder and run {command}."
    held = {_split(path) for folder in _folders(spec, root) for path in _parquets(folder)}
    if held:
        hint = nearest(str(spec.split), held)
        return f"The mirror {root} has other splits than that of {spec.place}. {hint} Get it by {command}."
    return f"The mirror {root} does not hold {spec.place}; get it by {command}."


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
