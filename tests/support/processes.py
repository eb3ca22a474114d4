"""New Python processes that find torch and transformers imported, which saves ten seconds of processor time each.

Each is a copy of a server that has imported these libraries and nothing of this repository.
"""

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


class Context(ForkServerContext):
    """Starts processes with the environment variables that this process has then, as new processes have them."""

    def Process(self, *, target: Callable[..., None], args: Sequence[object], **options: Any) -> ForkServerProcess:
        return super().Process(target=_call, args=(dict(os.environ), target, *args), **options)


PROCESSES = Context()
PROCESSES.set_forkserver_preload(
    ["torch", "pyarrow.parquet", "sklearn.metrics", "transformers.models.auto.auto_factory", "transformers.models.bert"]
)

Done = subprocess.CompletedProcess[str]


def python(*arguments: object, folder: Path = REPOSITORY, **environment: str) -> Done:
    """Run `python -m MODULE ...` or `python -c SCRIPT ...` in a folder, with additional environment variables."""
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as outputs:
        paths = [str(Path(outputs, name)) for name in ("stdout", "stderr")]
        process = PROCESSES.Process(target=_main, args=(words, folder, environment, paths))
        process.start()
        process.join(1800)
        process.kill()
        process.join()
        return Done([sys.executable, *words], process.exitcode, *(Path(path).read_text() for path in paths))


def _call(environment: Mapping[str, str], target: Callable[..., None], *arguments: object) -> None:
    os.environ.clear()
    os.environ.update(environment)
    target(*arguments)


def _main(words: Sequence[str], folder: Path, environment: Mapping[str, str], outputs: Sequence[str]) -> None:
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.chdir(folder)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
        del sys.modules[name]
    os.environ.update(environment)
    # As Python sets it: the folder, and what the variable names.
    sys.path[:0] = [str(folder), *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    option, what, *rest = words
    sys.argv = [what if option == "-m" else "-c", *rest]
    if option == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "-c", "exec"), {"__name__": "__main__"})
