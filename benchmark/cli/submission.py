"""`temper submit`, `temper verify` and `temper push`."""

import secrets
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmark.cli.display import examples, print_table, say, show
from benchmark.cli.options import (
    BackboneOption,
    MethodArgument,
    OneSuiteOption,
    OutOption,
    PluginOption,
    ProtocolOption,
    SettingsOption,
)
from benchmark.cli.progress import CellDisplay
from benchmark.execution.plan import parse_method, plan, require_resources, require_writable
from benchmark.schema.errors import IntegrityError, TemperError, UsageError

if TYPE_CHECKING:
    from benchmark.submission.build import SubmissionSummary
    from benchmark.submission.read import Submission
    from benchmark.submission.verify import Verification
    from benchmark.suites import Suite

SUBMIT_EXAMPLES = examples(
    ("Submit the seeds of a finished run of `offline`", "temper submit roast"),
    ("Submit another setting", "temper submit roast:variant=released --suite demo"),
)
VERIFY_EXAMPLES = examples(
    ("Check a submission without running its code", "temper verify submissions/offline@2/roast@tuned/minilm"),
    ("Train one seed again, which runs its code", "temper verify submissions/offline@2/roast@tuned/minilm --rerun 0"),
    ("Check all submissions", "temper verify submissions"),
)
PUSH_EXAMPLES = examples(
    ("Write a trained model and its card into a folder", "temper push freelb --suite demo --to ./freelb-demo"),
    ("Upload it to the Hub", "temper push freelb --suite demo --seed 1 --to me/freelb-demo --private"),
)

SUBMISSIONS = Path("submissions")
_MANIFEST = "submission.json"


def submit(
    method: MethodArgument,
    suite: OneSuiteOption = "offline",
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    to: Annotated[Path, typer.Option("--to", help="Folder of submissions.")] = SUBMISSIONS,
    *,
    plugin: PluginOption = None,
    settings: SettingsOption = "defaults",
) -> None:
    """Gather a finished run into one folder for a pull request. Refuses incomplete runs."""
    from benchmark.execution.cards import suite_card
    from benchmark.submission.build import build, seeds_to_submit
    from benchmark.suites import load_suite
    from benchmark.suites.suite_files import is_path

    loaded, request = load_suite(suite), parse_method(method, plugin or ())
    planned = plan(loaded, [request], 1, backbone, out, protocol="", settings=settings)
    (row,), work, results = planned.rows, planned.work, planned.results
    seeds = seeds_to_submit(row, work, results, suite_card(work))
    require_writable(to, "--to")
    built = build([row.with_seed(seed) for seed in seeds], work, planned.store, results, to)
    for line in submitted_lines(built, len(seeds), suite if is_path(suite) else ""):
        say(line)


def submitted_lines(built: "SubmissionSummary", seeds: int, suite: str) -> list[str]:
    """Say what was written and what to do next; `suite` is empty for a packaged one."""
    from benchmark.schema.errors import counted

    option = f" --suite {shlex.quote(suite)}" if suite else ""
    return [
        *(f"warning: seed {seed}: its weights are vanilla's; the method has no effect." for seed in built.idle),
        f"Submission: {built.folder}",
        f"  {counted(seeds, 'seed')}, {built.files} files, {built.size / 1e6:.2f} MB.",
        "Check it, and commit the whole folder:",
        f"  temper verify {shlex.quote(str(built.folder))}{option}",
    ]


def verify(
    submission: Annotated[
        Path, typer.Argument(help="Folder that `temper submit` wrote, or one that holds such folders.")
    ],
    suite: Annotated[
        str | None, typer.Option("--suite", help="Path of the suite's file. [default: the packaged one]")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option("--weights", help="Folder with seed-<n>/ of trained weights, to replay texts on.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option("--write", help="Results folder to write the records to, if all checks pass.")
    ] = None,
    out: OutOption = Path("runs"),
    *,
    rerun: Annotated[
        int | None, typer.Option("--rerun", min=0, help="Train this seed again. This runs the submission's code.")
    ] = None,
    plugin: PluginOption = None,
) -> None:
    """Check a submission against its suite and data. Runs its code only with --rerun."""
    if plugin and rerun is None:
        raise UsageError("--plugin runs the submission's code; give it together with --rerun.")
    folders = submission_folders(submission)
    if len(folders) > 1 and (weights is not None or rerun is not None):
        raise UsageError(f"{submission} holds {len(folders)} submissions. Name one for --weights and --rerun.")
    refused = 0
    for folder in folders:
        try:
            refused += not _verified(
                folder, suite, weights=weights, write=write, out=out, rerun=rerun, plugins=plugin or []
            )
        except TemperError as error:
            if len(folders) == 1:
                raise
            show(f"{folder}: {error}")
            refused += 1
    if len(folders) > 1:
        say(f"Verified: {len(folders) - refused} of {len(folders)} submissions.")
    if refused:
        raise typer.Exit(1)


def submission_folders(folder: Path) -> list[Path]:
    """Return a submission's own folder, or the submissions in a folder of them.

    Raises:
        UsageError: it holds records and no submissions, which have no tables to compute them from.
    """
    if folder.is_symlink() or not folder.is_dir() or (folder / _MANIFEST).exists():
        return [folder]
    inside = sorted(path.parent for depth in ("*", "*/*", "*/*/*") for path in folder.glob(f"{depth}/{_MANIFEST}"))
    if not inside and any(any(folder.glob(f"{depth}seed-*.jsonl")) for depth in ("", "*/", "*/*/", "*/*/*/")):
        raise UsageError(
            f"{folder} holds records without tables. `temper verify` takes a submission, "
            "submissions/<suite>/<method>/<backbone>; `temper board check` checks the leaderboard's records."
        )
    return inside or [folder]


def _verified(
    folder: Path,
    suite: str | None,
    *,
    weights: Path | None,
    write: Path | None,
    out: Path,
    rerun: int | None,
    plugins: list[str],
) -> bool:
    """Verify one submission, write its records if asked, and return whether it holds."""
    import tempfile

    from benchmark.execution.workload import materialise
    from benchmark.submission.publish import publish
    from benchmark.submission.read import read_submission
    from benchmark.submission.verify import Verification

    submission = read_submission(folder)
    _report("files: names, sizes, hashes, manifest and records", ())
    loaded = _suite_of(submission, suite)
    require_resources(loaded, loaded.backbone)
    with tempfile.TemporaryDirectory(prefix="temper-verify-") as scratch:
        verification = Verification(submission, materialise(loaded), Path(scratch))
        holds = all(_report(name, problems) for name, problems in verification.checks())
        if holds and weights is not None:
            holds = _replayed(verification, weights)
        again = {rerun} if holds and rerun is not None else set()
        if holds and rerun is not None:
            holds = _rerun(verification, rerun, out, plugins)
        else:
            say("No code of the submission was run.")
        if not holds:
            say(f"Refused: {folder}. Nothing was written.")
            return False
        level = f"rescored, seed {rerun} rerun" if again else "rescored"
        say(f"Verified: {folder} ({level})")
        if write is not None:
            done = publish(verification, write, again)
            say(f"Written to {write}: {len(done.files)} files of records ({level})")
            for path in done.replaced:
                say(f"Replaced: {path}")
            for path in done.removed:
                say(f"Removed, since the submission has no such seed: {path}")
    return True


def _suite_of(submission: "Submission", path: str | None) -> "Suite":
    """Load the suite that the maintainer names, or the packaged suite that the submission names."""
    from benchmark.suites import load_suite

    named = submission.manifest.suite
    try:
        return load_suite(path or f"{named.name}@{named.version}")
    except UsageError as error:
        if path is not None:
            raise
        raise IntegrityError(
            f"The submission's suite is not one of Temper's here: {error} Name its file with --suite."
        ) from error


def _report(name: str, problems: Sequence[str]) -> bool:
    """Print whether a check holds, with its first problems, and return it."""
    show(f"{'refused' if problems else 'holds  '}  {name}", "bold red" if problems else "green", indent=" " * 9)
    for problem in problems[:20]:
        show(f"         {problem}")
    if len(problems) > 20:
        show(f"         And {len(problems) - 20} more.")
    return not problems


def _replayed(verification: "Verification", weights: Path) -> bool:
    """Replay a sample that the author could not predict, and name the seeds that were replayed."""
    from benchmark.submission.replay import given_weights, replay_problems

    given, salt = given_weights(verification, weights), secrets.randbelow(1 << 32)
    problems = list(replay_problems(verification, given, salt))
    return _report(f"weights: texts replayed on those of seed {', '.join(map(str, given))} (sample {salt})", problems)


def _rerun(verification: "Verification", seed: int, out: Path, plugins: list[str]) -> bool:
    """Train a seed again and show every headline value next to the submitted one."""
    from benchmark.execution.method_registry import load_plugin
    from benchmark.submission.rerun import rerun

    if seed not in verification.submission.runs:
        known = ", ".join(map(str, verification.submission.runs))
        raise UsageError(f"--rerun {seed}: the submission has the seeds {known}.")
    say(f"Running the submission's code: training seed {seed} again.")
    for text in plugins:
        load_plugin(text)
    # Use a separate folder: --out may hold the author's run, and then nothing would be trained.
    with closing(CellDisplay()) as display:
        compared = rerun(verification.submission, verification.work, seed, out / "rerun", display)
    headings = ("Task", "Metric", "Submitted", "Again", "Difference", "Tolerance")
    values = ((one, (one.submitted, one.again, one.again - one.submitted, one.tolerance)) for one in compared)
    rows = [(one.task, one.metric, *(f"{value:.4f}" for value in four)) for one, four in values]
    print_table(headings, rows, right=headings[2:])
    problems = [
        f"{one.task}, {one.metric}: submitted {one.submitted:.4f}, trained again {one.again:.4f}; the tolerance is "
        f"{one.tolerance:.4f}."
        for one in compared
        if not one.holds
    ]
    return _report(f"rerun: seed {seed} trained again", problems)


def push(
    method: MethodArgument,
    suite: OneSuiteOption,
    to: Annotated[str, typer.Option("--to", help="A Hub id such as me/model, or a folder, which starts with ./ or /.")],
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the row.")] = 0,
    *,
    backbone: BackboneOption = None,
    out: OutOption = Path("runs"),
    plugin: PluginOption = None,
    protocol: ProtocolOption = "",
    settings: SettingsOption = "defaults",
    licence: Annotated[
        str | None,
        typer.Option("--license", help="Licence of the model, as the Hub names it. [default: a packaged backbone's]"),
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
) -> None:
    """Write a trained model with a model card, or upload both."""
    from benchmark.resources import expanded
    from benchmark.submission.model_card import upload_model, write_model
    from benchmark.suites import load_suite

    local = to.startswith(("./", "../", "~")) or to in (".", "..") or Path(to).is_absolute()
    folder = expanded(to) if local else None
    loaded, request = load_suite(suite), parse_method(method, plugin or ())
    planned = plan(loaded, [request], 1, backbone, out, protocol=protocol, settings=settings)
    row = planned.rows[0].with_seed(seed)
    planned = replace(planned, rows=[row])
    if folder is not None:
        write_model(planned, folder, licence)
        show(f"Model: {shlex.quote(str(folder))}")
    else:
        say(f"Uploading {row.label} to {to}.")
        show(f"Model: {upload_model(planned, to, licence, private=private)}")
