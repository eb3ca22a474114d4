"""Import TextAttack without a network in a separate process, attack, and report the traces that it left."""

import importlib
import json
import logging
import os
import socket
import sys
from pathlib import Path


def no_network(*_, **__):
    raise AssertionError("the network was asked for")


def attacked(folder: Path) -> list[str]:
    """Attack in a folder; return the rows as texts."""
    from benchmark.attacks import run_attack
    from tests.attacks.fakes import attack, dataset, parts, victim, write_lexicon

    examples = dataset("good good good film film to watch", "a bad film and a bad movie", "great charming film")
    spec = attack(write_lexicon(folder / "tiny.tsv.gz"), "textattack")
    return [repr(row) for row in run_attack(spec, examples, victim, folder / "j", parts=parts())]


def main(folder: Path) -> None:
    socket.socket.connect = socket.getaddrinfo = no_network
    os.umask(0o002)
    mine = logging.getLogger("a.logger.of.the.user")
    import sklearn  # noqa: F401  # it sets OpenMP variables on import, which is not a trace of TextAttack

    before = dict(os.environ)
    from benchmark.attacks.textattack.offline_import import load_textattack

    load_textattack()
    import huggingface_hub.constants
    import nltk.corpus

    searched = list(nltk.data.path)
    changed = sorted(name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name))
    report = {
        "rows": attacked(folder),
        "changed": changed,
        "disabled": mine.disabled,
        "hub": huggingface_hub.constants.HF_HOME,
        "nltk": [path for path in searched if path not in importlib.reload(nltk.data).path],
        "corpus": type(nltk.corpus.stopwords).__name__,
        "home": sorted(str(path.relative_to(Path.home())) for path in Path.home().rglob("*")),
    }
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
