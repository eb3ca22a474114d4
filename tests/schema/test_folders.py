"""A results folder: every record must fit its card, its file and its neighbours."""

import json
import re

import pytest

from benchmark.schema import (
    IntegrityError,
    UsageError,
    card_fingerprint,
    method_slug,
    read_results,
    record_line,
    record_path,
    suite_card_text,
)
from tests.schema.golden_files import edited, golden

PLACE = "tiny@1/mvp+roast~alpha=0.6,variant=released/minilm/seed-0.jsonl"


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    write(folder, PLACE, golden("measured"))
    (folder / "tiny@1" / "suite.json").write_text(suite_card_text(golden("suite")), encoding="utf-8")
    return folder


def write(root, place, *records):
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(record_line(record) for record in records), encoding="utf-8")
    return path


def complaints(root):
    with pytest.raises(IntegrityError) as caught:
        read_results(root)
    return str(caught.value).splitlines()


def test_record_is_read_with_its_place(results):
    (suite,) = read_results(results)
    assert [str(located) for located in suite.records] == [f"{PLACE}:1"]
    assert suite.records[0].record == golden("measured")
    assert record_path(golden("measured")) == PLACE


def test_published_records_stand_in_a_folder_of_their_own(results, tmp_path):
    write(tmp_path / "published", "a-paper.jsonl", golden("published"))
    (suite,) = read_results(results, tmp_path / "published")
    assert [located.record["kind"] for located in suite.records] == ["measured", "published"]
    assert str(suite.records[1]) == "published/a-paper.jsonl:1"


def test_a_folder_above_or_below_the_results_names_them(results, tmp_path):
    for wrong in (tmp_path, results / "tiny@1"):
        with pytest.raises(UsageError, match=f"^{wrong} is not the results folder, .*. Name {results}.$"):
            read_results(wrong)
    other = write(tmp_path / "more", PLACE, golden("measured")).parents[2] / "suite.json"
    other.write_text(suite_card_text(golden("suite")), encoding="utf-8")
    with pytest.raises(UsageError, match=f"Name {results}.$"):
        read_results(tmp_path)


def test_a_named_folder_of_published_records_has_to_exist(results, tmp_path):
    with pytest.raises(UsageError, match=f"There is no folder {tmp_path / 'gone'}; name a folder of published"):
        read_results(results, tmp_path / "gone")


def test_a_measured_record_among_published_ones_is_refused(results, tmp_path):
    path = write(tmp_path / "published", "a-paper.jsonl", golden("published"), golden("measured"))
    with pytest.raises(IntegrityError, match=rf"{path}:2: /kind: is measured; only what a paper prints"):
        read_results(results, tmp_path / "published")


def test_two_files_of_published_numbers_may_not_repeat_each_other(results, tmp_path):
    for name in ("a-paper.jsonl", "again.jsonl"):
        write(tmp_path / "published", name, golden("published"))
    with pytest.raises(IntegrityError, match=r"published/again.jsonl:1: /metric/id: repeats published/a-paper.jsonl:1"):
        read_results(results, tmp_path / "published")


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"/suite/version": 2}, ["/suite"]),
        ({"/suite/name": "other"}, ["/suite"]),
        ({"/method/name": "roast"}, ["/method"]),
        ({"/method/configuration": ""}, ["/method"]),
        ({"/backbone/name": "roberta"}, ["/backbone/name"]),
        ({"/seed": 3}, ["/seed"]),
        ({"/suite/fingerprint": "sha256:" + "0" * 64}, ["/suite/fingerprint"]),
        ({"/task/version": 1, "/task/n": 5}, ["/task/version", "/task/n"]),
        ({"/task/data": "sha256:" + "0" * 64}, ["/task/data"]),
        ({"/metric/version": 2, "/metric/direction": "down"}, ["/metric/version", "/metric/direction"]),
        ({"/value": 1.5, "/replicates": [0.5, -0.1]}, ["/value", "/replicates/1"]),
    ],
)
def test_record_that_does_not_fit_is_refused_with_file_line_and_pointer(results, changes, pointers):
    path = write(results, PLACE, golden("measured"))
    bad = {**edited(golden("measured"), changes, [])}
    path.write_text(record_line(bad), encoding="utf-8")
    assert [line.split(": ")[0] for line in complaints(results)] == [f"{path}:1"] * len(pointers)
    assert [line.split(": ")[1] for line in complaints(results)] == pointers


def test_only_headlines_are_held_to_the_range_of_a_fraction(results):
    card = golden("suite")
    card["metrics"]["queries"]["unit"] = "fraction"
    (results / "tiny@1" / "suite.json").write_text(suite_card_text(card), encoding="utf-8")
    changes = {
        "/suite/fingerprint": card_fingerprint(card),
        "/task": {key: card["tasks"][2][key] for key in ("id", "version", "perspective", "data", "n")},
        "/metric": {"id": "queries", "version": 1, "direction": "none"},
        "/value": -0.2,
    }
    write(results, PLACE, edited(golden("measured"), changes, []))
    (suite,) = read_results(results)
    assert suite.records[0].record["value"] == -0.2


def test_record_file_without_a_record_is_refused(results):
    path = (results / PLACE).with_name("seed-5.jsonl")
    path.touch()
    assert complaints(results) == [f"{path}: holds no record; restore its content, or remove the file."]


def test_record_given_twice_is_refused_naming_both_lines(results):
    path = write(results, PLACE, golden("measured"), golden("measured"))
    assert re.fullmatch(
        rf"{re.escape(str(path))}:2: /metric/id: repeats {re.escape(PLACE)}:1: .*", complaints(results)[0]
    )


def test_one_file_is_one_run(results):
    other = {"/metric/id": "ece", "/metric/direction": "down", "/task/perspective": "calibration"}
    other |= {"/cost/forward": 1, "/method/source": "sha256:" + "1" * 64}
    write(results, PLACE, golden("measured"), edited(golden("measured"), other, []))
    assert [line.split(": ")[1] for line in complaints(results)] == ["/method/source", "/cost"]


def test_problems_of_every_file_are_listed_together(results):
    first = write(results, "tiny@1/a/minilm/seed-0.jsonl", edited(golden("measured"), {"/method/name": "x"}, []))
    second = results / "tiny@1" / "b" / "minilm" / "seed-1.jsonl"
    second.parent.mkdir(parents=True)
    second.write_text("{}\n")
    places = [line.split(": ")[0] for line in complaints(results)]
    assert places[0] == f"{first}:1"
    assert set(places[1:]) == {f"{second}:1"}


def test_unlisted_records_and_stray_files_are_dropped_with_a_reason(results):
    unlisted = edited(golden("measured"), {"/metric/id": "ece", "/metric/direction": "down"}, [])
    unknown = edited(golden("measured"), {"/task/id": "novels"}, [])
    write(results, PLACE, golden("measured"), unlisted, unknown)
    (results / "tiny@1" / "notes.txt").write_text("hello")
    (results / "tiny@1" / "a").mkdir()
    (results / "tiny@1" / "a" / "seed-0.jsonl").write_text("not read, so not refused")
    (suite,) = read_results(results)
    assert {drop.where: drop.reason for drop in suite.dropped} == {
        f"{PLACE}:2": "the suite card does not list ece for tweets",
        f"{PLACE}:3": "the suite card has no task novels under shift",
        "tiny@1/notes.txt": "not a record file",
        "tiny@1/a/seed-0.jsonl": "not a record file",
    }


def test_folder_without_card_is_refused(results):
    (results / "tiny@1" / "suite.json").unlink()
    assert complaints(results) == [
        f"{results / 'tiny@1' / 'suite.json'}: there is no suite card; "
        "run `temper run`, which writes it next to the records."
    ]


def test_card_in_a_foreign_folder_is_refused(results):
    (results / "tiny@1").rename(results / "tiny@2")
    assert "the card of tiny@1 is in the folder tiny@2" in complaints(results)[0]


def test_broken_card_is_refused_with_pointers(results):
    path = results / "tiny@1" / "suite.json"
    path.write_text(json.dumps({**golden("suite"), "ranked": 1, "extra": 2}))
    assert [line.split(": ")[:2] for line in complaints(results)] == [[str(path), "/ranked"], [str(path), "/extra"]]


def test_missing_results_folder_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match=r"There is no folder .*nowhere; name the results folder"):
        read_results(tmp_path / "nowhere")


def test_newest_suite_version_comes_first(results):
    for version in (2, 10):
        card = edited(golden("suite"), {"/version": version}, [])
        (results / f"tiny@{version}").mkdir()
        (results / f"tiny@{version}" / "suite.json").write_text(suite_card_text(card), encoding="utf-8")
    assert [suite.card["version"] for suite in read_results(results)] == [10, 2, 1]


@pytest.mark.parametrize(
    ("name", "configuration", "slug"),
    [
        ("roast", "", "roast"),
        ("mvp+roast", "alpha=0.6,mask=True", "mvp+roast~alpha=0.6,mask=True"),
        ("roast", "path=../../etc/pass wd", "roast~path=..-..-etc-pass-wd~~8c1dd5a42c02"),
    ],
)
def test_slug_is_a_plain_file_name(name, configuration, slug):
    assert method_slug(name, configuration) == slug


def test_no_two_settings_have_one_slug_and_none_is_longer_than_a_file_name():
    long = "note=" + "p" * 155
    settings = [
        ("note=é", ()), ("note=è", ()), ("note=-", ()), ("note= ", ()), ("a=1", ("b",)), ("a=1~b", ()), ("", ("b",)),
        (long, ()), (long, ("b",)), (long[:-1] + "q", ("b",)), ("a=1", tuple(f"option-{n}" for n in range(40))),
        ("note=\udcff", ()),
    ]  # fmt: skip
    slugs = [method_slug("n" * 80, configuration, protocol) for configuration, protocol in settings]
    assert len(set(slugs)) == len(settings)
    assert max(len(slug.encode()) for slug in slugs) <= 255
    assert method_slug("roast", long) == f"roast~{long}"
