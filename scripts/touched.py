"""What a pull request touches, and the checks that follow from it: ``python -m scripts.touched BASE``.

Run by continuous integration on a stranger's pull request, with nothing in reach that is worth having. Names of files
are a stranger's as well: they reach no shell, and only those that look like a method's or a submission's are acted on.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

NAME = "[A-Za-z0-9][A-Za-z0-9._+~=,-]*"
_METHOD = re.compile(r"methods/([a-z][a-z0-9_]*)\.py")
_SUBMISSION = re.compile(rf"(submissions/({NAME}@[0-9]+)/{NAME}/{NAME})/.+", re.DOTALL)
_BESIDE = re.compile(r"(methods|tests/methods)/[^/]+|methods/temper_costs\.json|pyproject\.toml")
"""What may change together with a submission."""

RESULTS, PUBLISHED = Path("leaderboard/results"), Path("leaderboard/published")


def touched_files(base: str) -> list[str]:
    """Paths that differ from where the branch left `base`; renamed files count under both names."""
    command = ["git", "diff", "--name-only", "-z", "--no-renames", f"{base}...HEAD"]
    found = subprocess.run(command, capture_output=True, check=True).stdout
    return [name.decode(errors="backslashreplace") for name in found.split(b"\0") if name]


def touched_methods(files: Iterable[str]) -> list[str]:
    """Stems of the files of methods that are touched and still there."""
    stems = {match[1] for file in files if (match := _METHOD.fullmatch(file))}
    return sorted(stem for stem in stems if Path(f"methods/{stem}.py").is_file())


def touched_submissions(files: Iterable[str]) -> list[tuple[str, str]]:
    """Folder and suite of the submissions that are touched and still there."""
    found = {(match[1], match[2]) for file in files if (match := _SUBMISSION.fullmatch(file))}
    return sorted(pair for pair in found if Path(pair[0]).is_dir())


def misplaced(files: Iterable[str]) -> list[str]:
    """Files that a pull request with a submission may not touch: what would check it, for one."""
    names = list(files)
    if not any(name.startswith("submissions/") for name in names):
        return []
    return sorted(name for name in names if not (_SUBMISSION.fullmatch(name) or _BESIDE.fullmatch(name)))


def contract_commands(stem: str) -> list[list[str]]:
    """A method's own tests, and the contract of every name that its file registers; none registered is a failure."""
    pytest, own = [sys.executable, "-m", "pytest", "-q"], Path(f"tests/methods/test_{stem}.py")
    contract = [*pytest, "tests/methods/test_contract.py", "-k", f"Test_{stem}"]
    return [[*pytest, str(own)], contract] if own.is_file() else [contract]


def main(arguments: Sequence[str]) -> int:
    """Run every check that the touched files ask for; 1 if one of them fails."""
    base, preview = arguments[0], Path(arguments[1] if len(arguments) > 1 else "preview")
    files = touched_files(base)
    wrong = misplaced(files)
    for name in wrong:
        sys.stdout.write(f"A submission's pull request does not touch {name!a}; send that on its own.\n")
    runs = [command for stem in touched_methods(files) for command in contract_commands(stem)]
    submissions = touched_submissions(files)
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
    return int(bool(wrong or failed or built))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
