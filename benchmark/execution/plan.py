"""Run methods on a suite: the function behind `benchmark.run` and the commands `run`, `status` and `explain`."""

import shlex
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from benchmark.execution.executors import LOCAL, Place, place_of_rows
from benchmark.execution.method_registry import (
    ConfiguredMethod,
    MethodRequest,
    configure,
    load_plugin,
    loaded_plugins,
    registered,
)
from benchmark.execution.method_source import summary
from benchmark.execution.trackers import TrackerName, make_tracker
from benchmark.schema import SANITY_CHECKS, method_slug
from benchmark.schema.errors import UnavailableError, UsageError, nearest
from benchmark.schema.protocol import parse_protocol
from benchmark.schema.record import TUNED
from benchmark.suites import load_suite

if TYPE_CHECKING:
    from benchmark.execution.cells import Row
    from benchmark.execution.local import RunReport
    from benchmark.execution.runner import Observer
    from benchmark.execution.store import Store
    from benchmark.execution.workload import Workload
    from benchmark.suites import Suite


Settings: TypeAlias = Literal["defaults", "tuned"]
"""Where a row's settings come from: the method and the suite, or tuning."""


@dataclass(frozen=True)
class Plan:
    """The work of a run, with everything checked that can be checked before training.

    Attributes:
        rows: One per method and seed.
        work: The suite's data.
        store: Where artifacts are kept.
        results: Folder of the records.
        untuned: Sentences on the methods that are not tuned yet and whose rows are left out for that.
    """

    rows: "list[Row]"
    work: "Workload"
    store: "Store"
    results: Path
    untuned: Sequence[str] = ()

    def execute(
        self, observer: "Observer | None" = None, place: Place = LOCAL, track: TrackerName | None = None
    ) -> "RunReport":
        """Compute what is missing, and write the records.

        Raises:
            UsageError: the output folder is not writable, or the tracker's library is not installed.
            UnavailableError: a part of an attack is missing on this machine.
        """
        from benchmark.attacks import require_parts
        from benchmark.execution.local import run_rows
        from benchmark.execution.runner import Quiet

        require_writable(self.results.parent)
        for attack in self.work.suite.attacks:
            if attack.id not in self.work.missing:
                require_parts(attack)
        tracker = make_tracker(track, self.results.parent)
        observer = observer or Quiet()
        return run_rows(self.rows, self.work, self.store, self.results, observer, place=place, tracker=tracker)


def run(
    suite: str | Path,
    methods: str | Sequence[str] = "vanilla",
    *,
    seeds: int = 1,
    backbone: str | None = None,
    out: str | Path = "runs",
    plugins: str | Sequence[str] = (),
    protocol: str = "",
    settings: Settings = "defaults",
    observer: "Observer | None" = None,
    jobs: int = 1,
    executor: str = "local",
    track: TrackerName | None = None,
) -> "RunReport":
    """Train, predict, attack and score methods on a suite, and write their records.

    Only what is missing in `out` is computed, so the same call resumes a run that was interrupted, and a finished run
    returns at once. It is what ``temper run`` does, without the output on the terminal.

    Args:
        suite: Name of a packaged suite, such as ``"demo"`` or ``"demo@3"``, or the path of a suite file.
        methods: Names of methods. ``"roast:variant=released"`` sets a hyper-parameter, ``"sam+roast"`` composes, and
            ``"all"`` is every registered method that trains, and ``"sanity"`` the sanity checks. One string may hold
            several names, separated by commas.
        seeds: Number of seeds: 3 means seeds 0, 1 and 2.
        backbone: Packaged name, Hub id or folder; ``NAME=...`` sets the name in the records. The suite's by default.
        out: Folder for artifacts (``out/store``) and records (``out/results``).
        plugins: Files with methods of your own, as ``"my_method.py"`` or ``"my_method.py:MyMethod"``. If one is edited,
            Python must be started again.
        protocol: Options of papers' released code, separated by commas.
        settings: ``"tuned"`` for the settings that `temper tune` selected in `out`.
        observer: Receives progress; nothing is shown by default. With several jobs, each has a pickled copy.
        jobs: Rows at a time, each in a process of its own. A script needs ``if __name__ == "__main__":`` then.
        executor: Where rows are computed, such as ``"ray:address=auto,gpus=1"``; see `docs/scale.md`.
        track: Tracker that curves and scores are sent to.

    Returns:
        The report: ``files``, the record files in the order of the rows; ``failures``, one sentence per failed row;
        and how many stages were ``computed`` and ``reused``.

    Raises:
        UsageError: an argument is invalid; the message names the nearest valid one.
        UnavailableError: a resource is missing; the message has the command that fetches it.
    """
    if seeds < 1:
        raise UsageError(f"seeds is {seeds}; it must be at least 1.")
    if settings not in get_args(Settings):
        raise UsageError(f"settings is {settings!r}. {nearest(str(settings), get_args(Settings))}")
    if track is not None and track not in get_args(TrackerName):
        raise UsageError(f"track is {track!r}. {nearest(str(track), get_args(TrackerName))}")
    place = place_of_rows(executor, jobs)
    requests = parse_methods(methods, [plugins] if isinstance(plugins, str) else plugins)
    planned = plan(load_suite(suite), requests, seeds, backbone, Path(out), protocol=protocol, settings=settings)
    return planned.execute(observer, place, track)


def parse_methods(methods: str | Iterable[str], plugins: Iterable[str] = ()) -> list[MethodRequest]:
    """Read the names of methods and check that each is registered.

    Raises:
        UsageError: no name, or a name that is not registered; names the nearest one.
    """
    _load_plugins(plugins)
    texts = [methods] if isinstance(methods, str) else methods
    names: list[str] = []
    for name in (part.strip() for text in texts for part in text.split(",")):
        if name == "all":
            # A method that averages trials can be run only after tuning.
            names += (name for name, point in registered().items() if not summary(point).averages_trials)
        else:
            names += registered(sanity=True) if name == "sanity" else [name]
    requests = _known(MethodRequest.parse(name) for name in names if name)
    if not requests:
        raise UsageError("--methods names no method; `temper list --methods` shows them.")
    return requests


def parse_method(method: str, plugins: Iterable[str] = ()) -> MethodRequest:
    """Parse one method as `parse_methods` does; ``all`` and lists are refused.

    Raises:
        UsageError: no such method, or an invalid hyper-parameter or plugin file.
    """
    _load_plugins(plugins)
    return _known([MethodRequest.parse(method)])[0]


def _load_plugins(plugins: Iterable[str]) -> None:
    for plugin in plugins:
        load_plugin(plugin)


def _known(parsed: Iterable[MethodRequest]) -> list[MethodRequest]:
    """Check that every method exists."""
    requests = list(parsed)
    for request in requests:
        request.require_known()
    return requests


def plan(
    suite: "Suite",
    requests: Sequence[MethodRequest],
    seeds: int,
    backbone: str | None,
    out: Path,
    *,
    protocol: str,
    settings: Settings = "defaults",
    partly_tuned: bool = False,
) -> Plan:
    """Read the suite's data and check the whole request before anything long starts.

    With `partly_tuned`, methods that are not tuned yet are left out.

    Raises:
        UsageError: an option is invalid, two requests would write the same records, or a method is not tuned yet.
        UnavailableError: the backbone, training data or a part of an attack is missing.
    """
    options = parse_protocol(protocol)
    tuned_only = "--protocol reproduces papers' code with their settings. Leave out"
    if options and settings == TUNED:
        raise UsageError(f"{tuned_only} --settings tuned.")
    require_resources(suite, backbone or suite.backbone)

    from benchmark.execution.cells import Row
    from benchmark.execution.store import Store
    from benchmark.execution.tuned_row import averages_trials, tuned_rows, tuned_so_far
    from benchmark.execution.workload import materialise
    from benchmark.models.backbones import resolve_backbone

    configured = configure_all(requests)
    if options and (averages := [method.label for method in configured if averages_trials(method)]):
        raise UsageError(f"{tuned_only} {' and '.join(averages)}.")
    resolved = resolve_backbone(backbone or suite.backbone)
    work = materialise(suite)
    work.selection(options)
    firsts = [Row(method, resolved, 0, options) for method in configured]
    untuned: list[str] = []
    # A method that averages trials needs them, whatever the settings of the other rows.
    tunable = [
        row for row in firsts
        if averages_trials(row.method) or (settings == TUNED and row.method.name not in SANITY_CHECKS)
    ]  # fmt: skip
    if tunable:
        shown = partial(tuning_command, suite, backbone=backbone, out=out)
        if partly_tuned:
            tuned, untuned = tuned_so_far(tunable, work, out / "results", shown)
        else:
            tuned = tuned_rows(tunable, work, out / "results", shown)
        firsts = [*tuned, *(row for row in firsts if row not in tunable)]
    rows = [first.with_seed(seed) for seed in range(seeds) for first in firsts]
    return Plan(rows, work, Store(out / "store"), out / "results", untuned)


def tuning_command(
    suite: "Suite", methods: Iterable[ConfiguredMethod], trials: int | None = None, *, backbone: str | None, out: Path
) -> str:
    """Write the command that tunes methods."""
    options = () if trials is None else ("--trials", str(trials))
    return command("tune", suite, ",".join(method.argument for method in methods), backbone, out, *options)


def command(verb: str, suite: "Suite", methods: str, backbone: str | None, out: Path, *options: str) -> str:
    """Write a command on a suite, quoted for a shell, with the plugins that are loaded."""
    from benchmark.suites import suite_argument

    words = ["temper", verb, suite_argument(suite), "--methods", methods, *options]
    words += [] if backbone is None else ["--backbone", backbone]
    words += ["--out", str(out)]
    return shlex.join([*words, *(word for plugin in loaded_plugins() for word in ("--plugin", plugin))])


def configure_all(requests: Sequence[MethodRequest]) -> list[ConfiguredMethod]:
    """Load the methods with the user's settings.

    Raises:
        UsageError: a setting is invalid, or two requests would write the same records.
    """
    configured = [configure(request) for request in requests]
    slugs = [method_slug(method.cls.name, method.configuration) for method in configured]
    duplicate = next((slug for slug in slugs if slugs.count(slug) > 1), None)
    if duplicate:
        raise UsageError(f"--methods names {duplicate} twice; name it once.")
    return configured


def require_writable(out: Path, option: str = "--out") -> None:
    """Check that a folder can be written to, before the training and not after it.

    Raises:
        UsageError: it cannot be created, or nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        # Use a unique file name: two commands that start at once would otherwise remove each other's file.
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise UsageError(f"{option} {out} cannot be written to: {error.strerror}.") from error


def require_resources(suite: "Suite", backbone: str) -> None:
    """Check that the pinned resources that every run needs are on this machine.

    Raises:
        UnavailableError: some are missing; the message names all of them and the command that fetches them.
    """
    from benchmark.resources import load_manifest, missing_sentence, state

    needed = suite_resources(suite, backbone)
    absent = [one for name, one in load_manifest().items() if name in needed and state(one) == "absent"]
    indispensable = _indispensable(suite, backbone)
    if any(one.name in indispensable for one in absent):
        raise UnavailableError(missing_sentence(absent))


def suite_resources(suite: "Suite", backbone: str) -> set[str]:
    """Name the pinned resources that a run of a suite reads: its data, the backbone and the parts of attacks."""
    from benchmark.resources import load_manifest

    named = {name for task in suite.tasks if task.data is not None for name in task.data.origin.resources}
    return _indispensable(suite, backbone) | named & set(load_manifest())


def _indispensable(suite: "Suite", backbone: str) -> set[str]:
    """Name the resources that a run cannot do without. An evaluation task is optional, so its data is not included."""
    from benchmark.resources import load_manifest

    specs = [suite.training.data, suite.training.split.test_data]
    named = {backbone, *(name for spec in specs if spec is not None for name in spec.origin.resources)}
    named |= {str(value) for attack in suite.attacks for value in attack.parameters.values()}
    return named & set(load_manifest())
