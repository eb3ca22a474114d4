"""The source `hub`: data sets of the Hugging Face Hub, or of the local mirror if that holds them."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from benchmark.data.readers import Row, Table, require_columns
from benchmark.data.sources.mirror import how_to_get, mirror_root, mirror_shards, missing_message
from benchmark.data.sources.mirror import rows as mirror_rows
from benchmark.data.spec import DataSpec
from benchmark.schema.errors import UnavailableError, UsageError

__all__ = ["HubAnswerError", "how_to_get", "rows"]

_BATCH = 4096


class HubAnswerError(UnavailableError):
    """The Hub refused or failed to serve a data set; the message ends with the Hub's reason."""


def rows(spec: DataSpec, base: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a split, from the mirror if it holds the split and otherwise from the Hub; `base` is ignored.

    Raises:
        UnavailableError: the mirror does not hold the split and the Hub cannot be reached.
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

    with _hub_offline_mode(datasets):
        try:
            return datasets.load_dataset(spec.repository, spec.configuration, split=spec.split, revision=spec.revision)
        except OSError as error:  # covers an unreachable Hub, an unknown or gated repository, an empty cache
            kind = UnavailableError if datasets.config.HF_HUB_OFFLINE else HubAnswerError
            raise kind(f"{missing_message(spec, root)} (The Hub said: {_first_line(error)})") from error
        except ValueError as error:
            # The loader raises this offline if its cache holds the data set in another configuration only.
            if "cache" in str(error):
                raise UnavailableError(f"{missing_message(spec, root)} (The Hub said: {_first_line(error)})") from error
            raise UsageError(f"{spec.place}: {_first_line(error)}. Correct configuration or split.") from error


@contextmanager
def _hub_offline_mode(datasets: Any) -> Iterator[None]:
    """Apply TEMPER_OFFLINE=1 to the Hub's loader, which reads its own setting only at import.

    An unreachable Hub counts as offline, because the loader would retry for half a minute per data set.
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
    """Return whether the Hub's host answers; assume so behind a proxy, which only the loader knows how to use."""
    if getproxies():
        return True
    host = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    try:
        socket.create_connection((host.hostname or "", host.port or 443), timeout=5).close()
    except OSError:
        return False
    return True


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
