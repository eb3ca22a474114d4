"""A method that stops in its third step the first time, and an observer that counts stages, for tests of lost rows."""

from pathlib import Path

PLUGIN = '''
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Halting(Method):
    """Vanilla, but the first process that reaches the third step writes its id and ends or waits."""

    name: ClassVar[str] = "halting"

    def after_step(self, ctx):
        folder = Path(__file__).parent
        if ctx.step == 3 and not (folder / "halted").exists():
            (folder / "halted.new").write_text(str(os.getpid()))
            (folder / "halted.new").rename(folder / "halted")
            if (folder / "wait").exists():
                time.sleep(600)
            os._exit(9)
'''


def write_plugin(folder: Path, *, waits: bool) -> Path:
    """Write the plugin; its process waits to be killed, or ends itself."""
    folder.mkdir()
    (folder / "halting.py").write_text(PLUGIN)
    if waits:
        (folder / "wait").touch()
    return folder / "halting.py"


class Journal:
    """An observer whose copies, in any process, append the finished stages to one file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, label: str) -> None: ...

    def advance(self, done: int, total: int) -> None: ...

    def end(self, label: str, seconds: float) -> None:
        self._append(f"stage {label}")

    def note(self, sentence: str) -> None:
        self._append(f"note {sentence}")

    def _append(self, line: str) -> None:
        with self.path.open("a") as stream:
            stream.write(f"{line}\n")

    def stages(self) -> list[str]:
        return [line for line in self.path.read_text().splitlines() if line.startswith("stage ")]

    def notes(self) -> str:
        lines = self.path.read_text().splitlines()
        return "\n".join(line.removeprefix("note ") for line in lines if line.startswith("note "))
