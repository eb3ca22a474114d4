"""Entry point of the `temper` command: sub-commands, and errors as one sentence with the right exit code."""

import os
import signal
import sys
import time
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from benchmark.cli import (
    attacking,
    authoring,
    board,
    compare,
    listing,
    published,
    reproducing,
    resources,
    running,
    submission,
    suites,
)
from benchmark.cli.display import console, fitted
from benchmark.cli.groups import INTERRUPTED
from benchmark.resources import offline
from benchmark.schema.errors import TemperError

if TYPE_CHECKING:
    from types import FrameType

SECONDS_OF_ONE_INTERRUPT = 5.0
"""Another Ctrl-C within this time is ignored, so that the first one can end the command cleanly."""


class Commands(TyperGroup):
    """A command group in which Ctrl-C stops any command with one sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that the context names."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            console.print("Interrupted. Run the same command again.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    name="temper",
    help="A robustness benchmark for fine-tuning methods of pre-trained language models.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(running.run)
app.command("status")(running.status)
app.command("explain")(running.explain)
app.command("reproduce")(reproducing.reproduce)
app.command("attack")(attacking.attack)
app.command("compare")(compare.compare)
app.command("new")(authoring.new)
app.command("check")(authoring.check)
app.command("submit")(submission.submit)
app.command("verify")(submission.verify)
app.command("list")(listing.show)
app.add_typer(suites.app, name="suite")
app.add_typer(resources.app, name="resources")
app.add_typer(board.app, name="board")
app.add_typer(published.app, name="published")


def main() -> None:
    """Run the command line and turn Temper's errors into a sentence on standard error.

    The exit code is 2 for a usage error, 1 for a failure and 130 for an interruption.
    """
    try:
        # A shell may start a background command with Ctrl-C ignored; keep that setting.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _Interrupts())
        _set_environment()
        app()
    except TemperError as error:
        print(fitted(f"temper: {error}"), file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        # The reader of the pipe closed it (`temper list | head`), so nobody misses the remaining output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0) from None
    finally:
        # Python removes its handlers before it exits; without this line a late Ctrl-C would kill the process.
        if isinstance(signal.getsignal(signal.SIGINT), _Interrupts):
            signal.signal(signal.SIGINT, signal.SIG_IGN)


class _Interrupts:
    """Raise KeyboardInterrupt for a Ctrl-C, but not for those that follow at once."""

    def __init__(self) -> None:
        self._last = float("-inf")

    def __call__(self, number: int, frame: "FrameType | None") -> None:
        if time.monotonic() - self._last > SECONDS_OF_ONE_INTERRUPT:
            self._last = time.monotonic()
            raise KeyboardInterrupt


def _set_environment() -> None:
    """Set the environment variables that libraries read on import, so this must run before the imports."""
    # Spinning OpenMP threads slow each other down as soon as another process uses the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # Hide notes about new classification heads and slow tokenizers, which are expected in fine-tuning.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if offline():
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["HF_DATASETS_OFFLINE"] = "1"


if __name__ == "__main__":
    main()
