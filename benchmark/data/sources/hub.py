"""The source `hub`: data sets of the Hugging Face Hub, or of the local mirror if that holds them."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from benchmark.data.readers import Row, Table, require_columns
from benchmark.data.source import source
from benchmark.data.sources.mirror import HubSplit, mirror_root
from benchmark.schema.base import Words, doc
from benchmark.schema.errors import UnavailableError, UsageError

_BATCH = 4096


class HubAnswerError(UnavailableError):
    """The Hub refused or failed to serve a data set; the message ends with the Hub's reason."""


@source("hub", can_be_partial=True)
class Hub(HubSplit):
    """A data set of the Hugging Face Hub, or of a local mirror that holds it."""

    revision: Annotated[Words | None, doc("commit, tag or branch. A mirror holds one revision and ignores it.")] = None

    def rows(self, needed: tuple[str, ...], base: Path | None) -> Iterator[Row]:
        """Yield the rows of the split, from the mirror if it holds it and otherwise from the Hub; `base` is ignored.

        Raises:
            UnavailableError: the mirror does not hold the split and the Hub cannot be reached.
            UsageError: the Hub has no such configuration, split or column.
        """
        root = mirror_root()
        shards = () if root is None else self.shards(root)
        return self.shard_rows(shards, needed) if shards else self._hub_rows(needed, root)

    def _hub_rows(self, needed: tuple[str, ...], root: Path | None) -> Iterator[Row]:
        dataset = self._load(root)
        require_columns(Table(self.place, needed), dataset.column_names)
        for batch in dataset.select_columns(list(needed)).with_format("arrow").iter(batch_size=_BATCH):
            yield from batch.to_pylist()

    def _load(self, root: Path | None) -> Any:
        import datasets

        with _hub_offline_mode(datasets):
            try:
                return datasets.load_dataset(
                    self.repository, self.configuration, split=self.split, revision=self.revision
                )
            except OSError as error:  # covers an unreachable Hub, an unknown or gated repository, an empty cache
                kind = UnavailableError if datasets.config.HF_HUB_OFFLINE else HubAnswerError
                raise kind(f"{self.missing_message(root)} (The Hub said: {_first_line(error)})") from error
            except ValueError as error:
                # The loader raises this offline if its cache holds the data set in another configuration only.
                if "cache" in str(error):
                    message = f"{self.missing_message(root)} (The Hub said: {_first_line(error)})"
                    raise UnavailableError(message) from error
                raise UsageError(f"{self.place}: {_first_line(error)}. Correct configuration or split.") from error


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
