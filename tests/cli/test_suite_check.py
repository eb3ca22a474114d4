"""`temper suite check` as a user meets it: a table, one sentence a mistake, and an exit code that a script can use."""

from pathlib import Path

import pytest

from tests.support.command import temper
from tests.support.tiny_suite import write_tiny_suite


@pytest.fixture
def suite(tmp_path: Path, tiny_backbone: Path) -> Path:
    return write_tiny_suite(tmp_path, tiny_backbone)


def test_a_sound_suite_is_a_table_and_exit_code_zero(suite: Path) -> None:
    done = temper("suite", "check", str(suite))
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line for line in done.stdout.splitlines() if line.strip()}
    for part in ("training", "validation", "test", "home", "away", "foreign"):
        assert rows[part].rstrip().endswith("ok")
    assert "negative" in rows["away"]
    assert "exact" in rows["away"]
    assert "tiny@1: every part is as the suite declares it." in done.stdout
    assert 'tasks[away].data: content_hash = "sha256:' in done.stdout


def test_data_that_is_wrong_is_exit_code_one_and_a_sentence_with_file_and_key(suite: Path) -> None:
    suite.write_text(suite.read_text().replace("rows = 24", "rows = 25").replace("rows = 20", "rows = 21"))
    done = temper("suite", "check", str(suite))
    assert done.returncode == 1
    assert "tiny.toml: tasks[away].rows: away has 24 examples where 25 are declared; " in done.stdout
    assert "tiny.toml: tasks[foreign].rows: foreign has 20 examples where 21 are declared; " in done.stdout
    assert "tiny@1: 2 mistakes." in done.stdout
    assert "Traceback" not in done.stderr


def test_a_file_with_mistakes_is_exit_code_one_and_a_suite_that_is_not_there_two(suite: Path) -> None:
    suite.write_text(suite.read_text().replace("epochs = 2", "epochs = 0").replace("rows = 24", 'rows = "24"'))
    done = temper("suite", "check", str(suite))
    assert done.returncode == 1
    assert "recipe.epochs: is the number 0; write a whole number from 1 to 1000." in done.stdout
    assert "tasks[away].rows: is the text '24'; write a whole number of at least 1." in done.stdout
    assert "2 mistakes" in done.stdout
    assert temper("suite", "check", "dmeo").returncode == 2


def test_only_missing_sets_are_exit_code_zero_with_the_command_that_gets_them(suite: Path, tmp_path: Path) -> None:
    away = 'source = "file", path = "away.jsonl", format = "jsonl"'
    text = suite.read_text()
    assert away in text.replace("train.jsonl", "")
    suite.write_text(text.replace(away, 'source = "mirror", repository = "some/one", split = "test", rows = 24'))
    done = temper("suite", "check", str(suite), TEMPER_MIRROR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        'away is unavailable here: `hf download --repo-type dataset some/one --local-dir "$TEMPER_MIRROR' in done.stdout
    )
    assert "every part is as the suite declares it, but for 1 part unavailable here." in done.stdout


@pytest.mark.parametrize(
    ("mirror", "sentence"),
    [
        ("", "TEMPER_MIRROR is not set. Set it to the folder of a mirror"),
        ("/no/such/folder", "TEMPER_MIRROR is '/no/such/folder', which is not a folder. Correct it or unset it."),
    ],
)
def test_a_mirror_that_is_not_set_or_no_folder_is_said(suite: Path, mirror: str, sentence: str) -> None:
    away = 'source = "file", path = "away.jsonl", format = "jsonl"'
    new = 'source = "mirror", repository = "some/one", split = "test", rows = 24'
    suite.write_text(suite.read_text().replace(away, new))
    done = temper("suite", "check", str(suite), TEMPER_MIRROR=mirror)
    assert done.returncode == 0, done.stdout + done.stderr
    assert sentence in done.stdout


def test_mistakes_are_counted_in_good_english_and_stay_in_sight(suite: Path) -> None:
    suite.write_text(suite.read_text().replace("rows = 24", "rows = 25"))
    lines = temper("suite", "check", str(suite)).stdout.splitlines()
    assert lines[-1] == "tiny@1: 1 mistake."
    assert lines[-2].startswith("tiny.toml: tasks[away].rows: ")
    assert any("content_hash" in line for line in lines[:-2])
    suite.write_text(suite.read_text().replace("epochs = 2", "epochs = 0"))
    assert temper("suite", "check", str(suite)).stdout.splitlines()[-1].startswith("1 mistake. ")


def test_an_attack_whose_parts_do_not_exist_is_wrong(suite: Path) -> None:
    attack = '[[attacks]]\nid = "genetic"\nversion = 1\ntitle = "x"\ndescription = "x"\non = "home"\nsubset = 4\n'
    suite.write_text(suite.read_text() + attack + 'recipe = "genetic"\nparameters = { encoder = "minlm" }\n')
    done = temper("suite", "check", str(suite))
    assert done.returncode == 1
    assert "tiny.toml: attacks[genetic].parameters: " in done.stdout
    assert "Did you mean 'minilm'?" in done.stdout
