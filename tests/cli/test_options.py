"""`temper` with the name of a group: its suites one after the other, whatever becomes of one."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from benchmark.cli.app import app
from benchmark.cli.options import INTERRUPTED, PUBLISHED, each_suite, published_folder
from benchmark.data.sources.file import FileSource
from benchmark.data.sources.mirror import MIRROR_VARIABLE, mirror_problem
from benchmark.schema import TemperError, UsageError
from tests.support.tiny_suite import write_tiny_suite

GROUP = 'name = "both"\nversion = 1\ntitle = "Both"\nnote = "For tests."\nsuites = ["tiny.toml", "other.toml"]\n'


@pytest.fixture
def both(tmp_path: Path, tiny_backbone: Path) -> str:
    """A group of two tiny suites, in files of one's own."""
    first = write_tiny_suite(tmp_path, tiny_backbone)
    (tmp_path / "tiny.toml").write_text(first.read_text())
    (tmp_path / "other.toml").write_text(first.read_text().replace('name = "tiny"', 'name = "other"'))
    (tmp_path / "both.toml").write_text(GROUP)
    return str(tmp_path / "both.toml")


def met(name: str, failures: dict[str, Exception]) -> tuple[list[str], int]:
    """The suites that were worked on, and the exit code."""
    seen: list[str] = []

    try:
        for suite, attempt in each_suite(name):
            with attempt:
                seen.append(suite.name)
                if suite.name in failures:
                    raise failures[suite.name]
    except typer.Exit as stop:
        return seen, stop.exit_code
    return seen, 0


def test_a_failing_suite_does_not_stop_the_next_and_the_highest_code_stands(both: str) -> None:
    assert met(both, {}) == (["tiny", "other"], 0)
    assert met(both, {"tiny": TemperError("gone")}) == (["tiny", "other"], 1)
    assert met(both, {"tiny": UsageError("wrong"), "other": typer.Exit(1)}) == (["tiny", "other"], 2)


def test_an_interruption_stops_all(both: str) -> None:
    assert met(both, {"tiny": typer.Exit(INTERRUPTED)}) == (["tiny"], INTERRUPTED)


def test_one_suite_fails_as_ever() -> None:
    with pytest.raises(TemperError, match="gone"):
        met("demo", {"demo": TemperError("gone")})


def test_status_and_show_take_a_group(both: str, tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["status", both, "--out", str(tmp_path / "out")]).output
    assert shown.index("tiny@1: Tiny") < shown.index("other@1: Tiny")
    assert shown.count("vanilla, seed 0") >= 2 * 5
    shown = CliRunner().invoke(app, ["suite", "show", both]).output
    assert "both@1: Both" in shown
    assert "tiny@1" in shown
    assert "other@1" in shown


def test_list_shows_the_packaged_groups() -> None:
    shown = " ".join(CliRunner().invoke(app, ["list", "--suites"]).output.split())
    assert "mirror@2" in shown
    assert "mirror-sentiment@2" in shown


@pytest.mark.slow
def test_run_goes_through_all_suites_and_the_same_command_has_nothing_to_do(both: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (tmp_path / "tiny.toml").write_text((tmp_path / "tiny.toml").read_text().replace("rows = 24", "rows = 23"))
    done = CliRunner().invoke(app, ["run", both, "--out", str(out)])
    assert done.exit_code == 1
    assert "24 examples where 23 are declared" in done.output
    assert [path.name for path in (out / "results").iterdir() if "@" in path.name] == ["other@1"]
    (tmp_path / "tiny.toml").write_text((tmp_path / "tiny.toml").read_text().replace("rows = 23", "rows = 24"))
    done = CliRunner().invoke(app, ["run", both, "--out", str(out)])
    assert done.exit_code == 0
    assert {path.name for path in (out / "results").iterdir() if "@" in path.name} == {"tiny@1", "other@1"}
    assert CliRunner().invoke(app, ["run", both, "--out", str(out)]).output.count("Nothing to compute") == 2


def test_check_goes_through_all_suites_and_gives_the_worst_code(both: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["suite", "check", both])
    assert done.exit_code == 0, done.output
    for name in ("tiny", "other"):
        assert f"{name}@1: every part is as the suite declares it." in done.output
    (tmp_path / "other.toml").write_text((tmp_path / "other.toml").read_text().replace("rows = 24", "rows = 25"))
    done = CliRunner().invoke(app, ["suite", "check", both])
    assert done.exit_code == 1
    assert "tiny@1: every part is as the suite declares it." in done.output
    assert "other@1: 1 mistake" in done.output


def test_published_numbers_are_optional_only_where_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert published_folder(PUBLISHED) is None
    assert published_folder(Path("gone")) == Path("gone")
    (tmp_path / "runs/results").mkdir(parents=True)
    for command in (["board", "build"], ["board", "check"], ["reproduce", "roast-sst2"]):
        refused = CliRunner().invoke(app, [*command, "--published", "gone"])
        assert isinstance(refused.exception, UsageError), command
        assert str(refused.exception).startswith("There is no folder gone; ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["push", "vanilla", "--suite", "demo", "--to"],
        ["suite", "check"],
        ["suite", "show"],
        ["run", "demo", "--backbone"],
        ["resources", "fetch", "minilm", "--from"],
    ],
)
def test_the_home_folder_of_nobody_is_one_sentence(arguments: list[str]) -> None:
    refused = CliRunner().invoke(app, [*arguments, "~nosuchuser/x.toml"])
    assert isinstance(refused.exception, UsageError), refused
    assert str(refused.exception) == (
        "~nosuchuser/x.toml: ~nosuchuser is not a home folder here. Write the whole path."
    )


def test_the_home_folder_of_nobody_holds_no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"^~nosuchuser/x.csv: ~nosuchuser is not a home folder here"):
        next(FileSource(path="~nosuchuser/x.csv", format="csv").rows(("text",), None))
    monkeypatch.setenv(MIRROR_VARIABLE, "~nosuchuser/hub")
    assert mirror_problem().startswith("TEMPER_MIRROR: ~nosuchuser/hub: ~nosuchuser is not a home folder here")
