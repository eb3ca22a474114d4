"""The adversarial texts of an attack table, to be tried on another model."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from benchmark.schema.errors import IntegrityError, UsageError

_COLUMNS = ("id", "outcome", "original", "perturbed")


@dataclass(frozen=True, slots=True)
class Replay:
    """What an attack made of examples.

    Attributes:
        place: The table's file, for error messages.
        texts: Id of an example to its original and to the text that flipped the model; None where none did.
    """

    place: str
    texts: Mapping[str, tuple[str, str | None]]

    def text(self, id: str, original: str) -> str | None:
        """The text that flipped the model on an example; None if the attack did not succeed on it.

        Raises:
            UsageError: the table was made with other examples.
        """
        known = self.texts.get(id)
        if known is None or known[0] != original:
            what = "no row for" if known is None else "another text for"
            raise UsageError(
                f"{self.place} has {what} example {id!r}; replay the table on the examples that it was made with."
            )
        return known[1]


def read_replay(path: Path) -> Replay:
    """Read an attack table, parquet.

    Raises:
        UsageError: there is no such file.
        IntegrityError: it is not an attack table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _require(path)
    try:
        rows = pq.ParquetFile(path).read(columns=list(_COLUMNS)).to_pylist()
        listed = {
            row["id"]: (row["original"], row["perturbed"] if row["outcome"] == "flipped" else None) for row in rows
        }
    except (pa.ArrowException, KeyError, OSError) as error:
        raise IntegrityError(f"{path}: not an attack table ({error}); name the table of a finished attack.") from error
    return Replay(str(path), listed)


def replay_identity(path: Path) -> str:
    """``sha256:`` of a table's bytes.

    Raises:
        UsageError: there is no such file.
    """
    _require(path)
    return "sha256:" + sha256(path.read_bytes()).hexdigest()


def _require(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"{path}: there is no such attack table; name the parquet file of a finished attack.")
