"""Find what a pull request changes and run the checks for it: ``python -m scripts.ci_checks BASE``.

Continuous integration runs this on untrusted pull requests, without secrets. File names are untrusted too: they reach
no shell, and only names of methods and submissions have an effect.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from benchmark.schema import UsageError, method_slug
from benchmark.schema.record import TUNED, row_folder

_LETTERS = "[A-Za-z0-9._+~=,-]"
NAME = f"[A-Za-z0-9]{_LETTERS}*"
_METHOD = re.compile(r"methods/([a-z][a-z0-9_]*)\.py")
_ROW = f"{NAME}(?:@{TUNED}(?:~{_LETTERS}*)?)?"
_SUBMISSION = re.compile(rf"(submissions/({NAME}@[0-9]+)/({_ROW})/{NAME})/.+", re.DOTALL)
_OWN = re.compile(r"methods/([a-z][a-z0-9_]*)\.py|tests/methods/test_([a-z][a-z0-9_]*)\.py")
_LISTS = ("README.md", "docs/methods.md", "methods/temper_costs.json", "pyproject.toml")
"""Files with a line per method."""

RESULTS = Path("leaderboard/results")


def touched_files(base: str) -> list[str]:
    """List the paths that differ from the merge base with `base`; renamed files count under both names.

    Raises:
        UsageError: there is no such commit, or it has no commit in common with HEAD.
    """
    command = ["git", "diff", "--name-only", "-z", "--no-renames", f"{base}...HEAD"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        reason = " ".join(done.stderr.decode(errors="backslashreplace").split())
        raise UsageError(f"BASE {base}: {reason}. Name the commit that the branch started from.")
    return [name.decode(errors="backslashreplace") for name in done.stdout.split(b"\0") if name]


def touched_methods(files: Iterable[str]) -> list[str]:
    """List the stems of changed method files that still exist."""
    stems = {match[1] for file in files if (match := _METHOD.fullmatch(file))}
    return sorted(stem for stem in stems if Path(f"methods/{stem}.py").is_file())


def touched_submissions(files: Iterable[str]) -> list[tuple[str, str]]:
    """List folder and suite of the changed submissions that still exist."""
    pairs = {(match[1], match[2]) for file in files if (match := _SUBMISSION.fullmatch(file))}
    return sorted(pair for pair in pairs if Path(pair[0]).is_dir())


def misplaced(files: Iterable[str]) -> list[str]:
    """List files that a pull request with a submission must not change: its checks, and other methods."""
    names = list(files)
    if not any(name.startswith("submissions/") for name in names):
        return []
    submitted = {member for name in names if (match := _SUBMISSION.fullmatch(name)) for member in _members(match[3])}
    return sorted(name for name in names if not (_SUBMISSION.fullmatch(name) or _belongs(name, submitted)))


def _members(row: str) -> list[str]:
    """Return the methods of a row's folder: ``a+b~alpha=0.6`` and ``a+b@tuned`` have a and b."""
    return re.split("[~@]", row)[0].split("+")


def _belongs(name: str, submitted: Collection[str]) -> bool:
    """Return whether a file belongs to a submitted method or lists methods; one file may hold variants."""
    match = _OWN.fullmatch(name)
    stem = (match[1] or match[2]) if match else ""
    own = any(member == stem or member.startswith((f"{stem}-", f"{stem}_")) for member in submitted)
    return name in _LISTS or bool(stem and own)


def strayed(folder: str) -> bool:
    """Return whether a submission's folder differs from that of its manifest."""
    try:
        manifest = json.loads(Path(folder, "submission.json").read_text(encoding="utf-8"))
        suite, method = manifest["suite"], manifest["method"]
        slug = method_slug(method["name"], method["configuration"], tuned=method.get("tuned", False))
        row = row_folder(suite["name"], suite["version"], slug, manifest["backbone"])
        return str(Path("submissions") / row) != folder
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


def contract_commands(stem: str) -> list[list[str]]:
    """Return the commands of a method's own tests and of its contract; a file without a method fails."""
    pytest, own = [sys.executable, "-m", "pytest", "-q"], Path(f"tests/methods/test_{stem}.py")
    contract = [*pytest, "tests/methods/test_contract.py", "-k", f"Test_{stem}"]
    return [[*pytest, str(own)], contract] if own.is_file() else [contract]


def main(arguments: Sequence[str]) -> int:
    """Run the checks for the changed files and return 1 if one of them fails, 2 without a commit to compare with."""
    # Git takes an empty name for HEAD, so an unset variable would compare nothing, and everything would pass.
    if len(arguments) not in (1, 2) or not arguments[0]:
        sys.stderr.write("Write python -m scripts.ci_checks BASE [PREVIEW]; BASE is where the branch started.\n")
        return 2
    base, preview = arguments[0], Path(arguments[1] if len(arguments) > 1 else "preview")
    try:
        files = touched_files(base)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    wrong = misplaced(files)
    for name in wrong:
        sys.stdout.write(f"A pull request with a submission must not change {name!a}. Send that separately.\n")
    submissions = touched_submissions(files)
    astray = [folder for folder, _ in submissions if strayed(folder)]
    for folder in astray:
        sys.stdout.write(f"{folder}/submission.json names another folder. Run `temper submit` again.\n")
    runs = [command for stem in touched_methods(files) for command in contract_commands(stem)]
    shutil.copytree(RESULTS, preview / "results", dirs_exist_ok=True)
    for folder, suite in submissions:
        runs.append(["temper", "resources", "fetch", "--suite", suite])
        runs.append(["temper", "verify", folder, "--write", str(preview / "results")])
    failed = [run for run in runs if subprocess.run(run, check=False).returncode]
    built = subprocess.run(
        ["temper", "board", "build", "--results", preview / "results", "--site", preview / "site"], check=False
    ).returncode
    for run in failed:
        sys.stdout.write(f"failed: {' '.join(map(ascii, run))}\n")
    return int(bool(wrong or astray or failed or built))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
