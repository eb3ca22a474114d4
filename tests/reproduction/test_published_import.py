"""Import of published numbers: one sentence per error, all or nothing, and a second import changes nothing."""

import re
from pathlib import Path

import pytest

from benchmark.reproduction.published_import import COLUMNS, MOST_BYTES, file_records, read_printed
from benchmark.schema import IntegrityError, UsageError, read_published
from tests.support.folders import tree

GOOD = {
    "paper": "A. Author (2020)",
    "table": "Table 1",
    "row": "RoAST",
    "column": "SST-2",
    "suite": "demo",
    "backbone": "minilm",
    "method": "roast",
    "task": "amazon",
    "metric": "accuracy",
    "value": "84.2%",
}


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def write(folder: Path, *changes: dict[str, str], header: str = ",".join(COLUMNS)) -> Path:
    lines = [",".join(quoted({**GOOD, **change}[name]) for name in COLUMNS) for change in changes]
    path = folder / "paper.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_line_becomes_a_record_of_its_suite(tmp_path: Path) -> None:
    (record,) = read_printed(write(tmp_path, {}))
    assert record["value"] == 0.842
    assert record["suite"] == {"name": "demo", "version": 3, "fingerprint": None}
    assert record["task"]["perspective"] == "shift"
    assert record["source"] == {name: GOOD[name] for name in ("paper", "table", "row", "column")}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metric": "ece"}, ("amazon", "calibration")),
        ({"task": "textfooler", "metric": "accuracy_under_attack"}, ("textfooler", "adversarial")),
        ({"task": "shift"}, ("shift", "shift")),
        ({"task": "calibration", "metric": "ece_roast"}, ("calibration", "calibration")),
        ({"suite": "demo@3", "value": "0.842"}, ("amazon", "shift")),
    ],
)
def test_task_and_metric_give_the_perspective(tmp_path: Path, change: dict[str, str], expected: tuple) -> None:
    (record,) = read_printed(write(tmp_path, change))
    assert (record["task"]["id"], record["task"]["perspective"]) == expected


def test_settings_of_a_method_become_its_configuration(tmp_path: Path) -> None:
    (record,) = read_printed(write(tmp_path, {"method": "roast:alpha=0.6:beta=1"}))
    assert (record["method"]["name"], record["method"]["configuration"]) == ("roast", "alpha=0.6,beta=1")


MISTAKES = [
    ({"suite": "demmo"}, "line 2, column suite: there is no suite 'demmo'. Did you mean 'demo'"),
    ({"suite": "demo@1"}, "line 2, column suite: is version '1', demo is at 3 here"),
    ({"suite": "demo@\x1b[31m"}, "line 2, column suite: is version '\\x1b[31m', demo is at 3 here"),
    ({"task": "amazn"}, "line 2, column task: demo has no task 'amazn'. Did you mean 'amazon'"),
    ({"metric": "acuracy"}, "line 2, column metric: there is no metric 'acuracy'. Did you mean 'accuracy'"),
    ({"metric": "auroc"}, "line 2, column metric: 'auroc' is not measured on amazon"),
    ({"method": "RoAST"}, "line 2, column method: 'RoAST' is called 'roast' here"),
    ({"method": "lp-ft"}, "line 2, column method: 'lp-ft' is called 'lp_ft' here"),
    ({"method": "ro/../ast"}, "line 2, column method: is the text 'ro/../ast'; write a name of letters"),
    ({"method": "<b>x</b>"}, "line 2, column method: is the text"),
    ({"backbone": "../../etc"}, "line 2, column backbone: is the text '../../etc'"),
    ({"value": "84.2"}, "line 2, column value: 84.2 is not a fraction; write 84.2% or a number from 0 to 1"),
    ({"value": "184%"}, "line 2, column value: 184% is not a fraction"),
    ({"value": "nan"}, "line 2, column value: 'nan' is not a number"),
    ({"value": "1e5"}, "line 2, column value: '1e5' is not a number"),
    ({"value": "=1+1"}, "line 2, column value: '=1+1' is not a number"),
    ({"value": "1" * 500}, "line 2, column value: '1111"),
    ({"metric": "nll", "value": "4%"}, "line 2, column value: is in percent, which nll is not"),
    (
        {"paper": '=HYPERLINK("http://x")'},
        "line 2, column paper: begins with '=', which a spreadsheet reads as a formula",
    ),
    ({"row": "@SUM(1)"}, "line 2, column row: begins with '@'"),
    ({"table": " "}, "line 2, column table: is empty"),
    ({"paper": "x" * 5000}, "line 2, column paper: has 5000 characters; shorten it to at most 4000"),
    ({"column": "a\u202eb"}, "line 2, column column: holds the unprintable character U+202E"),
    ({"column": "a\x1bb"}, "line 2, column column: holds the unprintable character U+001B"),
]


@pytest.mark.parametrize(("change", "sentence"), MISTAKES)
def test_a_mistake_is_one_sentence_with_line_and_column(tmp_path: Path, change: dict[str, str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_printed(write(tmp_path, change))
    (told,) = str(caught.value).splitlines()
    assert told.startswith(f"paper.csv: {sentence}")


def test_all_errors_of_a_file_are_listed(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_printed(write(tmp_path, {"suite": "demmo"}, {}, {"value": "x"}, {}))
    lines = [re.search(r"line (\d+)", told)[1] for told in str(caught.value).splitlines()]
    assert lines == ["2", "4", "5"]
    assert "line 5: repeats line 3: same paper, method, backbone, task and metric" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "line 1: lacks paper, table"),
        (b"paper;table\n", "line 1, column paper;table: is unknown"),
        (b"paper,paper\n", "line 1, column paper: is a duplicate"),
        (",".join(COLUMNS).encode(), "has no line below its header"),
        (",".join(COLUMNS).encode() + b"\na,b\n", "line 2: has 2 cells where the header has 10"),
        (",".join(COLUMNS).encode() + b'\n"a,b\n', "line 2: not a CSV"),
        (",".join(COLUMNS).encode() + b"\n" + b"x" * 200_000 + b"\n", "line 2: not a CSV"),
        (b"paper\n\xff\xfe\n", "line 2: is not UTF-8"),
        (b"paper\n\n\0\n", "line 3: holds a NUL"),
        (b"x" * (MOST_BYTES + 1), "import at most 4,000,000 at once"),
        (b"PK\x03\x04\0\0", "holds a NUL"),
        (",".join(COLUMNS).encode() + b"\n\n" * 6000, "has no line below its header|more than 5000 lines"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, data: bytes, sentence: str) -> None:
    (tmp_path / "paper.csv").write_bytes(data)
    with pytest.raises(UsageError, match=sentence):
        read_printed(tmp_path / "paper.csv")


def test_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none.csv cannot be read: No such file"):
        read_printed(tmp_path / "none.csv")


def test_importing_the_same_file_twice_changes_nothing(tmp_path: Path) -> None:
    records = read_printed(write(tmp_path, {}, {"task": "tweets"}, {"paper": "B. Author (2021)"}))
    first = file_records(records, tmp_path / "published")
    before = tree(tmp_path / "published")
    second = file_records(records, tmp_path / "published")
    assert (first.added, first.known, second.added, second.known) == (3, 0, 0, 3)
    assert second.files == ()
    assert tree(tmp_path / "published") == before
    assert [path.name for path in first.files] == ["a-author-2020.jsonl", "b-author-2021.jsonl"]
    assert len(read_published(tmp_path / "published")) == 3


def test_the_order_of_imports_does_not_matter(tmp_path: Path) -> None:
    for folder, order in (("one", (0, 1)), ("two", (1, 0))):
        for number in order:
            task = ("amazon", "tweets")[number]
            file_records(read_printed(write(tmp_path, {"task": task})), tmp_path / folder)
    one, two = tmp_path / "one/a-author-2020.jsonl", tmp_path / "two/a-author-2020.jsonl"
    assert one.read_bytes() == two.read_bytes()


def test_conflicting_value_is_refused_without_writing(tmp_path: Path) -> None:
    file_records(read_printed(write(tmp_path, {})), tmp_path / "published")
    before = tree(tmp_path / "published")
    changed = read_printed(write(tmp_path, {"value": "84.3%"}, {"task": "tweets"}))
    with pytest.raises(UsageError, match=r"roast, amazon, accuracy: published/a-author-2020.jsonl:1 has 0.842 from"):
        file_records(changed, tmp_path / "published")
    assert tree(tmp_path / "published") == before


def test_papers_with_equal_file_names_get_separate_files(tmp_path: Path) -> None:
    papers = ("A & B (2020)", "A, B 2020", "論文")
    for paper in papers:
        file_records(read_printed(write(tmp_path, {"paper": paper})), tmp_path / "published")
    assert sorted(path.name for path in (tmp_path / "published").iterdir()) == [
        "a-b-2020-2.jsonl",
        "a-b-2020.jsonl",
        "paper.jsonl",
    ]


def test_a_broken_file_of_published_numbers_stops_an_import(tmp_path: Path) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "published/a.jsonl").write_text("{")
    with pytest.raises(IntegrityError, match=r"a.jsonl:1"):
        file_records(read_printed(write(tmp_path, {})), tmp_path / "published")
