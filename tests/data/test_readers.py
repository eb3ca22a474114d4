"""Tests of every format, with hostile files."""

import bz2
import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.data import DataSpec, load
from benchmark.data.readers import FIELD_LIMIT, Format, Table, open_member, read_rows
from benchmark.schema.errors import IntegrityError, UsageError

Make = Callable[..., DataSpec]


def rows(form: Format, data: bytes, *needed: str, columns: tuple[str, ...] = ()) -> list[dict[str, object]]:
    return list(read_rows(io.BytesIO(data), form, Table("f", needed, columns)))


def refusal(form: Format, data: bytes, *needed: str, columns: tuple[str, ...] = ()) -> str:
    with pytest.raises((IntegrityError, UsageError)) as caught:
        rows(form, data, *needed, columns=columns)
    return str(caught.value)


def test_csv_with_quotes_line_breaks_and_a_byte_order_mark() -> None:
    data = '\ufefftext,label\r\n"one, ""two""\nthree",1\r\n\r\nplain,0\r\n'.encode()
    assert rows("csv", data, "text", "label") == [
        {"text": 'one, "two"\nthree', "label": "1"},
        {"text": "plain", "label": "0"},
    ]


def test_tsv_gives_quotes_no_meaning() -> None:
    data = '1\t0.5\t"so called\n2\t-1\tnext\u0085line\n'.encode()
    found = rows("tsv", data, "text", columns=("id", "rating", "text"))
    assert [row["text"] for row in found] == ['"so called', "next\u0085line"]


def test_lines_are_split_at_line_feeds_only() -> None:
    assert rows("lines", "a\u2028b\r\nc".encode(), "text") == [{"text": "a\u2028b"}, {"text": "c"}]


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    for form, data in (("csv", "text,a\nx,y\n"), ("tsv", "text\ta\nx\ty\n"), ("jsonl", '{"text": "x", "a": "y"}\n')):
        assert rows(form, ("\ufeff" + data).encode(), "text", "a") == [{"text": "x", "a": "y"}]  # type: ignore[arg-type]
    assert rows("lines", "\ufeffx\n".encode(), "text") == [{"text": "x"}]


def test_jsonl_may_lack_a_column_in_some_rows() -> None:
    data = b'{"text": "a", "label": true}\n\n{"text": "b"}\n'
    assert rows("jsonl", data, "text", "label") == [{"text": "a", "label": True}, {"text": "b"}]


def test_a_field_beyond_the_csv_modules_own_limit_is_read() -> None:
    assert len(str(rows("csv", b"text\n" + b"x" * 300_000 + b"\n", "text")[0]["text"])) == 300_000


def test_field_above_the_limit_is_refused() -> None:
    sentence = refusal("csv", b"text\n" + b"x" * (FIELD_LIMIT + 10) + b"\n", "text")
    assert sentence == f"f, line 2: field larger than field limit ({FIELD_LIMIT}). Check the quotes there."


@pytest.mark.parametrize(
    ("form", "data", "sentence"),
    [
        ("csv", b"text\nok\nb\xff\n", "f, line 3: byte 2 is not UTF-8. Convert the file to UTF-8."),
        ("csv", b'text\n"open\nrest\n', "f, line 3: unexpected end of data. Check the quotes there."),
        ("csv", b"a,text\n1,x,y\n", "f, line 2: 3 fields but 2 columns. Correct that line."),
        ("csv", b"text,text\nx,y\n", "f has two columns named 'text'. Rename one."),
        ("csv", b"a,b\n1,2\n", "f has no column 'text'. Known: a, b."),
        ("tsv", b"txet\nx\n", "f has no column 'text'. Did you mean 'txet'? Known: txet."),
        ("tsv", b"a\ttext\nx\n", "f, line 2: 1 fields but 2 columns. Correct that line."),
        ("jsonl", b'{"text": "a"}\n[1]\n', "f, line 2: a JSON list. Write one JSON object per line."),
        ("jsonl", b'{"texts": "a"}\n', "f has no column 'text'. Did you mean 'texts'? Known: texts."),
        ("lines", b"\xc3\x28\n", "f, line 1: byte 1 is not UTF-8. Convert the file to UTF-8."),
        *(
            (form, "text\nx\n".encode(code), "f is UTF-16 or UTF-32 text, not UTF-8. Convert the file to UTF-8.")
            for form in ("csv", "tsv", "jsonl", "lines")
            for code in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
        ),
        *(
            (
                form,
                b"text\rgood\rbad\r",
                "f ends its lines with carriage returns alone. Convert the file to line feeds.",
            )
            for form in ("csv", "tsv", "jsonl", "lines")
        ),
        (
            "csv",
            b"text\ngood\rfilm\n",
            "f, line 2: a carriage return inside a field without quotes. Check the quotes there.",
        ),
    ],
)
def test_errors_name_file_and_line(form: Format, data: bytes, sentence: str) -> None:
    assert refusal(form, data, "text") == sentence


def test_broken_and_deeply_nested_json_name_the_line() -> None:
    assert refusal("jsonl", b'{"text": "a"\n', "text").startswith("f, line 1: not JSON (")
    assert refusal("jsonl", b'{"text":' + b"[" * 100_000 + b"\n", "text").startswith("f, line 1: not JSON (")


def test_lines_has_one_column() -> None:
    assert refusal("lines", b"a\n", "label") == "f has no column 'label'. Known: text."


def test_headerless_columns_are_checked_before_any_row() -> None:
    assert "no column 'text'. Did you mean 'texte'?" in refusal("tsv", b"", "text", columns=("id", "texte"))


def test_parquet_reads_needed_columns_and_refuses_other_files(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": [1, 0], "other": [[1], [2]]}), path)
    assert rows("parquet", path.read_bytes(), "text", "label") == [
        {"text": "a", "label": 1},
        {"text": None, "label": 0},
    ]
    assert refusal("parquet", path.read_bytes(), "txt").startswith("f has no column 'txt'. Did you mean 'text'?")
    assert refusal("parquet", path.read_bytes()[:-9], "text").startswith("f is not a readable parquet file (")
    twice = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], ["text", "text"])
    pq.write_table(twice, path)
    assert refusal("parquet", path.read_bytes(), "text") == "f has two columns named 'text'. Rename one."


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_compressed_files(file_spec: Make, suffix: str, compress: Callable[[bytes], bytes]) -> None:
    assert load(file_spec(f"a.csv{suffix}", compress(b"text\nhello\n"))).examples[0].texts == ("hello",)
    with pytest.raises(IntegrityError, match="is truncated or damaged"):
        load(file_spec(f"b.csv{suffix}", compress(b"text\nhello\n" * 5000)[:-20]))


def test_members_of_nested_archives(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w:gz") as archive:
        info = tarfile.TarInfo("d/deep.txt")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"inner"))
    with zipfile.ZipFile(tmp_path / "outer.zip", "w") as archive:
        archive.writestr("nested.tar.gz", inner.getvalue())
    with open_member(tmp_path / "outer.zip", ("nested.tar.gz", "d/deep.txt")) as stream:
        assert stream.read() == b"inner"
    with (
        pytest.raises(
            UsageError, match=r"outer.zip!nested.tar.gz has no member 'd/dep.txt'. Did you mean 'd/deep.txt'"
        ),
        open_member(tmp_path / "outer.zip", ("nested.tar.gz", "d/dep.txt")),
    ):
        pass


def test_a_broken_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.tar.gz").write_bytes(b"\x1f\x8b" + bytes(40))
    with pytest.raises(IntegrityError, match="is not a readable archive"), open_member(tmp_path / "bad.tar.gz", ("x",)):
        pass


def test_half_a_character_and_a_list_are_not_text(file_spec: Make) -> None:
    with pytest.raises(IntegrityError, match="row 0, column 'text' holds half of a surrogate pair"):
        load(file_spec("a.jsonl", json.dumps({"text": "bad \ud800 end"}) + "\n"))
    with pytest.raises(IntegrityError, match="row 0, column 'text' holds a list instead of a text"):
        load(file_spec("b.jsonl", '{"text": ["a"]}\n'))
