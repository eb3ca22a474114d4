"""Import TextAttack without a network, and undo its side effects on this process and the user's home folder.

TextAttack 0.3.11 downloads NLTK data on its first import, fails without a stop-word corpus, redirects the caches of
other libraries by environment variables, and disables every existing logger.
"""

import importlib
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

from benchmark.attacks.parts import stop_words
from benchmark.attacks.tagger import INSTALL
from benchmark.resources import cache_root
from benchmark.schema.errors import TemperError, UnavailableError

_NOISY = ("textattack", "textattack.shared.utils.install", "flair", "jieba")
_WORD_LENGTH = 64


def load_textattack() -> None:
    """Import TextAttack; after this any of its modules can be imported.

    Raises:
        UnavailableError: it is not installed, or the installed transformers version is too new for it.
        TemperError: Temper's cache folder is not writable.
    """
    if "textattack" not in sys.modules:
        if importlib.util.find_spec("textattack") is None:
            raise UnavailableError(f"TextAttack is not installed; run `{INSTALL}`.")
        try:
            _import()
        except ImportError as error:
            raise UnavailableError(f"TextAttack cannot be imported ({error}); run `{INSTALL}`.") from error
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


def _import() -> None:
    # Import these first: they read their cache folders from the environment on import, and TextAttack changes it.
    for name in ("huggingface_hub.constants", "transformers", "datasets", "nltk"):
        importlib.import_module(name)
    with ExitStack() as stack:
        for guard in (_environment(), _loggers(), _stop_word_corpus(), warnings.catch_warnings()):
            stack.enter_context(guard)
        warnings.simplefilter("ignore")
        os.environ["TA_CACHE_DIR"] = str(_marked_folder())
        importlib.import_module("textattack")
    _cache_words()


def _marked_folder() -> Path:
    """Create the folder of TextAttack's downloads, with the marker that makes it skip its first downloads."""
    folder = cache_root() / "textattack"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "post_install_check_3").touch()
    except OSError as error:
        raise TemperError(f"{folder}: not writable ({error}). Set TEMPER_CACHE to a writable folder.") from error
    return folder


@contextmanager
def _stop_word_corpus() -> Iterator[None]:
    """Provide a stop-word corpus to nltk during the import.

    The corpus is in a private folder, because nltk refuses data that other users own or can write.
    """
    import nltk.corpus

    corpus = nltk.corpus.stopwords
    kind, state = type(corpus), dict(vars(corpus))
    with tempfile.TemporaryDirectory(prefix="temper-nltk-") as folder:
        path = Path(folder, "corpora", "stopwords", "english")
        path.parent.mkdir(parents=True)
        path.write_text("".join(f"{word}\n" for word in sorted(stop_words("textfooler"))), encoding="utf-8")
        for private in (path, path.parent, path.parent.parent):
            private.chmod(0o700)
        nltk.data.path.insert(0, folder)
        try:
            yield
        finally:
            nltk.data.path.remove(folder)
            # A corpus object becomes its reader on first use; reset it, so that it looks for the user's data again.
            corpus.__class__ = kind
            vars(corpus).clear()
            vars(corpus).update(state)


def _cache_words() -> None:
    """Cache TextAttack's splitting of words, which it repeats for every word of every candidate."""
    from textattack.shared import attacked_text

    split = attacked_text.words_from_text
    cached = lru_cache(maxsize=1 << 16)(lambda text: tuple(split(text)))

    def words_from_text(text: str, words_to_ignore: Sequence[str] = ()) -> list[str]:
        short = len(text) <= _WORD_LENGTH and not words_to_ignore
        return list(cached(text)) if short else split(text, list(words_to_ignore))

    attacked_text.words_from_text = words_from_text


@contextmanager
def _environment() -> Iterator[None]:
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _loggers() -> Iterator[None]:
    """Restore which loggers are disabled at the end of the block."""
    existing = [entry for entry in logging.root.manager.loggerDict.values() if isinstance(entry, logging.Logger)]
    before = [(logger, logger.disabled) for logger in existing]
    try:
        yield
    finally:
        for logger, disabled in before:
            logger.disabled = disabled
