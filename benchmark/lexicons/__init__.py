"""Lexicons of word substitutions, for attacks and for methods that train against them."""

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError, nearest

__all__ = ["Lexicon", "Neighbours", "lexicon_fingerprint", "lexicon_path"]

Neighbours = tuple[tuple[str, float], ...]

_DATA = Path(__file__).with_name("data")
_SUFFIX = ".tsv.gz"


class Lexicon:
    """Neighbours of words, nearest first, each with its cosine similarity.

    Attributes:
        fingerprint: ``sha256:`` of the file's content (uncompressed), which identifies the lexicon.
    """

    def __init__(self, entries: Mapping[str, str | Neighbours], fingerprint: str, place: str) -> None:
        """Store the entries; text entries are parsed at their first use.

        Args:
            entries: Neighbours by word, or the text ``neighbour:0.873 neighbour:0.851``.
            fingerprint: Fingerprint of the content.
            place: Source of the entries, for error messages.
        """
        self.fingerprint = fingerprint
        self._entries = dict(entries)
        self._place = place

    @classmethod
    def read(cls, path: Path) -> "Lexicon":
        """Read a lexicon.

        Args:
            path: A gzip file of lines ``word<TAB>neighbour:cosine neighbour:cosine …`` sorted by word, or a ``.json``
                file that maps each word to a list of its neighbours, which all have the cosine 1.

        Raises:
            UnavailableError: there is no such file.
            IntegrityError: the file has neither format.
        """
        data = _contents(path)
        entries = _json_entries(data, path) if path.suffix == ".json" else _lines(data, path)
        return cls(entries, "sha256:" + hashlib.sha256(data).hexdigest(), str(path))

    def neighbours(self, word: str) -> Neighbours:
        """Return the neighbours of a word with their cosines in [-1, 1], nearest first; empty for an unknown word.

        Raises:
            IntegrityError: the word's entry cannot be read.
        """
        entry = self._entries.get(word, ())
        if isinstance(entry, str):
            entry = self._entries[word] = self._parsed(word, entry)
        return entry

    def __len__(self) -> int:
        """Return the number of words with an entry."""
        return len(self._entries)

    def _parsed(self, word: str, text: str) -> Neighbours:
        try:
            pairs = [item.rsplit(":", 1) for item in text.split()]
            neighbours = tuple((neighbour, float(cosine)) for neighbour, cosine in pairs)
        except ValueError as error:
            raise self._broken(word, "is not 'neighbour:cosine neighbour:cosine …'") from error
        cosines = [cosine for _, cosine in neighbours]
        if any(not -1 <= cosine <= 1 for cosine in cosines) or cosines != sorted(cosines, reverse=True):
            raise self._broken(word, "has cosines that do not descend from 1 to -1")
        return neighbours

    def _broken(self, word: str, problem: str) -> IntegrityError:
        return IntegrityError(f"{self._place}: the entry of {word!r} {problem}. Install or build the lexicon again.")


def lexicon_path(name: str) -> Path:
    """Return the file of a packaged lexicon, or of the user's own.

    Args:
        name: Name of a packaged lexicon, or a path.

    Raises:
        UsageError: there is no such lexicon or file.
    """
    packaged = {path.name.removesuffix(_SUFFIX): path for path in _DATA.glob(f"*{_SUFFIX}")}
    path = packaged.get(name) or Path(name)
    if not path.is_file():
        raise UsageError(f"There is no lexicon {name!r}, packaged or as a file. {nearest(name, packaged)}")
    return path


def lexicon_fingerprint(path: Path) -> str:
    """Compute `Lexicon.read(path).fingerprint` without parsing the file."""
    return "sha256:" + hashlib.sha256(_contents(path)).hexdigest()


def _contents(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return data if path.suffix == ".json" else gzip.decompress(data)
    except FileNotFoundError as error:
        raise UnavailableError(f"{path}: file not found. Install or build the lexicon again.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise IntegrityError(f"{path}: not a gzip file ({error}). Install or build the lexicon again.") from error


def _lines(data: bytes, path: Path) -> dict[str, str]:
    entries: dict[str, str] = {}
    previous = ""
    lines = _text(data, path).removesuffix("\n").split("\n") if data else []
    for number, line in enumerate(lines, start=1):
        word, tab, rest = line.partition("\t")
        if not tab or word <= previous:
            problem = "words must ascend without duplicates" if tab else "'word<TAB>neighbours' is expected"
            raise IntegrityError(f"{path}:{number}: {problem}. Install or build the lexicon again.")
        entries[word] = rest
        previous = word
    return entries


def _json_entries(data: bytes, path: Path) -> dict[str, Neighbours]:
    try:
        table = json.loads(_text(data, path))
        return {word: tuple((str(neighbour), 1.0) for neighbour in listed) for word, listed in table.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise IntegrityError(f"{path}: not a JSON object of lists of words ({error}). Replace the file.") from error


def _text(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IntegrityError(f"{path}: not UTF-8 ({error}). Install or build the lexicon again.") from error
