"""Entry point of the `temper` command: Ctrl-C, and errors as one sentence with the right exit code.

The commands are imported inside `main`, so that Ctrl-C during the imports is handled too.
"""

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

SECONDS_OF_ONE_INTERRUPT = 5.0
"""Another Ctrl-C within this time is ignored, so that the first one can end the command cleanly."""


def main() -> None:
    """Run the command line and turn Temper's errors into a sentence on standard error.

    The exit code is 2 for a usage error, 1 for a failure and 130 for an interruption.
    """
    try:
        # A shell may start a background command with Ctrl-C ignored; keep that setting.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _Interrupts())
        _run()
    except KeyboardInterrupt:
        print("Interrupted. Run the same command again.", file=sys.stderr)
        raise SystemExit(130) from None
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


def _run() -> None:
    from benchmark.cli.display import say
    from benchmark.schema.errors import TemperError

    try:
        _set_environment()
        from benchmark.cli.app import app

        app()
    except TemperError as error:
        say(f"temper: {error}")
        raise SystemExit(error.exit_code) from None


def _set_environment() -> None:
    """Set the environment variables that libraries read on import, so this must run before the imports."""
    from benchmark.resources import offline

    # Spinning OpenMP threads slow each other down as soon as another process uses the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # Hide notes about new classification heads and slow tokenizers, which are expected in fine-tuning.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if offline():
        os.environ["HF_HUB_OFFLINE"] = "1"
        os.environ["HF_DATASETS_OFFLINE"] = "1"


if __name__ == "__main__":
    main()
