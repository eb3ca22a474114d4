"""The resources of attacks: find them by name, identify them by hash, and load them on demand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from benchmark.attacks.attack_recipe import AttackRecipe
from benchmark.attacks.encoder import Encoder, SentenceEncoder
from benchmark.attacks.tagger import TAGGERS, Tagger, tagger_identity
from benchmark.attacks.token_predictions import MaskedLM, load_named, masked_lm_identity
from benchmark.lexicons import Lexicon, lexicon_fingerprint, lexicon_path
from benchmark.resources import locate, resource_fingerprint
from benchmark.schema.canonical import fingerprint
from benchmark.schema.errors import IntegrityError, TemperError, UsageError, nearest

T = TypeVar("T")

_DATA = Path(__file__).with_name("data")
_PREFIX, _SUFFIX = "stopwords-", ".txt"
_COLUMNS = ("id", "outcome", "original", "perturbed")


def stop_words(name: str) -> frozenset[str]:
    """Read a packaged list of words that an attack never replaces: one word per line, ``#`` begins a comment line.

    Raises:
        UsageError: no list has this name.
    """
    known = {path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX): path for path in _DATA.glob(f"{_PREFIX}*{_SUFFIX}")}
    if name not in known:
        raise UsageError(f"There is no stop-word list {name!r}. {nearest(name, known)}")
    lines = known[name].read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@dataclass(frozen=True, slots=True)
class TransferTable:
    """The adversarial texts of a finished attack, for use against another model.

    Attributes:
        path: The table's file, for error messages.
        texts: By the example's id: its original text, and the text that flipped the model or None.
    """

    path: str
    texts: Mapping[str, tuple[str, str | None]]

    def text(self, id: str, original: str) -> str | None:
        """Return the text that flipped the model on an example; None if the attack did not succeed on it.

        Raises:
            UsageError: the table was made with other examples.
        """
        known = self.texts.get(id)
        if known is None or known[0] != original:
            problem = "no row for" if known is None else "a different text for"
            raise UsageError(
                f"{self.path} has {problem} example {id!r}. Use the table with the examples that it was made with."
            )
        return known[1]


def read_transfer_table(path: Path) -> TransferTable:
    """Read an attack table, parquet.

    Raises:
        UsageError: there is no such file.
        IntegrityError: the file is not an attack table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _require_table(path)
    try:
        rows = pq.ParquetFile(path).read(columns=list(_COLUMNS)).to_pylist()
        texts = {
            row["id"]: (row["original"], row["perturbed"] if row["outcome"] == "flipped" else None) for row in rows
        }
    except (pa.ArrowException, KeyError, OSError) as error:
        raise IntegrityError(f"{path}: not an attack table ({error}). Name the table of a finished attack.") from error
    return TransferTable(str(path), texts)


def transfer_table_identity(path: Path) -> str:
    """Return ``sha256:`` and the hash of a table's bytes.

    Raises:
        UsageError: there is no such file.
    """
    _require_table(path)
    return "sha256:" + sha256(path.read_bytes()).hexdigest()


def _require_table(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"{path}: attack table not found. Name the parquet file of a finished attack.")


@dataclass(frozen=True, slots=True)
class Parts:
    """The loaded resources of an attack; None for those that it does not use."""

    encoder: Encoder
    stopwords: frozenset[str] = frozenset()
    lexicon: Lexicon | None = None
    tagger: Tagger | None = None
    masked_lm: MaskedLM | None = None
    table: TransferTable | None = None


def required(part: T | None, kind: str) -> T:
    """Return a part that an attack cannot do without.

    Raises:
        TemperError: the part is not loaded.
    """
    if part is None:
        raise TemperError(f"The attack needs a part that is not loaded: {kind}. Load it with load_parts.")
    return part


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of part.

    Attributes:
        identity: Returns the hash of the part of a name, or a name with a version.
        load: Loads the part of a name for a device.
    """

    identity: Callable[[str], str]
    load: Callable[[str, str], Any]


_KINDS: Mapping[str, _Kind] = {
    "lexicon": _Kind(lambda name: lexicon_fingerprint(lexicon_path(name)), lambda name, _: _read_lexicon(name)),
    "encoder": _Kind(resource_fingerprint, lambda name, device: SentenceEncoder(locate(name), device)),
    "tagger": _Kind(tagger_identity, lambda name, _: TAGGERS[name]()),
    "masked_lm": _Kind(masked_lm_identity, load_named),
    "table": _Kind(lambda name: transfer_table_identity(Path(name)), lambda name, _: read_transfer_table(Path(name))),
    "stopwords": _Kind(lambda name: fingerprint(sorted(stop_words(name))), lambda name, _: stop_words(name)),
}
"""Kinds of parts, by the parameter that holds a part's name."""


def part_names(parameters: AttackRecipe) -> dict[str, str]:
    """Return the parameters that name parts, with the names."""
    named = {field.name: getattr(parameters, field.name) for field in fields(parameters) if field.name in _KINDS}
    return {kind: name for kind, name in named.items() if name is not None}


def part_identities(parameters: AttackRecipe) -> dict[str, str]:
    """Return the hash or version of every part, which together with the parameters decide an attack's outcome.

    Raises:
        UsageError: a part does not exist.
        UnavailableError: an optional library, whose version is part of an identity, is not installed.
    """
    return {kind: _KINDS[kind].identity(name) for kind, name in part_names(parameters).items()}


def load_parts(parameters: AttackRecipe, device: str = "cpu") -> Parts:
    """Load an attack's parts.

    Raises:
        UsageError: a part does not exist.
        UnavailableError: a resource or an optional library is not on this machine.
    """
    return Parts(**{kind: _KINDS[kind].load(name, device) for kind, name in part_names(parameters).items()})


def _read_lexicon(name: str) -> Lexicon:
    return Lexicon.read(lexicon_path(name))
