"""A labelled file of a user's: format and columns found, or one sentence about what is missing."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.data import load
from benchmark.data.labelled_file import labelled_file
from benchmark.schema.errors import IntegrityError, UsageError

ROWS = [{"text": "a film", "label": 1, "mark": 0}, {"text": "a plot", "label": 0, "mark": 1}]
CSV = "text,label,mark\na film,1,0\na plot,0,1\n"


def write(folder: Path, name: str, content: str = "") -> Path:
    path = folder / name
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress((content or CSV).encode()))
    elif name.endswith(".jsonl"):
        path.write_text('{"text": "a film", "label": 1, "mark": 0}\n{"text": "a plot", "label": 0, "mark": 1}\n')
    else:
        path.write_text(content or (CSV.replace(",", "\t") if name.endswith(".tsv") else CSV))
    return path


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.parquet", "a.csv.gz"])
def test_every_format_is_read_by_its_name(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name)
    found = {(example.texts, example.label) for example in load(labelled_file(path)).examples}
    assert found == {(("a film",), 1), (("a plot",), 0)}
    other = {(example.texts, example.label) for example in load(labelled_file(path, ("text",), "mark")).examples}
    assert other == {(("a film",), 0), (("a plot",), 1)}


def test_the_case_of_an_ending_plays_no_part(tmp_path: Path) -> None:
    path = tmp_path / "A.CSV.GZ"
    path.write_bytes(gzip.compress(CSV.encode()))
    assert len(load(labelled_file(path))) == 2


def test_all_json_objects_together_say_which_columns_there_are(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv").with_suffix(".jsonl")
    path.write_text('{"label": 1}\n{"text": "b"}\n{"text": "c", "label": 1}\n')
    spec = labelled_file(path)
    assert spec.text == ("text",)
    found = load(spec)
    assert [example.texts for example in found.examples] == [("c",)]
    assert found.report is not None
    assert (found.report.rows, found.report.empty, found.report.unmapped) == (3, 1, {"(missing)": 1})


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ("sentence,label", ("sentence",)),
        ("premise,hypothesis,label", ("premise", "hypothesis")),
        ("label,sentence2,sentence1", ("sentence1", "sentence2")),
        ("text,sentence,label", ("text",)),
    ],
)
def test_columns_are_found_by_habit(tmp_path: Path, header: str, texts: tuple[str, ...]) -> None:
    path = write(tmp_path, "a.csv", f"{header}\n{','.join('1' for _ in header.split(','))}\n")
    assert labelled_file(path).text == texts


def test_named_columns_come_in_the_order_named_and_a_limit_holds(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "q,a,y\nwhy,so,1\nhow,thus,1\n")
    spec = labelled_file(path, ("a", "q"), "y", 1)
    (example,) = load(spec).examples
    assert example.texts in {("so", "why"), ("thus", "how")}


@pytest.mark.parametrize(
    ("name", "content", "arguments", "sentence"),
    [
        ("a.txt", "x", {}, r"its name does not tell its format. Let it end in \.csv, \.tsv"),
        ("a.csv", "body,label\nx,1\n", {}, r"none of the columns text, sentence, premise\+hypothesis.* It has: body"),
        ("a.csv", CSV, {"text": ("tekst",)}, r"no column 'tekst'\. Did you mean 'text'"),
        ("a.csv", CSV, {"label": "lable"}, r"no column 'lable'\. Did you mean 'label'"),
        ("a.csv", CSV, {"text": ("text", "mark", "label")}, r"3 columns of texts"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    tmp_path: Path, name: str, content: str, arguments: dict[str, object], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        labelled_file(write(tmp_path, name, content), **arguments)  # type: ignore[arg-type]


def test_files_that_are_none_or_empty_or_broken_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*absent\.csv"):
        labelled_file(tmp_path / "absent.csv")
    with pytest.raises(IntegrityError, match="has no rows"):
        labelled_file(write(tmp_path, "a.csv", "text,label\n"))
    broken = tmp_path / "b.parquet"
    broken.write_text("no parquet")
    with pytest.raises(IntegrityError, match="not a readable parquet file"):
        labelled_file(broken)


@pytest.mark.parametrize(
    ("classes", "labels", "expected"),
    [
        (("neg", "pos"), ("neg", "1", "pos", "0.0"), [0, 1, 1, 0]),
        (("1", "2", "3"), ("1", "3", "2.0", "3"), [0, 2, 1, 2]),
        (("0", "1"), ("0", "1", "1", "0"), [0, 1, 1, 0]),
    ],
)
def test_labels_are_names_or_numbers_and_a_name_that_reads_like_a_number_is_a_name(tmp_path, classes, labels, expected):
    rows = "".join(f"text {number},{label}\n" for number, label in enumerate(labels))
    (tmp_path / "data.csv").write_text("text,label\n" + rows)
    examples = load(labelled_file(tmp_path / "data.csv", classes=classes)).examples
    assert [example.label for example in sorted(examples, key=lambda example: int(example.id))] == expected


def test_a_number_is_refused_where_names_read_like_numbers(tmp_path):
    (tmp_path / "data.csv").write_text("text,label\na,0\nb,1\n")
    with pytest.raises(UsageError, match=r"not a class of the model: '0'\. Write 1, 2, 3\."):
        labelled_file(tmp_path / "data.csv", classes=("1", "2", "3"))
