"""Whose fault it was: an error of a method's own code names the method, the verb and the line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from benchmark.schema.disk import NO_ROOM, error_number
from benchmark.schema.errors import TemperError
from benchmark.training.context import MethodError
from benchmark.training.method import Method


@contextmanager
def verb(method: Method, name: str, step: int) -> Iterator[None]:
    """Run a method's verb.

    Args:
        method: Whose verb it is.
        name: The verb.
        step: Optimizer steps done, for the message.

    Raises:
        MethodError: the verb raised anything but a lack of memory or of room on the disk, which are nobody's fault.
    """
    try:
        yield
    except (MethodError, MemoryError, torch.OutOfMemoryError):
        raise
    except TemperError as error:
        raise MethodError(f"Method {method.name!r}, {name}: {error}") from error
    except Exception as error:
        if error_number(error) in NO_ROOM:
            raise
        place = f"{name}{_line(error)}, step {step}"
        raise MethodError(f"Method {method.name!r} raised {type(error).__name__} in {place}: {error}") from error


def _line(error: Exception) -> str:
    """The innermost file and line that it was raised at."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f" at {Path(at.tb_frame.f_code.co_filename).name}:{at.tb_lineno}" if at else ""
