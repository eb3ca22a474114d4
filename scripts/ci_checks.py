"""What a pull request touches, and the checks that follow from it: ``python -m scripts.ci_checks BASE``.

Run by continuous integration on a stranger's pull request, with nothing in reach that is worth having. Names of files
are a stranger's as well: they reach no shell, and only those that look like a method's or a submission's are acted on.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from benchmark.submission.layout import row_folder

NAME = "[A-Za-z0-9][A-Za-z0-9._+~=,-]*"
_METHOD = re.compile(r"methods/([a-z][a-z0-9_]*)\.py")
_SUBMISSION = re.compile(rf"(submissions/({NAME}@[0-9]+)/({NAME})/{NAME})/.+", re.DOTALL)
_OWN = re.compile(r"methods/([a-z][a-z0-9_]*)\.py|tests/methods/test_([a-z][a-z0-9_]*)\.py")
_LISTS = ("pyproject.toml", "methods/temper_costs.json")
"""Where every new method is a line."""

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
    """Files that a pull request with a submission may not touch: what would check it, and other methods."""
    names = list(files)
    if not any(name.startswith("submissions/") for name in names):
        return []
    submitted = {member for name in names if (match := _SUBMISSION.fullmatch(name)) for member in _members(match[3])}
    return sorted(name for name in names if not (_SUBMISSION.fullmatch(name) or _belongs(name, submitted)))


def _members(row: str) -> list[str]:
    """The methods of a row's folder: ``a+b~alpha=0.6`` is of a and b."""
    return row.partition("~")[0].split("+")


def _belongs(name: str, submitted: Collection[str]) -> bool:
    """Whether a file is a submitted method's own, or a list that it has a line in; one file may hold variants."""
    match = _OWN.fullmatch(name)
    stem = (match[1] or match[2]) if match else ""
    own = any(member == stem or member.startswith((f"{stem}-", f"{stem}_")) for member in submitted)
    return name in _LISTS or bool(stem and own)


def strayed(folder: str) -> bool:
    """Whether a submission lies elsewhere than its manifest says that it belongs."""
    try:
        manifest = json.loads(Path(folder, "submission.json").read_text(encoding="utf-8"))
        return str(Path("submissions") / row_folder(manifest)) != folder
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


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
    submissions = touched_submissions(files)
    astray = [folder for folder, _ in submissions if strayed(folder)]
    for folder in astray:
        sys.stdout.write(f"{folder}/submission.json says that it belongs elsewhere; run `temper submit` again.\n")
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
