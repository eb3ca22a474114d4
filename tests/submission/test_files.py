"""Hostile submissions: files, names, sizes and links. Each is refused with its reason."""

import os
from pathlib import Path

import pytest

from benchmark.schema import UsageError
from benchmark.submission.read import MEBIBYTE, read_submission
from tests.submission.forging import Forgery, assert_refused, relabelled


def test_the_honest_submission_holds_before_and_after_a_forger_rewrites_it(forgery: Forgery) -> None:
    assert forgery.problems() == []
    forgery.reforge()
    assert forgery.problems() == []


def test_a_linked_file(forgery: Forgery) -> None:
    forgery.table().unlink()
    forgery.table().symlink_to("/etc/passwd")
    assert_refused(
        forgery, "'tables/seed-0/home.parquet': is a link or a special file; a submission holds plain files only."
    )


def test_a_linked_folder(forgery: Forgery) -> None:
    (forgery.folder / "tables/seed-7").symlink_to("/etc")
    assert_refused(forgery, "'tables/seed-7': is a link")


def test_a_pipe(forgery: Forgery) -> None:
    os.mkfifo(forgery.folder / "tables/pipe.json")
    assert_refused(forgery, "'tables/pipe.json': is a link or a special file")


@pytest.mark.parametrize("name", ["setup.py", "tables/seed-0/home.pkl", "tables.zip", "tables.tar.gz", "run.sh", "x"])
def test_code_pickles_and_archives(forgery: Forgery, name: str) -> None:
    (forgery.folder / name).write_bytes(b"PK\3\4")
    assert_refused(forgery, f"'{name}': does not belong in a submission, which holds .json, .jsonl, .parquet only")


def test_a_file_that_no_part_asks_for(forgery: Forgery) -> None:
    (forgery.folder / "extra.json").write_text("{}")
    assert_refused(forgery, "'extra.json': is not part of this submission; remove it, also from submission.json.")
    forgery.reseal()
    assert_refused(forgery, "'extra.json': is not part of this submission")


def test_a_name_with_a_terminal_escape(forgery: Forgery) -> None:
    (forgery.folder / "a\n\x1b[31mb.json").write_text("{}")
    assert_refused(forgery, r"'a\n\x1b[31mb.json': is not part")


def test_a_folder_in_place_of_a_file(forgery: Forgery) -> None:
    (forgery.folder / "source.json").unlink()
    (forgery.folder / "source.json").mkdir()
    assert_refused(forgery, "source.json: is missing; run `temper submit` again.")


def test_deep_folders(forgery: Forgery) -> None:
    deep = forgery.folder / "a/b/c/d/e/f"
    deep.mkdir(parents=True)
    (deep / "g.json").touch()
    assert_refused(forgery, "folders deep")


def test_thousands_of_files(forgery: Forgery) -> None:
    for number in range(2100):
        (forgery.folder / f"{number}.json").touch()
    assert_refused(forgery, "is one of more than 2000 files")


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        ("submission.json", 5, "a .json file has at most 4194304."),
        ("tables/seed-0/home.parquet", 9, "a .parquet file has at most 8388608."),
    ],
)
def test_a_huge_file(forgery: Forgery, name: str, size: int, reason: str) -> None:
    os.truncate(forgery.folder / name, size * MEBIBYTE)
    assert_refused(forgery, reason)


def test_a_huge_folder(forgery: Forgery) -> None:
    for number in range(5):
        (forgery.folder / f"{number}.jsonl").touch()
        os.truncate(forgery.folder / f"{number}.jsonl", 15 * MEBIBYTE)
    assert_refused(forgery, "a submission has at most 67108864.")


@pytest.mark.parametrize("name", ["submission.json", "source.json", "tables/seed-0/home.parquet"])
def test_a_missing_file(forgery: Forgery, name: str) -> None:
    (forgery.folder / name).unlink()
    assert_refused(forgery, f"{name}: is missing; ")


def test_a_file_that_changed_after_it_was_sealed(forgery: Forgery) -> None:
    forgery.edit_predictions(relabelled)
    assert_refused(forgery, "home.parquet: is not the file that submission.json lists: its size or hash differs.")


def test_line_ends_that_git_converted(forgery: Forgery) -> None:
    forgery.records().write_bytes(forgery.records().read_bytes().replace(b"\n", b"\r\n"))
    assert_refused(forgery, "seed-0.jsonl: is not the file that submission.json lists: its size or hash differs.")


def test_every_problem_of_the_files_is_said_at_once(forgery: Forgery) -> None:
    forgery.table("home").unlink()
    forgery.table("away").unlink()
    (forgery.folder / "extra.json").write_text("{}")
    assert len(forgery.problems()) == 3


def test_a_link_a_file_and_nothing_in_place_of_the_folder(forgery: Forgery, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(forgery.folder)
    with pytest.raises(UsageError, match=r"link is a link\. Name the folder"):
        read_submission(tmp_path / "link")
    with pytest.raises(UsageError, match=r"submission\.json is a file\. Name the folder"):
        read_submission(forgery.folder / "submission.json")
    with pytest.raises(UsageError, match=r"nothing does not exist\. Name the folder"):
        read_submission(tmp_path / "nothing")


@pytest.mark.parametrize("part", ["table", "records"])
def test_one_changed_byte_of_the_same_size(forgery: Forgery, part: str) -> None:
    path: Path = getattr(forgery, part)()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert_refused(forgery, "is not the file that submission.json lists: its size or hash differs.")
