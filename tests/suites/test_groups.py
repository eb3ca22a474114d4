"""Groups: a name or path of several suites, and one sentence for each way to get it wrong."""

from pathlib import Path

import pytest

from benchmark.schema.errors import UsageError
from benchmark.suites import available_groups, available_suites, find_group, load_suite, load_suites, suite_files

GROUP = """
name = "{name}"
version = {version}
title = "Ours"
note = "For tests."
suites = [{suites}]
"""


def write(folder: Path, *suites: str, name: str = "ours", version: int = 1) -> Path:
    path = folder / f"{name}.toml"
    listed = ", ".join(f'"{suite}"' for suite in suites)
    path.write_text(GROUP.format(name=name, version=version, suites=listed))
    return path


def names(given: str | Path) -> list[str]:
    return [suite.name for suite in load_suites(given)]


def test_a_suite_stands_for_itself(folder: Path) -> None:
    assert names("demo") == names(f"demo@{load_suite('demo').version}") == ["demo"]
    assert names(folder / "small.toml") == ["small"]
    assert find_group("demo") is find_group(folder / "small.toml") is None


def test_a_packaged_group_is_no_suite_and_has_its_members_in_order() -> None:
    assert "mirror" in available_groups()
    assert not set(available_groups()) & set(available_suites())
    assert names("mirror") == names("mirror@2") == ["mirror-sentiment", "mirror-entailment"]
    with pytest.raises(
        UsageError, match=r"mirror is a group; name one of its suites, which `temper suite show mirror`"
    ):
        load_suite("mirror")


def test_a_group_of_ones_own_names_packaged_suites_and_files_beside_it(folder: Path) -> None:
    path = write(folder, "small.toml", "mirror-sentiment@2")
    assert names(path) == names(str(path)) == ["small", "mirror-sentiment"]
    group = find_group(path)
    assert group is not None
    assert (group.name, group.version, group.path) == ("ours", 1, path)


@pytest.mark.parametrize(
    ("suites", "sentence"),
    [
        (["mirror-sentimint@2"], "ours.toml: suites: There is no suite 'mirror-sentimint'. Did you mean 'mirror-sent"),
        (["mirror-sentiment@7"], "ours.toml: suites: Suite mirror-sentiment is at version 2 here, not 7; ask for "),
        (["mirror-sentiment"], "ours.toml: suites: 'mirror-sentiment' has no version; write mirror-sentiment@2."),
        (["mirror@2"], "ours.toml: suites: 'mirror@2' is a group, and a group holds suites only; name its members"),
        (["ours.toml"], "ours.toml: suites: 'ours.toml' is a group, and a group holds suites only; name its members"),
        (["small.toml", "small.toml"], "ours.toml: suites: 'small.toml' is a duplicate; remove one."),
        (["away.toml"], "There is no suite file "),
    ],
)
def test_a_wrong_member_is_one_sentence(folder: Path, suites: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_suites(write(folder, *suites))
    assert str(caught.value).startswith(sentence)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('title = "Ours"\n', "", "title: is missing; add a text."),
        (
            'title = "Ours"',
            'titel = "Ours"\ntitle = "Ours"',
            "titel: is an unknown key; remove it. Did you mean 'title'? Known: ",
        ),
        ("suites = [", "suites = [] #", "suites: holds 0 items; write a list of 1 item or more."),
        ("version = 1", "version = 0", "version: is the number 0; write a whole number of at least 1."),
    ],
)
def test_a_mistake_in_the_file_names_its_key(folder: Path, old: str, new: str, sentence: str) -> None:
    path = write(folder, "small.toml")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UsageError) as caught:
        load_suites(path)
    assert str(caught.value).startswith(f"{path}: {sentence}")


def test_a_name_or_version_that_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"There is no suite 'mirorr'\. Did you mean 'mirror'\?"):
        load_suites("mirorr@1")
    with pytest.raises(UsageError, match=r"Group mirror is at version 2 here, not 1; ask for mirror@2, or install"):
        load_suites("mirror@1")
    write(folder, "small@2")
    monkeypatch.setattr(suite_files, "_FOLDER", folder)
    assert names("ours") == ["small"]
    (folder / "theirs.toml").write_text((folder / "ours.toml").read_text())
    with pytest.raises(UsageError, match=r"theirs\.toml: name: 'ours' is not the file's name; rename one of the two"):
        load_suites("theirs")
