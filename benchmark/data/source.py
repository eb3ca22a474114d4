"""The registry of data sources: a source is a class under `@source` with its keys, its reader and how to get its data.

Every module of `benchmark.data.sources` is imported, so a source in a file of its own needs no other edit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, dataclass_transform

from benchmark.data.readers import Row
from benchmark.schema.errors import TemperError


class Source(ABC):
    """Source of rows; its fields are keys of a data table of a suite.

    A field is ``key: Annotated[Type, doc("Its meaning.")]``; one without a default is required. A field that several
    sources have is one key, with one meaning. The first line of the docstring describes the source in the reference.

    Attributes:
        name: Name in suites; set by `@source`.
        can_be_partial: Whether a copy may lack rows, so that a suite must declare their number.
        part_of_suite: Whether the data belongs to the suite, so that a run without it is an error.
    """

    __slots__ = ()

    name: ClassVar[str] = ""
    can_be_partial: ClassVar[bool] = False
    part_of_suite: ClassVar[bool] = False
    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Any]]  # of subclasses, which `@source` makes dataclasses

    @property
    @abstractmethod
    def place(self) -> str:
        """The source in words, for error messages."""

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the pinned resources that are read."""
        return ()

    def problems(self, needed: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """Yield key and sentence for keys that contradict each other, or the needed columns; a key may be None."""
        return iter(())

    @abstractmethod
    def rows(self, needed: tuple[str, ...], base: Path | None) -> Iterator[Row]:
        """Yield the rows in the source's order.

        Args:
            needed: Columns that the rows must have.
            base: Folder that a relative path starts at; the working directory if None.

        Raises:
            UnavailableError: the data is not on this machine; the message says how to get it.
            UsageError: a column, or something else that the keys name, does not exist.
            IntegrityError: the data is damaged.
        """

    @abstractmethod
    def how_to_get(self) -> str:
        """Return how to get the data: a command in backquotes, or words for a file of the suite's own."""


SOURCES: dict[str, type[Source]] = {}
"""Every source by its name; complete after importing `benchmark.data.sources`."""

S = TypeVar("S", bound=Source)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def source(name: str, *, can_be_partial: bool = False, part_of_suite: bool = False) -> Callable[[type[S]], type[S]]:
    """Make the class below a frozen dataclass and register it; see `Source` for the arguments.

    Raises:
        TemperError: another class has the name.
    """

    def register(cls: type[S]) -> type[S]:
        source_class = dataclass(frozen=True, slots=True, kw_only=True)(cls)
        if name in SOURCES:
            raise TemperError(
                f"Two classes have the source name {name!r}: {SOURCES[name]}, {source_class}. Rename one."
            )
        source_class.name, source_class.can_be_partial, source_class.part_of_suite = name, can_be_partial, part_of_suite
        SOURCES[name] = source_class
        return source_class

    return register
