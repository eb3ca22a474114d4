"""`temper submit` and `temper verify`."""

import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from benchmark.cli.completion import complete_methods, complete_suites
from benchmark.cli.display import CellDisplay, console, output
from benchmark.cli.running import BackboneOption, OutOption, PluginOption
from benchmark.execution.run import require_resources, require_writable
from benchmark.schema import IntegrityError, UsageError

if TYPE_CHECKING:
    from benchmark.submission.intake import Submission
    from benchmark.submission.rerunning import Difference
    from benchmark.submission.verifying import Verification
    from benchmark.suites import Suite

SUBMISSIONS = Path("submissions")


def submit(
    method: Annotated[
        str,
        typer.Argument(
            help="The method, with its hyper-parameters as in `temper run`.", autocompletion=complete_methods
        ),
    ],
    suite: Annotated[
        str,
        typer.Option(
            "--suite", help="Name of a packaged suite, or path of a suite file.", autocompletion=complete_suites
        ),
    ] = "offline",
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    to: Annotated[Path, typer.Option("--to", help="Folder of submissions.")] = SUBMISSIONS,
    *,
    plugin: PluginOption = None,
) -> None:
    """Gather a finished run into one folder for a pull request; what is incomplete is refused with the reason."""
    from benchmark.execution.cards import suite_card
    from benchmark.execution.cells import Row
    from benchmark.execution.registry import MethodRequest, configure, load_plugin
    from benchmark.execution.store import Store
    from benchmark.execution.workload import materialise
    from benchmark.models.backbones import resolve_backbone
    from benchmark.schema.errors import counted
    from benchmark.submission.gathering import gather, seeds_to_submit
    from benchmark.suites import load_suite
    from benchmark.suites.loader import is_path

    loaded, request = load_suite(suite), MethodRequest.parse(method)
    for text in plugin or ():
        load_plugin(text)
    request.require_known()
    require_resources(loaded, backbone or loaded.backbone)
    configured = configure(request, request.overrides_of(loaded.hyperparameters))
    place, work = resolve_backbone(backbone or loaded.backbone), materialise(loaded)
    seeds = seeds_to_submit(Row(configured, place, 0), work, out / "results", suite_card(work))
    require_writable(to, "--to")
    made = gather([Row(configured, place, seed) for seed in seeds], work, Store(out / "store"), out / "results", to)
    for seed in made.idle:
        console.print(Text(f"warning: seed {seed}: its weights are vanilla's; the method has no effect on it."))
    console.print(Text(f"{made.folder}: {counted(len(seeds), 'seed')}, {made.files} files, {made.size / 1e6:.2f} MB."))
    option = f" --suite {shlex.quote(suite)}" if is_path(suite) else ""
    command = f"temper verify {shlex.quote(str(made.folder))}{option}"
    console.print(Text(f"Check it with `{command}`, and commit the whole folder."))


def verify(
    submission: Annotated[Path, typer.Argument(help="Folder that `temper submit` made.")],
    suite: Annotated[
        str | None, typer.Option("--suite", help="Path of the suite's file. [default: the packaged one]")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder with seed-<n>/ of trained weights, to replay texts on.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Results folder to write the records to, if everything holds.")
    ] = None,
    out: OutOption = Path("runs"),
    *,
    rerun: Annotated[
        int | None, typer.Option("--rerun", min=0, help="Train this seed again. This runs the submission's code.")
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Check a submission against its tables, the suite and its data; its code is run only with --rerun."""
    from benchmark.execution.workload import materialise
    from benchmark.submission.intake import read_submission
    from benchmark.submission.levels import write_levels
    from benchmark.submission.verifying import Verification, scratch_folder

    if plugin and rerun is None:
        raise UsageError("--plugin runs the submission's code; give it together with --rerun.")
    found = read_submission(submission)
    _show("files, hashes, manifest and records", ())
    loaded = _suite_of(found, suite)
    require_resources(loaded, loaded.backbone)
    with scratch_folder() as scratch:
        verification = Verification(found, materialise(loaded), Path(scratch))
        holds = all(_show(check.name, check.problems) for check in verification.checks())
        if holds and weights is not None:
            holds = _replayed(verification, weights)
        seeds: set[int] = set()
        if holds and rerun is not None:
            holds = _rerun(verification, rerun, out, plugin or [])
            seeds = {rerun}
        else:
            console.print("No code of the submission was run.")
        if not holds:
            console.print(Text(f"{submission} is refused; nothing was written."))
            raise typer.Exit(1)
        level = f"rescored, seed {rerun} rerun" if seeds else "rescored"
        console.print(Text(f"{submission} holds: {level}."))
        if write is not None:
            done = write_levels(verification, write, seeds)
            console.print(Text(f"Written to {write}: {len(done.files)} files of records, {level}."))
            for path in done.replaced:
                console.print(Text(f"Replaced: {path}"))
            for path in done.removed:
                console.print(Text(f"Removed, since the submission has no such seed: {path}"))


def _suite_of(found: "Submission", path: str | None) -> "Suite":
    """The suite that a submission names, if it is one of the packaged ones, or the one that the maintainer names."""
    from benchmark.suites import load_suite

    named = found.manifest["suite"]
    try:
        return load_suite(path or f"{named['name']}@{named['version']}")
    except UsageError as error:
        if path is not None:
            raise
        raise IntegrityError(f"The submission's suite is not one of Temper's here: {error}") from error


def _show(name: str, problems: tuple[str, ...]) -> bool:
    output.print(
        Text.assemble(("refused" if problems else "holds  ", "bold red" if problems else "green"), f"  {name}")
    )
    for problem in problems[:20]:
        output.print(Text(f"         {problem}"))
    if len(problems) > 20:
        output.print(Text(f"         And {len(problems) - 20} more."))
    return not problems


def _replayed(verification: "Verification", weights: Path) -> bool:
    """Replay a sample that nobody could know before, and say which seeds it is of."""
    from benchmark.submission.replaying import given_weights, replay_problems

    given, salt = given_weights(verification, weights), secrets.randbelow(1 << 32)
    seeds = ", ".join(map(str, given))
    problems = tuple(replay_problems(verification, given, salt))
    return _show(f"texts replayed on the stated weights of seed {seeds} (sample {salt})", problems)


def _rerun(verification: "Verification", seed: int, out: Path, plugins: list[str]) -> bool:
    """Train a seed again and show every headline value beside the submitted one."""
    from benchmark.execution.registry import load_plugin
    from benchmark.submission.rerunning import rerun

    if seed not in verification.submission.runs:
        known = ", ".join(str(known) for known in sorted(verification.submission.runs))
        raise UsageError(f"--rerun {seed}: the submission has the seeds {known}.")
    console.print(Text(f"Running the submission's code: training seed {seed} again."))
    for text in plugins:
        load_plugin(text)
    # A folder of its own: what the author's run left in --out would be found there, and nothing trained.
    found = rerun(verification.submission, verification.work, seed, out / "rerun", CellDisplay())
    output.print(_differences(found))
    wrong = [one for one in found if not one.holds]
    sentences = [
        f"{one.probe}, {one.metric}: {one.submitted:.4f} was submitted, {one.again:.4f} came out; the tolerance is "
        f"{one.tolerance:.4f}."
        for one in wrong
    ]
    return _show(f"seed {seed} trained again", tuple(sentences))


def _differences(found: "list[Difference]") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("Probe", "Metric", "Submitted", "Again", "Difference", "Tolerance"):
        table.add_column(heading, justify="left" if heading in ("Probe", "Metric") else "right")
    for one in found:
        numbers = (one.submitted, one.again, one.again - one.submitted, one.tolerance)
        table.add_row(Text(one.probe), Text(one.metric), *(f"{number:.4f}" for number in numbers))
    return table
