"""Run in a process of its own: import TextAttack without a network, attack, and write down what happened."""

import json
import logging
import os
import socket
import sys
from pathlib import Path


def no_network(*_, **__):
    raise AssertionError("the network was asked for")


def main(folder: Path) -> None:
    socket.socket.connect = socket.getaddrinfo = no_network
    os.umask(0o002)
    mine = logging.getLogger("a.logger.of.the.user")
    before = dict(os.environ)
    from benchmark.attacks import run_attack
    from benchmark.attacks.textattack.importing import load_textattack
    from tests.attacks.fakes import attack, dataset, parts, victim, write_lexicon

    load_textattack()
    import huggingface_hub.constants
    import nltk.corpus

    changed = sorted(name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name))
    examples = dataset("good good good film film to watch", "a bad film and a bad movie", "great charming film")
    spec = attack(write_lexicon(folder / "tiny.tsv.gz"), "textattack")
    rows = run_attack(spec, examples, victim, folder / "j", parts=parts())
    report = {
        "rows": [repr(row) for row in rows],
        "changed": changed,
        "disabled": mine.disabled,
        "hub": huggingface_hub.constants.HF_HOME,
        "nltk": [path for path in nltk.data.path if "temper" in path],
        "corpus": type(nltk.corpus.stopwords).__name__,
        "home": sorted(str(path.relative_to(Path.home())) for path in Path.home().rglob("*")),
    }
    (folder / "report.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
