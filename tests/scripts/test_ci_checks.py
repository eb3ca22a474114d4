"""Tests of the checks that continuous integration runs for the changed files of a pull request."""

import json
import subprocess
from pathlib import Path

import pytest

from scripts import ci_checks

FOLDER = "submissions/offline@1/my_method~alpha=0.6/minilm"
MANIFEST = json.dumps(
    {
        "suite": {"name": "offline", "version": 1},
        "method": {"name": "my_method", "configuration": "alpha=0.6"},
        "backbone": "minilm",
    }
)


@pytest.fixture()
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "A")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@example.org")
    git("init", "-q", "-b", "main")
    commit({"methods/roast.py": "1", "methods/gone.py": "1", "leaderboard/results/x": "1", "README.md": "1"})
    git("switch", "-q", "-c", "mine")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True, capture_output=True)


def commit(files: dict[str, str]) -> None:
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    git("add", "-A")
    git("commit", "-q", "-m", "x")


def test_methods_and_submissions_are_found_in_a_branch(repository: Path) -> None:
    Path("methods/gone.py").unlink()
    commit({"methods/roast.py": "2", f"{FOLDER}/submission.json": "{}", f"{FOLDER}/tables/seed-0/a.parquet": ""})
    files = ci_checks.touched_files("main")
    assert ci_checks.touched_methods(files) == ["roast"]
    assert ci_checks.touched_submissions(files) == [(FOLDER, "offline@1")]
    assert ci_checks.misplaced(files) == ["methods/gone.py", "methods/roast.py"]


@pytest.mark.parametrize(
    "name",
    [
        "submissions/$(touch x)@1/a/b/submission.json",
        "submissions/--help@1/a/b/submission.json",
        "submissions/a@1/--write/b/submission.json",
        "submissions/a@1/../../b/c/x.json",
        "submissions/a@1/b/c\n/x.json",
        "methods/; rm -rf .py",
        "methods/../setup.py",
        "methods/-k.py",
    ],
)
def test_unusual_names_have_no_effect(repository: Path, name: str) -> None:
    assert ci_checks.touched_methods([name]) == []
    assert ci_checks.touched_submissions([name]) == []


def test_names_with_newlines_and_quotes_are_read(repository: Path) -> None:
    name = 'submissions/a@1/b/c/x"\n$(y).json'
    commit({name: "{}"})
    assert ci_checks.touched_files("main") == [name]
    assert ci_checks.touched_submissions([name]) == [("submissions/a@1/b/c", "a@1")]


def test_submission_must_not_change_its_checks() -> None:
    allowed = [f"{FOLDER}/source.json", "methods/my_method.py", "tests/methods/test_my_method.py", "pyproject.toml"]
    assert ci_checks.misplaced([*allowed, "methods/temper_costs.json", "README.md", "docs/methods.md"]) == []
    variants = ["submissions/offline@1/rose-first+roast/minilm/source.json", "methods/rose.py", "methods/roast.py"]
    assert ci_checks.misplaced(variants) == []
    for name in (
        "methods/vanilla.py",
        "methods/my.pyc",
        "tests/methods/test_contract.py",
        "tests/methods/conftest.py",
        "tests/methods/test_hyperparameters.py",
        "docs/fidelity.md",
        "benchmark/submission/verify.py",
        "leaderboard/results/offline@1/x.jsonl",
        ".github/workflows/submission.yml",
        "scripts/ci_checks.py",
        "tests/conftest.py",
        "constraints.txt",
        "submissions/stray.json",
    ):
        assert ci_checks.misplaced([*allowed, name]) == [name]
    assert ci_checks.misplaced(["benchmark/cli/main.py"]) == []


def test_all_checks_run_and_one_failure_fails(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    commit({"methods/my_method.py": "2", "tests/methods/test_my_method.py": "2", f"{FOLDER}/submission.json": MANIFEST})
    ran: list[list[str]] = []
    real = subprocess.run

    def run(command: list, **options: object) -> subprocess.CompletedProcess:
        if command[0] == "git":
            return real(command, **options)
        ran.append([str(part) for part in command])
        return subprocess.CompletedProcess(command, int("verify" in command))

    monkeypatch.setattr(subprocess, "run", run)
    assert ci_checks.main(["main", "preview"]) == 1
    assert [command[1:3] for command in ran] == [
        ["-m", "pytest"],
        ["-m", "pytest"],
        ["resources", "fetch"],
        ["verify", FOLDER],
        ["board", "build"],
    ]
    assert [command[4:] for command in ran[:2]] == [
        ["tests/methods/test_my_method.py"],
        ["tests/methods/test_contract.py", "-k", "Test_my_method"],
    ]
    assert Path("preview/results/x").is_file()
    assert capsys.readouterr().out == f"failed: 'temper' 'verify' '{FOLDER}' '--write' 'preview/results'\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Write python -m scripts.ci_checks BASE"),
        (["", "preview"], "Write python -m scripts.ci_checks BASE"),
        (["mian"], "BASE mian: fatal: ambiguous argument 'mian...HEAD': unknown revision"),
    ],
)
def test_without_a_commit_to_compare_with_nothing_passes(
    arguments: list[str], sentence: str, repository: Path, capsys: pytest.CaptureFixture
) -> None:
    assert ci_checks.main(arguments) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(sentence)
    assert shown.count("\n") == 1
    assert not Path("preview").exists()


def test_a_tuned_row_is_a_submission_in_its_place(repository: Path) -> None:
    folder = "submissions/offline@1/my_method@tuned~alpha=0.6/minilm"
    tuned = json.loads(MANIFEST)
    tuned["method"]["tuned"] = True
    commit({"methods/my_method.py": "2", f"{folder}/submission.json": json.dumps(tuned)})
    files = ci_checks.touched_files("main")
    assert ci_checks.touched_submissions(files) == [(folder, "offline@1")]
    assert ci_checks.misplaced(files) == []
    assert not ci_checks.strayed(folder)


def test_a_misplaced_file_fails_the_check(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    commit({f"{FOLDER}/submission.json": MANIFEST, "benchmark/x.py": "1"})
    real = subprocess.run
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda c, **o: real(c, **o) if c[0] == "git" else subprocess.CompletedProcess(c, 0),
    )
    assert ci_checks.main(["main"]) == 1
    assert "must not change 'benchmark/x.py'. Send that separately" in capsys.readouterr().out


@pytest.mark.parametrize("text", [MANIFEST.replace("my_method", "vanilla"), "{", "[]", '{"suite": 1}'])
def test_submission_in_another_folder_fails(
    text: str, repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    commit({f"{FOLDER}/submission.json": text})
    real = subprocess.run
    monkeypatch.setattr(
        subprocess, "run", lambda c, **o: real(c, **o) if c[0] == "git" else subprocess.CompletedProcess(c, 0)
    )
    assert ci_checks.main(["main"]) == 1
    assert "names another folder" in capsys.readouterr().out
