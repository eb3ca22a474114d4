"""The workflows: read-only rights, no secrets, pinned actions, and no stranger's text in a shell."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[1] / ".github/workflows"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))
PUBLISHING = {"pages": "write", "id-token": "write"}
ON_MAIN = "github.event_name == 'push' && github.ref == 'refs/heads/main'"
SAFE_IN_A_SHELL = {"hashFiles"}


def load(name: str) -> dict[Any, Any]:
    return yaml.safe_load((FOLDER / name).read_text())


def jobs(name: str) -> dict[str, dict[str, Any]]:
    return load(name)["jobs"]


def steps(name: str) -> list[dict[str, Any]]:
    return [step for job in jobs(name).values() for step in job["steps"]]


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_reads_and_holds_no_secret(name: str) -> None:
    text = (FOLDER / name).read_text()
    # YAML 1.1 reads `on` as true.
    assert set(load(name)[True]) <= {"push", "pull_request"}, "pull_request_target and workflow_run have secrets"
    assert load(name)["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    assert "GITHUB_TOKEN" not in text
    assert "github.token" not in text


@pytest.mark.parametrize("name", FILES)
def test_only_the_page_is_published_with_more_and_only_from_main(name: str) -> None:
    for title, job in jobs(name).items():
        if "permissions" in job:
            assert (name, title) == ("board.yml", "publish")
            assert job["permissions"] == PUBLISHING
            assert job["if"] == ON_MAIN
            assert job["needs"] == "check"
            assert not [step for step in job["steps"] if "run" in step or "checkout" in step.get("uses", "")]


@pytest.mark.parametrize("name", FILES)
def test_actions_are_pinned_and_githubs_own(name: str) -> None:
    used = [step["uses"] for step in steps(name) if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v[0-9]+", action) for action in used), used
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", FILES)
def test_no_expression_reaches_a_shell_and_every_job_ends(name: str) -> None:
    for step in steps(name):
        assert "${{" not in step.get("run", ""), "pass it through env, which no shell reads as code"
    assert all(job["timeout-minutes"] <= 90 for job in jobs(name).values())


def test_a_drifted_board_fails_before_anything_is_published() -> None:
    commands = [step.get("run", step.get("uses", "")) for step in jobs("board.yml")["check"]["steps"]]
    checked = commands.index("temper board check")
    assert checked < commands.index("temper board build --site public")
    assert "mkdocs build --strict --site-dir public/docs" in commands[:-1]
    assert commands[-1].startswith("actions/upload-pages-artifact@")
    assert not any("continue-on-error" in step for step in steps("board.yml"))
    assert jobs("board.yml")["check"]["steps"][-1]["if"] == ON_MAIN


def test_a_pull_request_is_tested_verified_and_previewed() -> None:
    assert "pull_request" in load("tests.yml")[True]
    (job,) = jobs("submission.yml").values()
    commands = [step.get("run", step.get("uses", "")) for step in job["steps"]]
    assert 'python -m scripts.ci_checks "$BASE" preview' in commands
    assert commands[-1].startswith("actions/upload-artifact@")
    assert not any("continue-on-error" in step for step in job["steps"])
    assert load("submission.yml")[True]["pull_request"]["paths"] == ["methods/**", "submissions/**", "pyproject.toml"]
