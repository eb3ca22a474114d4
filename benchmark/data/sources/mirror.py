"""The source `mirror`: data sets of the Hugging Face Hub in a local folder with the Hub's layout.

The environment variable ``TEMPER_MIRROR`` names the folder. It holds
``<owner>/<name>/[<configuration>/]<split>-00000-of-00001.parquet``. pyarrow reads the files in place: the Hub's loader
returns the same rows but first copies them into its cache.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from benchmark.data.readers import Row, Table, read_rows
from benchmark.data.source import Source, source
from benchmark.resources import expanded
from benchmark.schema.base import doc
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError, nearest

MIRROR_VARIABLE = "TEMPER_MIRROR"
_SHARD = re.compile(r"(?P<split>\w+(?:[.]\w+)*)-(?P<index>\d{5})-of-(?P<total>\d{5})[.]parquet")


def mirror_root() -> Path | None:
    """Return the mirror's folder, or None if no mirror is set.

    Raises:
        UnavailableError: the variable does not name a folder.
    """
    value = os.environ.get(MIRROR_VARIABLE)
    if not value:
        return None
    try:
        root = expanded(value)
    except UsageError as error:
        raise UnavailableError(f"{MIRROR_VARIABLE}: {error}") from error
    if not root.is_dir():
        raise UnavailableError(f"{MIRROR_VARIABLE} is {value!r}, which is not a folder. Correct it or unset it.")
    return root


def mirror_problem() -> str:
    """Return why there is no mirror on this machine and what to do about it; empty if there is one."""
    if not os.environ.get(MIRROR_VARIABLE):
        return (
            f"{MIRROR_VARIABLE} is not set. Set it to the folder of a mirror, or to an empty folder for `hf download`."
        )
    try:
        mirror_root()
    except UnavailableError as error:
        return str(error)
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSplit(Source):
    """The keys of a split of a data set of the Hub, and its files in the mirror."""

    repository: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:[\w-][\w.-]*/[\w-][\w.-]*)$"), Field(title="'owner/name'")
        ],
        doc("the data set's id."),
    ]
    configuration: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:[\w-][\w.-]*)$"), Field(title="a name without slashes")
        ]
        | None,
        doc("the data set's configuration."),
    ] = None
    split: Annotated[
        Annotated[
            str, StringConstraints(strict=True, pattern=r"^(?:\w+([.]\w+)*)$"), Field(title="the name of a whole split")
        ],
        doc("which split."),
    ]

    @property
    def place(self) -> str:
        """The data set, its configuration and the split."""
        return " ".join(filter(None, (self.repository, self.configuration, self.split)))

    def how_to_get(self) -> str:
        """Return the command that downloads the data set into the mirror, in backquotes."""
        target = f'"${MIRROR_VARIABLE}/{self.repository}"'
        return f"`hf download --repo-type dataset {self.repository} --local-dir {target}`"

    def shards(self, root: Path) -> tuple[Path, ...]:
        """List the mirror's files of the split, in order; empty if the mirror does not hold the split.

        Raises:
            IntegrityError: some of the split's files are missing.
        """
        for folder in self._folders(root):
            shards = sorted(path for path in _parquets(folder) if _split(path) == self.split)
            if shards:
                _refuse_gaps(shards, folder)
                return tuple(shards)
        return ()

    def shard_rows(self, shards: tuple[Path, ...], needed: tuple[str, ...]) -> Iterator[Row]:
        """Yield the rows of the mirror's files."""
        for shard in shards:
            with shard.open("rb") as stream:
                yield from read_rows(stream, "parquet", Table(f"{self.place} ({shard})", needed))

    def missing_message(self, root: Path | None) -> str:
        """Return a sentence that names the missing split and the command that downloads it."""
        command = self.how_to_get()
        if root is None:
            return f"{self.place} is not on this machine: set {MIRROR_VARIABLE} to a folder and run {command}."
        splits = {_split(path) for folder in self._folders(root) for path in _parquets(folder)}
        if splits:
            hint = nearest(self.split, splits)
            return f"The mirror {root} does not hold the split of {self.place}. {hint} Get it with {command}."
        return f"The mirror {root} does not hold {self.place}. Get it with {command}."

    def _folders(self, root: Path) -> tuple[Path, ...]:
        """Return the folders that may hold the split: the configuration's; without one, the top one and ``data``."""
        repository = root / self.repository
        return (repository / self.configuration,) if self.configuration else (repository, repository / "data")


@source("mirror", can_be_partial=True)
class Mirror(HubSplit):
    """Only the local mirror."""

    def rows(self, needed: tuple[str, ...], base: Path | None) -> Iterator[Row]:
        """Yield the rows of the split from the mirror; `base` is ignored."""
        root = mirror_root()
        shards = () if root is None else self.shards(root)
        if not shards:
            raise UnavailableError(self.missing_message(root))
        return self.shard_rows(shards, needed)


def _parquets(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _SHARD.fullmatch(path.name)] if folder.is_dir() else []


def _split(path: Path) -> str:
    match = _SHARD.fullmatch(path.name)
    return match["split"] if match else ""


def _refuse_gaps(shards: list[Path], folder: Path) -> None:
    """Refuse an incomplete split; each file name holds the total number of files."""
    split, total = _split(shards[0]), int(shards[0].name.removesuffix(".parquet").rpartition("-")[2])
    expected = [f"{split}-{index:05d}-of-{total:05d}.parquet" for index in range(total)]
    if [path.name for path in shards] != expected:
        raise IntegrityError(f"{folder} holds {len(shards)} of the {total} files of split {split!r}. Get the others.")
