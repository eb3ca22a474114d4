"""Tests of offline mode, source folders, packaged files and `verify`."""

import shutil
from pathlib import Path

import pytest

from benchmark.resources import cache_root, fetch, locate, offline, state, verify
from benchmark.resources.cache import archives_folder
from benchmark.resources.manifest import find_resource, load_manifest
from benchmark.schema.errors import IntegrityError, UnavailableError, UsageError


def never(*_):
    raise AssertionError("the network was touched")


def test_cache_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.setenv("TEMPER_CACHE", "~/elsewhere")
    assert cache_root() == Path.home() / "elsewhere"
    monkeypatch.setenv("TEMPER_CACHE", "~nobody-here/cache")
    with pytest.raises(UsageError, match="TEMPER_CACHE=~nobody-here/cache: ~nobody-here is not a home folder here"):
        cache_root()
    monkeypatch.delenv("TEMPER_CACHE")
    assert cache_root() == Path.home() / ".cache" / "temper"


@pytest.mark.parametrize(("value", "meaning"), [("1", True), ("true", True), ("YES", True), ("0", False), ("", False)])
def test_offline_values(monkeypatch, value, meaning):
    monkeypatch.setenv("TEMPER_OFFLINE", value)
    assert offline() is meaning


def test_offline_refuses_an_unknown_value(monkeypatch):
    monkeypatch.setenv("TEMPER_OFFLINE", "treu")
    with pytest.raises(UsageError, match="Did you mean 'true'"):
        offline()


def test_offline_names_all_missing_resources_and_remedies(shelf, monkeypatch):
    for name in ("one", "two", "three"):
        shelf.pin_wheel(name)
    fetch(["two"], transport=shelf.transport)
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    with pytest.raises(UnavailableError) as caught:
        fetch(transport=never)
    sentence = str(caught.value)
    assert "one (one==1.0, 0.0 MB), three (three==1.0, 0.0 MB) are not in" in sentence
    assert "TEMPER_OFFLINE=1 forbids the network" in sentence
    assert "on a connected machine run `TEMPER_CACHE=FOLDER temper resources fetch one three`" in sentence
    assert "`TEMPER_RESOURCES_DIR=FOLDER temper resources fetch one three`" in sentence
    assert "\n" not in sentence
    with pytest.raises(UnavailableError, match="TEMPER_OFFLINE=1 forbids"):
        locate("one")
    assert fetch(["two"], transport=never) == {"two": locate("two")}


def test_offline_unpacks_a_cached_archive(shelf, monkeypatch):
    archive = shelf.pin_wheel("toy")
    archives_folder().mkdir(parents=True)
    shutil.copy(archive, archives_folder())
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    assert fetch(["toy"], transport=never) == {"toy": locate("toy")}


def test_offline_with_a_changed_archive_names_the_resource(shelf, monkeypatch):
    archive = shelf.pin_wheel("toy")
    archives_folder().mkdir(parents=True)
    (archives_folder() / archive.name).write_bytes(b"?")
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    with pytest.raises(UnavailableError, match="TEMPER_OFFLINE=1 forbids"):
        fetch(["toy"], transport=never)


@pytest.mark.parametrize("way", ["argument", "environment"])
@pytest.mark.parametrize("place", ["", "archives"])
def test_source_folder_of_archives(shelf, tmp_path, monkeypatch, recorder, way, place):
    archive = shelf.pin_wheel("toy")
    carried = tmp_path / "carried"
    (carried / place).mkdir(parents=True)
    shutil.move(archive, carried / place / archive.name)
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    if way == "environment":
        monkeypatch.setenv("TEMPER_RESOURCES_DIR", str(carried))
    fetch(["toy"], source_folder=carried if way == "argument" else None, transport=never, progress=recorder)
    assert state(find_resource("toy")) == "present"
    assert (archives_folder() / archive.name).exists()
    assert [task[0] for task in recorder.tasks] == [f"copying {archive.name}", "unpacking toy"]
    assert all(total == done and finished for _, total, done, finished in recorder.tasks)


@pytest.mark.parametrize("below", ["resources", "."])
def test_source_folder_with_an_extracted_tree(shelf, tmp_path, monkeypatch, below):
    shelf.pin_wheel("toy")
    tree = fetch(["toy"], transport=shelf.transport)["toy"]
    carried = tmp_path / "carried"
    shutil.copytree(tree, carried / below / tree.name)
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path / "new"))
    monkeypatch.setenv("TEMPER_OFFLINE", "1")
    fetch(["toy"], source_folder=carried, transport=never)
    assert (locate("toy") / "data/deep/b.bin").read_bytes() == bytes(range(256))


def test_extracted_tree_with_a_changed_file_is_refused(shelf, tmp_path, monkeypatch):
    shelf.pin_wheel("toy")
    tree = fetch(["toy"], transport=shelf.transport)["toy"]
    shutil.copytree(tree, tmp_path / "carried" / tree.name)
    (tmp_path / "carried" / tree.name / "data/a.txt").write_bytes(b"omega\n" * 40)
    monkeypatch.setenv("TEMPER_CACHE", str(tmp_path / "new"))
    with pytest.raises(IntegrityError, match="have the content"):
        fetch(["toy"], source_folder=tmp_path / "carried", transport=never)
    assert state(find_resource("toy")) == "absent"


def test_wrong_file_in_source_folder_is_named_and_kept(shelf, tmp_path):
    archive = shelf.pin_wheel("toy")
    bad = tmp_path / "carried" / archive.name
    bad.parent.mkdir()
    bad.write_bytes(b"<html>404</html>")
    with pytest.raises(IntegrityError, match="is a web page") as caught:
        fetch(["toy"], source_folder=bad.parent, transport=never)
    assert str(bad) in str(caught.value)
    assert bad.exists()


def test_missing_source_folder(shelf, tmp_path, monkeypatch):
    shelf.pin_wheel("toy")
    with pytest.raises(UsageError, match=r"none does not exist\. Correct --from\.$"):
        fetch(["toy"], source_folder=tmp_path / "none", transport=never)
    monkeypatch.setenv("TEMPER_RESOURCES_DIR", str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"none does not exist\. Correct TEMPER_RESOURCES_DIR\.$"):
        fetch(["toy"], transport=never)


def test_the_folder_kind_never_uses_the_network(shelf):
    archive = shelf.pin_wheel("toy", kind="folder", requirement="")
    with pytest.raises(
        UnavailableError, match="put the file into a folder and run `TEMPER_RESOURCES_DIR=FOLDER temper"
    ):
        fetch(["toy"], transport=never)
    fetch(["toy"], source_folder=archive.parent, transport=never)
    assert state(find_resource("toy")) == "present"


def packaged(shelf, **fields):
    real = load_manifest_of_the_distribution()["counterfitted-glove-wordnet"]
    file, sha256 = fields.get("file", real.file), fields.get("sha256", real.sha256)
    shelf.manifest.write_text(
        f'[lexicon]\nkind = "packaged"\nversion = "1"\ndescription = "d"\nlicence = "l"\nsource = "s"\n'
        f'file = "{file}"\nsha256 = "{sha256}"\nsize = {real.size}\n'
    )


def load_manifest_of_the_distribution():
    from benchmark import resources

    return load_manifest(Path(resources.__file__).with_name("manifest.toml"))


def test_a_packaged_file_is_located_and_hashed(shelf):
    packaged(shelf)
    assert (locate("lexicon") / "counterfitted-glove-wordnet.tsv.gz").is_file()
    assert fetch(["lexicon"], transport=never) == {"lexicon": locate("lexicon")}
    assert [check.outcome for check in verify()] == ["ok"]


@pytest.mark.parametrize("fields", [{"sha256": "0" * 64}, {"file": "lexicons/data/none.gz"}])
def test_packaged_file_with_another_hash(shelf, fields):
    packaged(shelf, **fields)
    with pytest.raises(IntegrityError, match="Install the distribution again"):
        locate("lexicon")
    with pytest.raises(IntegrityError, match="Install the distribution again"):
        fetch(["lexicon"], transport=never)
    assert [check.outcome for check in verify(["lexicon"])] == ["refused"]


def test_verify_reports_each_resource(shelf, recorder):
    shelf.pin_wheel("here")
    shelf.pin_wheel("gone")
    fetch(["here"], transport=shelf.transport)
    checks = verify(progress=recorder)
    assert [(check.name, check.outcome, check.problems) for check in checks] == [
        ("here", "ok", ()),
        ("gone", "absent", ()),
    ]
    assert all(total == done and finished for _, total, done, finished in recorder.tasks)


def test_verify_finds_a_flipped_byte(shelf):
    shelf.pin_wheel("toy")
    folder = fetch(["toy"], transport=shelf.transport)["toy"]
    data = bytearray((folder / "data/deep/b.bin").read_bytes())
    data[100] ^= 1
    (folder / "data/deep/b.bin").write_bytes(data)
    assert locate("toy") == folder
    (check,) = verify(["toy"])
    assert check.outcome == "refused"
    assert "data/deep/b.bin has the sha256" in check.problems[0]
    assert check.quarantined == (folder.with_name(f"{folder.name}.refused-1"),)
    assert state(find_resource("toy")) == "absent"
    fetch(["toy"], transport=never)  # from the kept archive
    assert [check.outcome for check in verify(["toy"])] == ["ok"]


def test_verify_refuses_additional_files(shelf):
    shelf.pin_wheel("toy")
    folder = fetch(["toy"], transport=shelf.transport)["toy"]
    (folder / "data/extra.py").write_text("1")
    assert "data/extra.py is not part of the resource" in verify(["toy"])[0].problems[0]


def test_verify_quarantines_a_changed_archive(shelf):
    archive = shelf.pin_wheel("toy")
    fetch(["toy"], transport=shelf.transport)
    kept = archives_folder() / archive.name
    kept.write_bytes(kept.read_bytes()[:-1])
    (check,) = verify(["toy"])
    assert "truncated" in check.problems[0]
    assert not kept.exists()
    assert state(find_resource("toy")) == "present"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder: (folder / ".temper-receipt.json").unlink(), "receipt.json is missing"),
        (lambda folder: (folder / ".temper-receipt.json").write_text("{"), "receipt.json is missing"),
        (lambda folder: (folder / ".temper-receipt.json").write_text('{"files": {}}'), "receipt.json is missing"),
        (lambda folder: (folder / "data/a.txt").write_text("short"), "data/a.txt has 5 bytes instead of 240"),
        (lambda folder: (folder / "data/a.txt").unlink(), "data/a.txt is missing"),
        (
            lambda folder: ((folder / "data/a.txt").unlink(), (folder / "data/a.txt").symlink_to("x")),
            "is not a regular file",
        ),
    ],
)
def test_locate_finds_missing_and_resized_files(shelf, spoil, sentence):
    shelf.pin_wheel("toy")
    folder = fetch(["toy"], transport=shelf.transport)["toy"]
    spoil(folder)
    with pytest.raises(IntegrityError, match=sentence):
        locate("toy")
    assert state(find_resource("toy")) == "damaged"
