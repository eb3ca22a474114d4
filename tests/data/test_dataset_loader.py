"""Label maps, filters, declared counts and hashes: from a file to examples."""

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from benchmark.data import Dataset, DataSpec, Example, LabelSpec, LoadReport, Thresholds, load
from benchmark.data.dataset_loader import value_text
from benchmark.schema.errors import IntegrityError, TemperError, UnavailableError, UsageError

Make = Callable[..., DataSpec]
CLASSES = ("negative", "positive")


def by_id(dataset: Dataset) -> dict[str, tuple[tuple[str, ...], int | None]]:
    return {example.id: (example.texts, example.label) for example in dataset.examples}


def test_map_drops_and_counts_unknown_values(file_spec: Make) -> None:
    content = "text,verdict,film\n good ,fresh,a\nbad,rotten,b\nplot,plot,c\nstory,plot,\n\n ,fresh,d\nnone,,e\n"
    spec = file_spec("a.csv", content, group="film", label=LabelSpec("verdict", map={"fresh": 1, "rotten": 0}))
    dataset = load(spec, classes=CLASSES)
    assert by_id(dataset) == {"0": (("good",), 1), "1": (("bad",), 0)}
    assert {example.group for example in dataset.examples} == {"a", "b"}
    assert dataset.label_names == CLASSES
    assert dataset.report == LoadReport(
        rows=6,
        filtered=0,
        empty=1,
        unmapped={"plot": 2, "(missing)": 1},
        duplicates=0,
        conflicts=0,
        beyond_limit=0,
        kept=2,
    )


def test_map_keys_are_values_written_as_text(file_spec: Make) -> None:
    content = "".join(
        f'{{"text": "t{n}", "label": {value}}}\n'
        for n, value in enumerate(["true", "false", "1", "1.0", '"1"', "null", "1.5"])
    )
    spec = file_spec("a.jsonl", content, label=LabelSpec("label", map={"true": 1, "false": 0, "1": 1}))
    dataset = load(spec, classes=CLASSES)
    assert {example.id: example.label for example in dataset.examples} == {"0": 1, "1": 0, "2": 1, "3": 1, "4": 1}
    assert dataset.report is not None
    assert dataset.report.unmapped == {"(missing)": 1, "1.5": 1}


WHOLE = [("a", 1), ("b", 0), ("c", 1)]


def write_labels(folder: Path, form: str) -> DataSpec:
    """Write the labels 1.0, 0.0, 1.0 and a missing one, as each format has them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = folder / f"a.{form}"
    if form == "decimal":
        labels = pa.array([Decimal("1.0"), Decimal("0.0"), Decimal("1.0"), None], pa.decimal128(3, 1))
        pq.write_table(pa.table({"text": ["a", "b", "c", "d"], "label": labels}), path)
    elif form == "parquet":
        pq.write_table(pa.table({"text": ["a", "b", "c", "d"], "label": [1.0, 0.0, 1.0, None]}), path)
    elif form == "jsonl":
        rows = [{"text": "a", "label": 1.0}, {"text": "b", "label": 0.0}, {"text": "c", "label": 1.0}, {"text": "d"}]
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        content = "text,label\na,1.0\nb,0.0\nc,1.0\nd,\n"
        path.write_text(content.replace(",", "\t") if form == "tsv" else content)
    return DataSpec("file", ("text",), format={"decimal": "parquet"}.get(form, form), path=str(path))


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet", "decimal"])
@pytest.mark.parametrize("keys", [None, ("0", "1"), ("0.0", "1.0")])
def test_a_whole_number_is_one_class_in_every_format(tmp_path: Path, form: str, keys: tuple[str, str] | None) -> None:
    mapping = None if keys is None else {keys[0]: 0, keys[1]: 1}
    dataset = load(replace(write_labels(tmp_path, form), label=LabelSpec("label", map=mapping)), classes=CLASSES)
    assert sorted((example.texts[0], example.label) for example in dataset.examples) == WHOLE
    assert dataset.report is not None
    assert dataset.report.unmapped == {"(missing)": 1}


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("allowed", ["1", "1.0"])
def test_filter_compares_whole_numbers_by_value(tmp_path: Path, form: str, allowed: str) -> None:
    dataset = load(replace(write_labels(tmp_path, form), where={"label": (allowed,)}))
    assert sorted(example.texts[0] for example in dataset.examples) == ["a", "c"]


def test_map_prefers_the_exact_text(file_spec: Make) -> None:
    spec = file_spec("a.csv", "text,label\na,1\nb,1.0\nc,1.00\n", label=LabelSpec("label", map={"1.0": 0, "1": 1}))
    assert {e.texts[0]: e.label for e in load(spec, classes=CLASSES).examples} == {"a": 1, "b": 0, "c": 0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (Decimal("NaN"), ""), (True, "true"), (1.0, "1"), (-0.0, "0"), (1.5, "1.5"),
     (Decimal("2.00"), "2"), (Decimal("2.50"), "2.50"), (float("inf"), "inf"), (" x ", "x"), ("1.0", "1.0"), (3, "3")],
)  # fmt: skip
def test_cell_as_text(value: object, text: str) -> None:
    assert value_text(value) == text


def test_nan_and_invisible_text_are_missing(file_spec: Make) -> None:
    content = (
        '{"text": NaN, "label": 1}\n{"text": "a", "label": NaN}\n{"text": "\\ufeff", "label": 1}\n'
        '{"text": "\\u200b \\u0000", "label": 1}\n{"text": "nan", "label": 1}\n{"text": "\\u200b!", "label": 1}\n'
    )
    dataset = load(file_spec("a.jsonl", content, label=LabelSpec("label")))
    assert {example.id for example in dataset.examples} == {"4", "5"}
    assert dataset.report is not None
    assert (dataset.report.empty, dataset.report.unmapped) == (3, {"(missing)": 1})


def test_a_label_column_of_lists_is_refused(file_spec: Make) -> None:
    with pytest.raises(IntegrityError, match="row 0, column 'label' holds a list instead of a label"):
        load(file_spec("a.jsonl", '{"text": "a", "label": [1]}\n', label=LabelSpec("label")))


def test_thresholds_include_their_ends_and_drop_the_middle(file_spec: Make) -> None:
    content = "text,rating\na,-1\nb,-0.999\nc,1.0\nd,3\ne,-4\nf,nan\ng,many\nh,inf\n"
    spec = file_spec("a.csv", content, label=LabelSpec("rating", thresholds=Thresholds(-1.0, 0, 1.0, 1)))
    dataset = load(spec, classes=CLASSES)
    assert {example.id: example.label for example in dataset.examples} == {"0": 0, "2": 1, "3": 1, "4": 0, "7": 1}
    assert dataset.report is not None
    assert dataset.report.unmapped == {"(between the thresholds)": 1, "(not a number)": 2}


def test_without_a_map_the_column_holds_class_numbers(file_spec: Make) -> None:
    spec = file_spec("a.csv", "text,label\na,0\nb,1\nc,-1\nd,x\n", label=LabelSpec("label"))
    dataset = load(spec, classes=CLASSES)
    assert {example.id: example.label for example in dataset.examples} == {"0": 0, "1": 1}
    assert dataset.report is not None
    assert dataset.report.unmapped == {"-1": 1, "x": 1}


def test_class_number_beyond_the_task_is_refused(file_spec: Make) -> None:
    spec = file_spec("a.csv", "text,label\na,0\nb,2\n", label=LabelSpec("label"))
    with pytest.raises(UsageError, match=r"row 1: class number 2, but the task has 2 classes \(negative, positive\)"):
        load(spec, classes=CLASSES)


@pytest.mark.parametrize(
    ("value", "text"), [(None, ""), (True, "true"), (False, "false"), (2.0, "2"), (0.5, "0.5"), (" a ", "a"), (7, "7")]
)
def test_value_text(value: object, text: str) -> None:
    assert value_text(value) == text


def test_where_and_pairs(file_spec: Make) -> None:
    content = "a\tb\tkind\nyes\tno\tx\nja\tnein\ty\nsi\t\tx\n"
    spec = file_spec("p.tsv", content, text=("a", "b"), where={"kind": ("x",)})
    dataset = load(spec)
    assert by_id(dataset) == {"0": (("yes", "no"), None)}
    assert dataset.label_names == ()
    assert dataset.report is not None
    assert (dataset.report.filtered, dataset.report.empty) == (1, 1)


def test_the_first_words_are_kept_and_then_compared(file_spec: Make) -> None:
    content = "text,other\n one  two three,a b c d\nOne two,a b c\nsolo,a\n"
    spec = file_spec("a.csv", content, text=("text", "other"), words=2, deduplicate=True)
    dataset = load(spec)
    kept = set(by_id(dataset).values())
    assert (("solo", "a"), None) in kept
    assert kept - {(("solo", "a"), None)} <= {(("one two", "a b"), None), (("One two", "a b"), None)}
    assert dataset.report is not None
    assert (dataset.report.duplicates, dataset.report.kept) == (1, 2)


def test_declared_rows_are_those_of_the_source_before_filters(file_spec: Make) -> None:
    content = "text,kind\na,x\nb,y\n"
    assert len(load(file_spec("a.csv", content, rows=2, where={"kind": ("x",)}))) == 1
    with pytest.raises(IntegrityError, match="has 2 rows here, but the suite declares 3"):
        load(file_spec("b.csv", content, rows=3))


def test_empty_result_names_the_dropped_rows(file_spec: Make) -> None:
    spec = file_spec("a.csv", "text,label\na,x\nb,x\n ,x\n", label=LabelSpec("label", map={"y": 0}))
    with pytest.raises(
        TemperError,
        match=r"none of the 3 rows is left \(filtered 0, empty 1, conflicting 0, label outside the map: 'x' 2\)",
    ):
        load(spec)


def test_content_hash_is_golden_and_checked(file_spec: Make) -> None:
    content = "text,label\nBad.,0\nGood!,1\n"
    # sha256 of {"label_names":["negative","positive"],"labels":[0,1],"texts":[["Bad."],["Good!"]]}
    golden = "sha256:697c1605fe64c0872b34fe71e425844caa43050976cadbc1eeae5dffc39deb97"
    spec = file_spec("a.csv", content, label=LabelSpec("label"), content_hash=golden)
    assert load(spec, classes=CLASSES).content_hash == golden
    with pytest.raises(IntegrityError, match=f"has the content sha256:[0-9a-f]+, but {golden} is declared"):
        load(
            file_spec("b.csv", content.replace("Bad", "bad"), label=LabelSpec("label"), content_hash=golden),
            classes=CLASSES,
        )


def test_content_hash_depends_on_texts_labels_names_and_order() -> None:
    first, second = Example("0", ("a",), 0, "g"), Example("1", ("b",), 1)
    dataset = Dataset("x", (first, second), CLASSES)
    same = Dataset("y", (Example("7", ("a",), 0), Example("8", ("b",), 1, "h")), CLASSES)
    assert dataset.content_hash == same.content_hash
    others = [
        Dataset("x", (second, first), CLASSES),
        Dataset("x", (Example("0", ("a",), 1), second), CLASSES),
        Dataset("x", (Example("0", ("a", ""), 0), second), CLASSES),
        Dataset("x", (first, second), ("no", "yes")),
    ]
    assert len({dataset.content_hash, *(other.content_hash for other in others)}) == 5


def test_missing_file_and_missing_format_say_what_to_do(file_spec: Make) -> None:
    with pytest.raises(UnavailableError, match=r"Data file not found: .*nowhere\.csv\. Add the file"):
        load(DataSpec(source="file", path="nowhere.csv", format="csv", text=("text",)))
    with pytest.raises(UsageError, match="of the source `file` needs `format`"):
        load(file_spec("a.csv", "text\nx\n", format=None))
