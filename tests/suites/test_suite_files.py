"""Finding suites and their versions, with few imports."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.evaluation.default_metrics import ANOMALY_METRICS, ATTACK_METRICS, TASK_METRICS
from benchmark.evaluation.metrics import metrics_for
from benchmark.schema.errors import UsageError
from benchmark.suites import available_suites, load_suite, parse_suite, suite_files
from benchmark.suites.validation import check_suite


def test_the_small_suite_is_read_as_written(folder: Path) -> None:
    suite = load_suite(folder / "small.toml")
    assert (suite.name, suite.version, suite.path) == ("small", 2, folder / "small.toml")
    assert suite.recipe.betas == (0.9, 0.98)
    assert (suite.recipe.clip, suite.recipe.accumulation, suite.metrics.ece_bins) == (None, 1, 10)
    label = suite.training.data.label
    assert label is not None
    assert label.map == {"rotten": 0, "fresh": 1}
    thresholds = suite.tasks[1].data and suite.tasks[1].data.label and suite.tasks[1].data.label.thresholds
    assert thresholds
    assert (thresholds.at_most, type(thresholds.at_most), thresholds.low, thresholds.high) == (2.0, float, 0, 1)
    assert suite.attacks[0].parameters == {"candidates": 8, "min_cosine": 0.5}
    assert load_suite(str(folder / "small.toml")) == suite


def test_a_byte_order_mark_in_front_of_a_suite_is_no_mistake(folder: Path) -> None:
    path = folder / "small.toml"
    plain = load_suite(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_suite(path) == plain


def test_absent_metrics_are_those_of_the_perspective(toml: str) -> None:
    suite = parse_suite(toml, path=Path("small.toml"))
    assert [task.metrics for task in suite.tasks] == [
        TASK_METRICS["in-distribution"],
        TASK_METRICS["shift"],
        ("auroc", "fpr95"),
        TASK_METRICS["adversarial"],
    ]
    assert TASK_METRICS["anomaly"] == ANOMALY_METRICS


def test_the_metrics_reported_by_default_exist_for_their_perspective() -> None:
    for perspective, names in {**TASK_METRICS, "attack": ATTACK_METRICS}.items():
        assert set(names) <= set(metrics_for(perspective))


def test_a_suite_needs_a_task_that_enters_a_score() -> None:
    suite = load_suite("demo")
    probe = replace(suite.tasks[0], perspective="retention", metrics=("retention",))
    problem = ("tasks", "none enters a score; add one that is neither a masking check nor a retention task.")
    assert problem in list(check_suite(replace(suite, tasks=(probe,), attacks=())))
    assert problem not in list(check_suite(suite))


def test_packaged_suites_by_name_and_version() -> None:
    assert available_suites()["demo"].name == "demo.toml"
    demo = load_suite("demo")
    assert load_suite(f"demo@{demo.version}") == demo


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dmeo", "There is no suite 'dmeo'. Did you mean 'demo'? Known: decoder, demo,"),
        ("nothing@1", "There is no suite 'nothing'. "),
        (
            "demo@4",
            "Suite demo is at version 3 here, not 4; ask for demo@3, or install the release of Temper that has demo@4.",
        ),
        ("demo@", "There is no suite 'demo@'. Did you mean 'demo'?"),
        ("nowhere/my.toml", "There is no suite file nowhere/my.toml; correct it, or name a packaged suite: decoder,"),
    ],
)
def test_a_suite_that_is_not_there(name: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suite(name)
    assert str(caught.value).startswith(sentence)


def test_bad_utf8_names_the_byte(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"name = \xff")
    with pytest.raises(UsageError, match=r"a\.toml: byte 7 is not UTF-8; save the file as UTF-8"):
        load_suite(tmp_path / "a.toml")


def test_a_packaged_file_has_the_suites_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "other.toml").write_text((folder / "small.toml").read_text())
    monkeypatch.setattr(suite_files, "_FOLDER", folder)
    assert load_suite("small@2").name == "small"
    with pytest.raises(UsageError, match=r"other\.toml: name: 'small' is not the file's name; rename one of the two"):
        load_suite("other")


def test_loading_a_suite_loads_nothing_heavy() -> None:
    code = (
        "import sys; from benchmark.suites import load_suite; load_suite('demo'); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "torch",
        "numpy",
        "pyarrow",
        "datasets",
        "transformers",
        "textattack",
        "sklearn",
        "pandas",
        "huggingface_hub",
    }
    assert "benchmark" in done.stdout.split()
    assert not heavy & set(done.stdout.split())
