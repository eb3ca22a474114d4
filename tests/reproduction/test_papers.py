"""The files about papers' tables: each fits its suites and methods, and mistakes are told."""

from pathlib import Path

import pytest

from benchmark.evaluation.metrics import METRICS
from benchmark.execution.method_registry import MethodRequest, configure
from benchmark.reproduction import available_reproductions, choose_rows, load_reproduction
from benchmark.reproduction.paper import parse_reproduction
from benchmark.schema import UsageError, read_published, suite_name
from benchmark.suites import load_suite

PUBLISHED = Path(__file__).resolve().parents[2] / "leaderboard/published"
NAMES = ("mvp-ag", "mvp-boolq", "mvp-sst2", "rift-imdb", "rift-snli", "roast-mnli", "roast-sst2", "rose-glue")


def test_four_papers_have_tables() -> None:
    assert tuple(available_reproductions()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_columns_are_tasks_and_metrics_of_their_suites(name: str) -> None:
    for column in load_reproduction(name).columns:
        suite = load_suite(column.suite)
        held = {task.id: (task.perspective, task.metrics) for task in suite.tasks}
        held |= {attack.id: ("adversarial", attack.metrics) for attack in suite.attacks}
        assert column.metric in METRICS
        for task in column.tasks:
            perspective, metrics = held[task]
            assert column.metric in metrics
            assert column.perspective == ("calibration" if METRICS[column.metric].calibration else perspective)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("backbone", ["roberta-base", "roberta-large"])
def test_rows_are_methods_with_valid_settings(name: str, backbone: str) -> None:
    read = load_reproduction(name)
    for suite in map(load_suite, read.suites):
        configured = []
        for row in read.rows:
            request = MethodRequest.parse(row.on(suite.name, backbone)[0])
            request.require_known()
            configured.append(configure(request).label)
        assert len(set(configured)) == len(configured)


def test_rose_has_the_released_settings() -> None:
    first = next(row for row in load_reproduction("rose-glue").rows if row.label == "ROSE-First")
    assert first.on("rose-rte", "roberta-large") == ("rose-first:upper=0.8", 1e-5)
    assert first.on("rose-qnli", "roberta-large") == ("rose-first:upper=0.5", 3e-5)
    assert first.on("rose-qnli", "minilm") == ("rose-first", None)


@pytest.mark.parametrize(
    ("table", "suite", "label", "settings"),
    [
        ("roast-sst2", "sentiment", "RoAST", {"alpha": 0.9, "beta": 10.0}),
        ("roast-sst2", "sentiment", "RIFT", {"kl_weight": 10.0, "mi_weight": 0.1}),
        ("roast-mnli", "entailment", "RoAST", {"alpha": 0.6, "beta": 1.0}),
        ("roast-mnli", "entailment", "RIFT", {"kl_weight": 5.0, "mi_weight": 0.7}),
        ("rift-imdb", "rift-imdb", "RIFT", {"kl_weight": 10.0, "mi_weight": 0.1}),
        ("rift-snli", "rift-snli", "RIFT", {"kl_weight": 5.0, "mi_weight": 0.7}),
    ],
)
def test_roast_and_rift_have_the_settings_of_the_tables_task(
    table: str, suite: str, label: str, settings: dict[str, float]
) -> None:
    row = next(row for row in load_reproduction(table).rows if row.label == label)
    for backbone in ("roberta-large", "bert-base-uncased", "minilm"):
        method = configure(MethodRequest.parse(row.on(suite, backbone)[0]))
        assert method.hyperparameters.items() >= settings.items()


def test_published_numbers_have_a_suite_and_a_source() -> None:
    found = read_published(PUBLISHED)
    assert len(found) == 4
    for located in found:
        suite = load_suite(located.record["suite"]["name"])
        assert suite_name(located.record["suite"]) == suite.full_name
        assert all(located.record["source"].values())


def test_rows_are_chosen_by_label_or_method() -> None:
    read = load_reproduction("roast-sst2")
    assert [row.label for row in choose_rows(read, "roast, Vanilla").rows] == ["Vanilla", "RoAST"]
    assert choose_rows(read, None) is read
    with pytest.raises(UsageError, match=r"roast-sst2 has no row 'raost'. Did you mean 'roast'"):
        choose_rows(read, "raost")
    with pytest.raises(UsageError, match="--methods names no row"):
        choose_rows(read, ", ")


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"There is no reproduction 'roast-sst'. Did you mean 'roast-sst2'"):
        load_reproduction("roast-sst")


MISTAKES = [
    ('name = "roast-sst2"', 'name = "other"', "name: 'other' is not the file's name"),
    ('label = "RIFT"', 'label = "SMART"', "rows: duplicate row 'SMART'"),
    ('perspective = "shift"', 'perspective = "shfit"', r"perspective: .* Did you mean 'shift'"),
    ("seeds = 3", "seeds = 0", "seeds: is the number 0; write a whole number of at least 1"),
    ('metric = "auroc"', 'metrik = "auroc"', "is an unknown key; remove it. Did you mean 'metric'"),
    ('tasks = ["sst2"]', "tasks = []", r"columns\[inD\].tasks: is empty"),
    ("seeds = 3", "seeds = ", "not TOML"),
]


@pytest.mark.parametrize(("old", "new", "sentence"), MISTAKES)
def test_a_mistake_in_a_file_is_one_sentence(old: str, new: str, sentence: str) -> None:
    path = available_reproductions()["roast-sst2"]
    text = path.read_text()
    assert old in text
    with pytest.raises(UsageError, match=sentence):
        parse_reproduction(text.replace(old, new, 1), path)
