import tarfile
import zipfile

import pytest

from benchmark.resources import archive as archives
from benchmark.resources.archive import extract
from benchmark.resources.checksum import Silent
from benchmark.schema.errors import IntegrityError

CAP = 10_000


def run(path, target, root="", members=("*",), cap=CAP):
    target.mkdir()
    return extract(path, root, members, target, cap=cap, progress=Silent())


def info(name, kind=tarfile.REGTYPE, link=""):
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def names_below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def test_only_selected_members_below_the_root_are_written(tmp_path, wheel):
    path = wheel(
        tmp_path / "x.whl", {"r/a.txt": b"a", "r/sub/b.txt": b"bb", "r/c.py": b"c", "ra.txt": b"no", "a.txt": b"no"}
    )
    files = run(path, tmp_path / "out", root="r", members=("a.txt", "sub/*"))
    assert {name: digest.size for name, digest in files.items()} == {"a.txt": 1, "sub/b.txt": 2}
    assert names_below(tmp_path / "out") == ["a.txt", "sub/b.txt"]
    assert (tmp_path / "out/sub/b.txt").read_bytes() == b"bb"


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.bz2", "tar.xz", "tar"])
def test_tars_of_every_compression(tmp_path, suffix):
    (tmp_path / "a.txt").write_bytes(b"hello")
    path = tmp_path / f"x.{suffix}"
    with tarfile.open(path, f"w:{suffix.removeprefix('tar').lstrip('.')}") as tar:
        tar.add(tmp_path / "a.txt", "top/a.txt")
    run(path, tmp_path / "out", root="top")
    assert (tmp_path / "out/a.txt").read_bytes() == b"hello"


def test_a_folder_and_a_single_file_are_read_like_archives(tmp_path):
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/a.txt").write_bytes(b"a")
    assert list(run(tmp_path / "tree", tmp_path / "out")) == ["sub/a.txt"]
    assert list(run(tmp_path / "tree/sub/a.txt", tmp_path / "out2")) == ["a.txt"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "a\\..\\evil", "C:evil"])
@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_member_outside_the_folder_is_refused(tmp_path, wheel, tar, name, kind):
    path = tmp_path / f"x.{kind}"
    wheel(path, {name: b"evil"}) if kind == "whl" else tar(path, [(info(name), b"evil")])
    with pytest.raises(IntegrityError, match="would leave its folder"):
        run(path, tmp_path / "out", members=("nothing",))
    assert not names_below(tmp_path / "out")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused_when_selected(tmp_path, tar, kind):
    path = tar(tmp_path / "x.tar.gz", [(info("a"), b"a"), (info("b", kind, "/etc/passwd"), b"")])
    with pytest.raises(IntegrityError, match="'b' is a link, a device or encrypted"):
        run(path, tmp_path / "out")
    assert names_below(tmp_path / "out") == ["a"]
    assert list(run(path, tmp_path / "other", members=("a",))) == ["a"]


def test_a_symlink_in_a_zip_is_refused(tmp_path):
    made = zipfile.ZipInfo("link")
    made.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr(made, "/etc/passwd")
    with pytest.raises(IntegrityError, match="link"):
        run(tmp_path / "x.whl", tmp_path / "out")


def test_a_symlink_in_a_folder_is_refused(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a").symlink_to("/etc/passwd")
    with pytest.raises(IntegrityError, match="link"):
        run(tmp_path / "tree", tmp_path / "out")


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
def test_archive_bomb_is_refused_before_writing(tmp_path, wheel, tar, kind):
    path, data = tmp_path / f"x.{kind}", b"\0" * 1_000_000
    wheel(path, {"a": data}) if kind == "whl" else tar(path, [(info("a"), data)])
    assert path.stat().st_size < 2_000
    with pytest.raises(IntegrityError, match="At most 10,000 are allowed"):
        run(path, tmp_path / "out")
    assert not names_below(tmp_path / "out")


def test_size_limit_covers_all_members(tmp_path, wheel):
    path = wheel(tmp_path / "x.whl", {f"m{number}": b"\0" * 4_000 for number in range(3)})
    with pytest.raises(IntegrityError, match=r"'m2' would unpack to 4,000 bytes\. At most 2,000"):
        run(path, tmp_path / "out")


def test_size_limit_per_member(tmp_path, wheel, monkeypatch):
    monkeypatch.setattr(archives, "MEMBER_CAP", 10)
    with pytest.raises(IntegrityError, match="At most 10 are allowed"):
        run(wheel(tmp_path / "x.whl", {"a": b"\0" * 11}), tmp_path / "out")


def test_wrong_size_in_header_is_refused(tmp_path, wheel):
    path = wheel(tmp_path / "x.whl", {"a": b"\0" * 5_000})
    data = path.read_bytes()
    path.write_bytes(data.replace((5_000).to_bytes(4, "little"), (50).to_bytes(4, "little")))
    with pytest.raises(IntegrityError):
        run(path, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_member_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as archive:
        archive.writestr("a", "1")
        archive.writestr("a", "2")
    with pytest.raises(IntegrityError, match="is a duplicate"):
        run(tmp_path / "x.whl", tmp_path / "out")


def test_pattern_without_member_is_named(tmp_path, wheel):
    with pytest.raises(IntegrityError, match=r"has no member b\.txt, c/\* below r"):
        run(wheel(tmp_path / "x.whl", {"r/a": b"a"}), tmp_path / "out", root="r", members=("a", "b.txt", "c/*"))


@pytest.mark.parametrize("kind", ["whl", "tar.gz"])
@pytest.mark.parametrize("damage", [lambda data: data[: len(data) // 2], lambda data: b"nonsense" * 50])
def test_unreadable_archive_is_one_sentence(tmp_path, wheel, tar, kind, damage):
    path, data = tmp_path / f"x.{kind}", bytes(range(256)) * 20
    wheel(path, {"a": data}) if kind == "whl" else tar(path, [(info("a"), data)])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(IntegrityError, match="is not a readable archive"):
        run(path, tmp_path / "out")
