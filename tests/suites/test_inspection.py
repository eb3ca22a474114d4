"""`temper suite check` on suites whose data is not what they say: file, key and fix for every kind of mistake."""

# ruff: noqa: E501

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmark.suites import Suite, load_suite, parse_suite
from benchmark.suites.check import SuitePart, inspect


@pytest.fixture
def small(toml: str, folder: Path) -> Callable[..., Suite]:
    """The small suite without its task of the Hub, texts replaced in pairs."""

    def make(*changes: str) -> Suite:
        start, end = toml.index('[[tasks]]\nid = "glue"'), toml.index("[[attacks]]")
        text = toml[:start] + toml[end:]
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in text
            text = text.replace(old, new, 1)
        return parse_suite(text, path=folder / "small.toml")

    return make


def wrong(suite: Suite) -> list[str]:
    return [f"{key}: {sentence}" for part in inspect(suite) for key, sentence in part.problems]


def by_name(suite: Suite) -> dict[str, SuitePart]:
    return {part.name: part for part in inspect(suite)}


def test_a_suite_as_it_says_is_told_part_by_part(small: Callable[..., Suite]) -> None:
    parts = by_name(small())
    assert list(parts) == ["training", "validation", "test", "reviews", "shop", "foreign"]
    assert {part.state for part in parts.values()} == {"ok"}
    assert parts["training"].rows == 40
    assert parts["shop"].classes == {"negative": 10, "positive": 10}
    assert parts["foreign"].classes == {}
    assert parts["training"].leak is None
    leak = parts["shop"].leak
    assert leak is not None
    assert (leak.exact, leak.n) == (0, 20)


def test_a_set_without_a_declared_hash_is_given_its_real_one(small: Callable[..., Suite]) -> None:
    suite = small()
    (note,) = [note for note in by_name(suite)["shop"].notes if "content_hash" in note]
    key, _, line = note.partition(": ")
    assert key == "tasks[shop].data"
    pinned = small("limit = 20", f"limit = 20\n{line}")
    assert by_name(pinned)["shop"].state == "ok"
    assert not any("content_hash" in note for note in by_name(pinned)["shop"].notes)


SHOP = 'path = "shop.csv"\nformat = "csv"\ntext = ["text"]\nlabel'
STARS = '{ column = "stars", thresholds = { at_most = 2, low = "negative", at_least = 4, high = "positive" } }'
FILM = 'map = { rotten = "negative", fresh = 1 }'
FOREIGN = 'path = "shop.csv"\nformat = "csv"\ntext = ["text"]\nwhere'
ZEROS = "sha256:" + "0" * 64

CHANGED_SUITES: list[tuple[str, str, str]] = [
    # columns
    (SHOP, SHOP.replace('"text"', '"txt"'), "tasks[shop].data.text: shop.csv has no column 'txt'. Did you mean 'text'? Known: stars, text."),
    (STARS, STARS.replace("stars", "star"), "tasks[shop].data.label.column: shop.csv has no column 'star'. Did you mean 'stars'? Known: stars, text."),
    ('group = "film"', 'group = "movie"', "training.data.group: train.csv has no column 'movie'. Known: film, text, verdict."),
    ('where = { stars = ["3"] }', 'where = { star = ["3"] }', "tasks[foreign].data.where.star: shop.csv has no column 'star'. Did you mean 'stars'? Known: stars, text."),
    # labels
    (STARS, '{ column = "stars", map = { "1" = 0, "5" = 1 } }', "tasks[shop].data.label.map: 30 of 50 rows have a label outside the map ('2' 10, '3' 10, '4' 10); map them, or say in `where` which rows are meant."),
    (STARS, '{ column = "stars", map = { "1" = 0, "2" = 0, "3" = 0, "six" = 1 } }', "tasks[shop].data.label.map: no row becomes class 'positive'; correct the map, or name there only the classes it has."),
    (STARS, STARS.replace("at_least = 4", "at_least = 6"), "tasks[shop].data.label.column: no row becomes class 'positive'; correct the map, or name there only the classes it has."),
    (STARS, '{ column = "stars" }', "tasks[shop].data: shop.csv, row 1: class number 2, but the task has 2 classes (negative, positive). Correct the label map, or map the column's values with `map`."),
    (STARS, '{ column = "text" }', "tasks[shop].data: shop.csv: none of the 50 rows is left (filtered 0, empty 0, conflicting 0, label outside the map: "),
    # nothing left
    ('where = { stars = ["3"] }', 'where = { stars = ["three"] }', "tasks[foreign].data: shop.csv: none of the 50 rows is left (filtered 50, empty 0, conflicting 0, label outside the map: 0). Correct the filters or the label map."),
    ("validation = 0.2", "validation = 0.001", "training.split.validation_rows: training/validation is empty; change the split's shares."),
    ("deduplicate = true\n", "", "training.split: training: two parts of the split share texts (1 example). Set `deduplicate = true` in training.data."),
    # sizes and hashes
    ("rows = 10", "rows = 11", "tasks[foreign].rows: foreign has 10 examples where 11 are declared; get the declared version of the data, or declare the real number in a suite of your own."),
    ("rows = 45", "rows = 44", "tasks[reviews].rows: training/test has 45 examples where 44 are declared; get the declared version of the data, or declare the real number in a suite of your own."),
    ("train_limit = 40\ntrain_rows = 40", "train_rows = 40", "training.split.train_rows: training/train has 105 examples where 40 are declared; get the declared version of the data, or declare the real number in a suite of your own."),
    ("limit = 20", "limit = 20\nrows = 51", "tasks[shop].data.rows: shop.csv has 50 rows here, but the suite declares 51: this is another version of the data set. Get the declared one, or declare this one in a suite of your own."),
    ("limit = 20", f'limit = 20\ncontent_hash = "{ZEROS}"', "tasks[shop].data.content_hash: shop.csv has the content sha256:"),
    # files
    (SHOP, SHOP.replace("shop.csv", "shp.csv"), "tasks[shop].data.path: Data file not found: "),
    (SHOP, SHOP.replace('"csv"', '"jsonl"'), "tasks[shop].data: shop.csv, line 1: not JSON ("),
    (SHOP, SHOP.replace('"csv"', '"parquet"'), "tasks[shop].data: shop.csv is not a readable parquet file ("),
    (SHOP, SHOP.replace('"csv"', '"tsv"'), "tasks[shop].data.text: shop.csv has no column 'text'. "),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "sentence"), CHANGED_SUITES, ids=[case[2][:60] for case in CHANGED_SUITES])
def test_a_suite_that_does_not_fit_its_data(
    small: Callable[..., Suite], folder: Path, old: str, new: str, sentence: str
) -> None:
    if "deduplicate" in old:
        (folder / "train.csv").open("a").write("Text 0 of a review!,rotten,film 3\n")
    (line,) = wrong(small(old, new))
    assert line.startswith(sentence)
    assert line.endswith(".")


def _write(name: str, data: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(data)

    return write


def _leak(folder: Path) -> None:
    lines = (folder / "shop.csv").read_text().splitlines()
    train = [line.split(",")[0] for line in (folder / "train.csv").read_text().splitlines()[1:]]
    leaked = [f"{text.upper()},{n % 2 * 4 + 1}" for n, text in enumerate(train)]
    (folder / "shop.csv").write_text("\n".join([*lines, *leaked]) + "\n")


CHANGED_FILES: list[tuple[Callable[[Path], None], str]] = [
    (_write("shop.csv", b"text,stars\na,1\nb,2,3\n"), "tasks[shop].data: shop.csv, line 3: 3 fields but 2 columns. Correct that line."),
    (_write("shop.csv", b"text,stars\n\xff,1\n"), "tasks[shop].data: shop.csv, line 2: byte 1 is not UTF-8. Convert the file to UTF-8."),
    (_write("shop.csv", b'text,stars\n"a,1\n'), "tasks[shop].data: shop.csv, line 2: unexpected end of data. Check the quotes there."),
    (_write("shop.csv", b"text,stars,stars\na,1,2\n"), "tasks[shop].data: shop.csv has two columns named 'stars'. Rename one."),
    (_write("shop.csv", b""), "tasks[shop].data: shop.csv has no rows"),
    (_leak, "tasks[shop].max_overlap: "),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "sentence"), CHANGED_FILES, ids=[case[1][:60] for case in CHANGED_FILES])
def test_data_that_does_not_fit_its_suite(
    small: Callable[..., Suite], folder: Path, spoil: Callable[[Path], None], sentence: str
) -> None:
    spoil(folder)
    lines = wrong(small())
    assert any(line.startswith(sentence) for line in lines), lines


def test_there_are_well_over_twenty_kinds() -> None:
    assert len({sentence for *_, sentence in CHANGED_SUITES} | {sentence for _, sentence in CHANGED_FILES}) >= 26


def test_a_cut_off_parquet_file_and_a_cut_off_archive_are_wrong(small: Callable[..., Suite], folder: Path) -> None:
    table = pa.table({"text": [f"an item {n}" for n in range(500)], "stars": [n % 5 + 1 for n in range(500)]})
    pq.write_table(table, folder / "shop.parquet")
    whole = (folder / "shop.parquet").read_bytes()
    parquet = small(SHOP, SHOP.replace("shop.csv", "shop.parquet").replace('"csv"', '"parquet"'))
    assert wrong(parquet) == []
    (folder / "shop.parquet").write_bytes(whole[: len(whole) // 2])
    (line,) = wrong(parquet)
    assert line.startswith("tasks[shop].data: shop.parquet is not a readable parquet file (")
    (folder / "shop.csv.gz").write_bytes(gzip.compress((folder / "shop.csv").read_bytes())[:-20])
    (line,) = wrong(small(SHOP, SHOP.replace("shop.csv", "shop.csv.gz")))
    assert line.startswith("tasks[shop].data: shop.csv.gz is truncated or damaged (")


def test_all_mistakes_of_all_parts_are_told_at_once(small: Callable[..., Suite]) -> None:
    keys = [
        line.partition(": ")[0]
        for line in wrong(
            small(
                "limit = 20",
                f'limit = 20\nrows = 51\ncontent_hash = "{ZEROS}"',
                "rows = 10",
                "rows = 9",
                "rows = 45",
                "rows = 46",
            )
        )
    ]
    assert keys == [
        "tasks[reviews].rows",
        "tasks[shop].data.rows",
        "tasks[shop].data.content_hash",
        "tasks[foreign].rows",
    ]


def test_dropped_labels_that_are_few_or_meant_are_no_mistake(small: Callable[..., Suite]) -> None:
    mapped = '{ column = "stars", map = { "1" = 0, "2" = 0, "4" = 1, "5" = 1 } }'
    part = by_name(small(STARS, mapped))["shop"]
    assert part.state == "ok"
    assert "tasks[shop].data: 10 rows dropped for a label outside the map ('3' 10)." in part.notes
    chosen = '{ column = "stars", map = { "1" = 0, "5" = 1 } }\nwhere = { stars = ["1", "5"] }'
    part = by_name(small(STARS, chosen))["shop"]
    assert part.state == "ok"
    assert not any("dropped" in note for note in part.notes)


def test_a_merged_class_must_have_rows_and_a_class_inside_it_need_not(small: Callable[..., Suite]) -> None:
    three = ('["negative", "positive"]', '["negative", "mixed", "positive"]', "fresh = 1", "fresh = 2")
    middle = 'map = { rotten = "negative", fresh = 2, plot = 1 }'
    two_way = '{ column = "stars", map = { "1" = 0, "2" = 0, "4" = 2, "5" = 2 } }'
    merged = 'perspective = "shift"\nmerge = [0, 1, 1]'
    suite = small(
        *three, 'map = { rotten = "negative", fresh = 2 }', middle, STARS, two_way, 'perspective = "shift"', merged
    )
    assert by_name(suite)["shop"].problems == []
    only = small(*three, STARS, two_way.replace("= 2", "= 0"), 'perspective = "shift"', merged)
    assert by_name(only)["shop"].problems == [
        (
            "tasks[shop].data.label",
            "no row becomes class 'mixed' or 'positive', which `merge` scores as 1; correct the map or `merge`.",
        )
    ]


def test_a_class_that_a_part_of_the_training_task_lacks(small: Callable[..., Suite]) -> None:
    three = ('["negative", "positive"]', '["negative", "mixed", "positive"]', "fresh = 1", "fresh = 2")
    found = [line for line in wrong(small(*three)) if line.startswith("training.split")]
    assert "training.split: no example of class 'mixed' is in the validation part; raise its share." in found


def test_a_leak_may_be_allowed_by_the_task_that_is_to_show_it(small: Callable[..., Suite], folder: Path) -> None:
    _leak(folder)
    suite = small()
    allowed = replace(suite, tasks=tuple(replace(task, max_overlap=1.0) for task in suite.tasks))
    assert any("max_overlap" in line for line in wrong(suite))
    assert not any("max_overlap" in line for line in wrong(allowed))


def test_what_training_has_seen_is_dropped_where_the_task_says_so(small: Callable[..., Suite], folder: Path) -> None:
    clean = by_name(small())["shop"]
    _leak(folder)
    excluding = ("rows = 20\n", "rows = 20\nexclude_training = true\n")
    leaking, part = by_name(small())["shop"], by_name(small(*excluding))["shop"]
    assert any("Set `exclude_training = true` to drop them" in sentence for _, sentence in leaking.problems)
    assert part.state == "ok"
    assert part.leak is not None
    assert part.leak.exact == 0
    validation = by_name(small())["validation"].rows
    assert validation is not None
    text = "dropped, whose text is in the training or validation part."
    assert f"tasks[shop].exclude_training: {40 + validation} examples {text}" in part.notes
    # The hash is that of what is left.
    assert [note for note in part.notes if "content_hash" in note] != [n for n in leaking.notes if "content_hash" in n]
    assert clean.notes[-1].startswith("tasks[shop].data: content_hash")
    pinned = small(*excluding, "limit = 20", f"limit = 20\n{part.notes[0].partition(': ')[2]}")
    assert by_name(pinned)["shop"].state == "ok"


def test_excluding_waits_for_the_training_data(
    small: Callable[..., Suite], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPER_MIRROR", str(folder))
    old = 'source = "file"\npath = "train.csv"\nformat = "csv"'
    away = (old, 'source = "mirror"\nrepository = "a/b"\nsplit = "train"\nrows = 9')
    part = by_name(small(*away, "rows = 20\n", "rows = 20\nexclude_training = true\n"))["shop"]
    assert (part.state, part.get) == ("unavailable", "waiting for the training data")


def test_repeated_and_contradictory_texts_are_noted(small: Callable[..., Suite], folder: Path) -> None:
    (folder / "shop.csv").open("a").write("An item 0!,5\nan item 1,2\n")
    notes = by_name(small("limit = 20", "limit = 50"))["shop"].notes
    expected = "2 examples with another example's text, 1 text with two labels; `deduplicate = true` drops them."
    assert f"tasks[shop].data: {expected}" in notes


def test_a_set_that_is_not_here_is_unavailable_with_the_command_that_gets_it(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path / "nothing"))
    monkeypatch.setenv("TEMPER_MIRROR", str(folder))
    text = (folder / "small.toml").read_text().replace('source = "hub"', 'source = "mirror"')
    (folder / "small.toml").write_text(text)
    part = by_name(load_suite(folder / "small.toml"))["glue"]
    assert (part.state, part.rows) == ("unavailable", None)
    assert (
        part.get
        == '`hf download --repo-type dataset AI-Secure/adv_glue --local-dir "$TEMPER_MIRROR/AI-Secure/adv_glue"`'
    )
    old = 'source = "mirror"\nrepository = "AI-Secure/adv_glue"\nconfiguration = "adv_sst2"\nsplit = "validation"\n'
    assert old in text
    new = 'source = "artifact"\nresource = "vader"\nmember = "a.csv"\nformat = "csv"\n'
    part = by_name(parse_suite(text.replace(old, new), path=folder / "small.toml"))["glue"]
    assert (part.state, part.get) == ("unavailable", "`temper resources fetch vader`")


def test_without_training_data_the_rest_is_still_looked_at(
    small: Callable[..., Suite], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPER_MIRROR", str(folder))
    old = 'source = "file"\npath = "train.csv"\nformat = "csv"'
    suite = small(old, 'source = "mirror"\nrepository = "a/b"\nsplit = "train"\nrows = 9', "rows = 10", "rows = 11")
    parts = by_name(suite)
    assert {name: part.state for name, part in parts.items()} == {
        "training": "unavailable",
        "reviews": "unavailable",
        "shop": "ok",
        "foreign": "wrong",
    }
    assert parts["shop"].leak is None
