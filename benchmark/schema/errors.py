"""The errors that every layer raises: one clear sentence that names the thing, the place and the fix."""

from collections.abc import Iterable
from difflib import get_close_matches


class TemperError(Exception):
    """Something failed. The command line prints the sentence and exits with `exit_code`."""

    exit_code = 1


class UsageError(TemperError):
    """The caller asked for something that does not exist or does not fit; the exit code is 2."""

    exit_code = 2


class IntegrityError(TemperError):
    """A file is not what its hash, size or schema says it must be."""


class UnavailableError(TemperError):
    """A resource, data set or optional library is not on this machine; the message says how to get it."""


def counted(count: int, noun: str) -> str:
    """Write a number with its noun, in the plural where it needs one: ``1 mistake``, ``2 mistakes``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def nearest(name: str, known: Iterable[str]) -> str:
    """Ending of an error sentence: the nearest known name, then what is known.

    Returns:
        Text such as ``Did you mean 'roast'? Known: roast, vanilla.``; at most 20 names are listed.
    """
    names = sorted(set(known))
    close = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    shown = ", ".join(names[:20]) or "none"
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}Known: {shown}{more}."
