"""Import of TextAttack on a machine without a network, without a trace in this process or in the user's home.

TextAttack 0.3.11 downloads NLTK data on its first import, fails without a stop-word corpus, redirects the caches of
other libraries by environment variables, and switches off every logger that exists.
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

from benchmark.attacks.stopwords import stop_words
from benchmark.attacks.tagger import INSTALL
from benchmark.resources import cache_root
from benchmark.schema.errors import TemperError, UnavailableError

_NOISY = ("textattack", "textattack.shared.utils.install", "flair", "jieba")
_WORD_LENGTH = 64


def load_textattack() -> None:
    """Import TextAttack, so that any of its modules can be imported after this.

    Raises:
        UnavailableError: it is not installed, or the transformers beside it are too new for it.
        TemperError: Temper's cache folder cannot be written.
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
    # These read their cache folders from the environment when they are imported, so they come first.
    for name in ("huggingface_hub.constants", "transformers", "datasets", "nltk"):
        importlib.import_module(name)
    with ExitStack() as stack:
        for guard in (_environment(), _loggers(), _stop_word_corpus(), warnings.catch_warnings()):
            stack.enter_context(guard)
        warnings.simplefilter("ignore")
        os.environ["TA_CACHE_DIR"] = str(_marked_folder())
        importlib.import_module("textattack")
    _remember_words()


def _marked_folder() -> Path:
    """Folder for what TextAttack downloads, with the marker by which it takes its first downloads for done."""
    folder = cache_root() / "textattack"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "post_install_check_3").touch()
    except OSError as error:
        raise TemperError(f"{folder}: cannot be written ({error}); set TEMPER_CACHE to a folder that can.") from error
    return folder


@contextmanager
def _stop_word_corpus() -> Iterator[None]:
    """Give nltk a stop-word corpus for the time of the import.

    It lies in a folder of this process alone: nltk refuses data that others may write or that belongs to others.
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
            # A corpus turns into its reader when it is first used; let it look for the user's data again.
            corpus.__class__ = kind
            vars(corpus).clear()
            vars(corpus).update(state)


def _remember_words() -> None:
    """Let TextAttack split each word once; it splits every word of a text again for every candidate."""
    from textattack.shared import attacked_text

    split = attacked_text.words_from_text
    remembered = lru_cache(maxsize=1 << 16)(lambda text: tuple(split(text)))

    def words_from_text(text: str, words_to_ignore: Sequence[str] = ()) -> list[str]:
        short = len(text) <= _WORD_LENGTH and not words_to_ignore
        return list(remembered(text)) if short else split(text, list(words_to_ignore))

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
    """Loggers that exist now are afterwards as enabled as they are now."""
    existing = [entry for entry in logging.root.manager.loggerDict.values() if isinstance(entry, logging.Logger)]
    before = [(logger, logger.disabled) for logger in existing]
    try:
        yield
    finally:
        for logger, disabled in before:
            logger.disabled = disabled
