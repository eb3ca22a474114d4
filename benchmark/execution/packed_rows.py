"""Pack rows for another process, which restores the classes of their methods."""

import os
import pickle
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.execution.cells import Row
from benchmark.execution.method_registry import load_plugin, loaded_plugins, method_class
from benchmark.execution.method_source import source_fingerprint
from benchmark.execution.runner import Runner
from benchmark.execution.store import Store
from benchmark.schema.errors import TemperError
from benchmark.training.optimization import pick_device, resolve_precision


@dataclass(frozen=True)
class PackedRows:
    """Rows with everything that another process needs to compute them.

    Attributes:
        plugins: Files with methods of the user's.
        rows: The rows, pickled without their methods' classes: a plugin or a composition has no import path.
        shared: The suite's data, the store's folder, the observer and the tracker, pickled.
        folder: The working folder, to which relative paths refer.
        precision: The precision of training that the rows' keys hold.
    """

    plugins: Sequence[str]
    rows: bytes
    shared: bytes
    folder: str
    precision: str

    @classmethod
    def of(cls, rows: Sequence[Row], runner: Runner, shared: bytes | None = None) -> "PackedRows":
        """Pack rows; with the shared part of other packed rows, if one is given."""
        bare = list(map(_without_class, rows))
        if shared is None:
            root = runner.store.root.absolute()
            shared = pickle.dumps((runner.work, root, runner.observer, runner.tracker))
        precision = resolve_precision(runner.work.suite.recipe.precision, pick_device())
        return cls(loaded_plugins(), pickle.dumps(bare), shared, str(Path.cwd()), precision)

    def unpack(self) -> tuple[list[Row], Runner]:
        """Restore the rows with their methods' classes, and a runner. Change into the working folder if it is here.

        Raises:
            TemperError: a method's source has changed since the row's key was made from it, or the precision
                ``auto`` means something else on this machine.
        """
        if Path(self.folder).is_dir():
            os.chdir(self.folder)
        for plugin in self.plugins:
            if plugin not in loaded_plugins():  # a process may unpack rows several times
                load_plugin(plugin)
        bare = pickle.loads(self.rows)  # noqa: S301 - from the process that started this one
        work, root, observer, tracker = pickle.loads(self.shared)  # noqa: S301
        precision = resolve_precision(work.suite.recipe.precision, pick_device())
        if precision != self.precision:
            raise TemperError(
                f"{work.suite.name}: recipe.precision is auto, which is {self.precision} where the command was started "
                f"and {precision} on {platform.node()}. Start it on a machine of the same kind, or state the precision "
                "in a copy of the suite."
            )
        return list(map(_with_class, bare)), Runner(work, Store(root), observer, tracker)


def _without_class(row: Row) -> Row:
    ingredients = tuple(map(_without_class, row.ingredients))
    return replace(row, method=replace(row.method, plugin=None), ingredients=ingredients)


def _with_class(bare: Row) -> Row:
    cls = method_class(bare.method.name)
    if source_fingerprint(cls) != bare.method.source:
        raise TemperError(
            f"The source of {bare.method.name} on {platform.node()} is not that of the start of the run. Run the same "
            "command again; all machines need the same version of Temper and of plugins."
        )
    ingredients = tuple(map(_with_class, bare.ingredients))
    return replace(bare, method=replace(bare.method, plugin=cls), ingredients=ingredients)
