"""The public functions of `benchmark`: imported lazily, and the same run as `temper run`."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import benchmark
from benchmark.schema import UsageError
from tests.support.tiny import write_tiny_bert
from tests.support.tiny_suite import write_tiny_suite


@pytest.fixture(name="suite")
def _suite(tmp_path: Path) -> Path:
    backbone = tmp_path / "backbone"
    backbone.mkdir()
    return write_tiny_suite(tmp_path, write_tiny_bert(backbone))


def test_importing_benchmark_loads_no_library() -> None:
    script = "import sys, benchmark; print({'numpy', 'pandas', 'torch', 'transformers', 'typer'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_surface_is_what_dir_lists_and_a_wrong_name_is_refused() -> None:
    assert {"run", "load_suite"} <= set(dir(benchmark))
    with pytest.raises(AttributeError, match="has load_suite, run"):
        benchmark.runs  # noqa: B018


def test_run_writes_the_records_that_the_command_writes_and_resumes(suite: Path, tmp_path: Path) -> None:
    from benchmark.cli.app import app

    report = benchmark.run(suite, ["vanilla", "worddrop:probability=0.2"], seeds=2, out=tmp_path / "api")
    again = benchmark.run(suite, "vanilla,worddrop:probability=0.2", seeds=2, out=tmp_path / "api")
    assert (report.failures, len(report.files), again.computed) == ([], 4, 0)
    assert again.reused == report.computed + report.reused
    command = ["run", str(suite), "--methods", "vanilla,worddrop:probability=0.2", "--seeds", "2"]
    done = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "cli")])
    assert done.exit_code == 0, done.output
    for file in report.files:
        twin = tmp_path / "cli" / file.relative_to(tmp_path / "api")
        assert twin.read_bytes() == file.read_bytes()


def test_invalid_arguments_are_refused_before_anything_is_written(suite: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, message in (
        ({"methods": "vanila"}, "Did you mean 'vanilla'"),
        ({"methods": []}, "names no method"),
        ({"methods": ["vanilla", "vanilla"]}, "names vanilla twice"),
        ({"seeds": 0}, "seeds is 0"),
        ({"protocol": "padding"}, "padding"),
        ({"settings": "tunde"}, "settings is 'tunde'. Did you mean 'tuned'"),
        ({"track": "tensorbord"}, "track is 'tensorbord'. Did you mean 'tensorboard'"),
        ({"plugins": "mine.py"}, "--plugin mine.py: file not found"),
    ):
        with pytest.raises(UsageError, match=message):
            benchmark.run(suite, **{"methods": "vanilla", "out": out, **arguments})
    assert not out.exists()
