"""Lists of words that an attack never replaces."""

from pathlib import Path

from benchmark.schema.errors import UsageError, nearest

_DATA = Path(__file__).with_name("data")
_PREFIX, _SUFFIX = "stopwords-", ".txt"


def stop_words(name: str) -> frozenset[str]:
    """Words of a packaged list: one word a line, lines that begin with ``#`` are remarks.

    Raises:
        UsageError: no list has this name.
    """
    known = {path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX): path for path in _DATA.glob(f"{_PREFIX}*{_SUFFIX}")}
    if name not in known:
        raise UsageError(f"There is no stop-word list {name!r}. {nearest(name, known)}")
    lines = known[name].read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))
