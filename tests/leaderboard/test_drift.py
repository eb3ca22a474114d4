"""The drift check: any difference between a site and its records is shown, readably."""

import re

import pytest

import leaderboard
from benchmark.schema import UsageError
from tests.leaderboard.synthetic import Method, attacked, card, published, write_attachments, write_published
from tests.support.command import temper


@pytest.fixture
def site(results, tmp_path):
    leaderboard.build(results, tmp_path / "site")
    return tmp_path / "site"


def test_equal_site_has_no_drift(results, site):
    assert leaderboard.check(results, site) == ""
    (site / "README.md").write_text("other files are ignored by the leaderboard")
    assert leaderboard.check(results, site) == ""


def test_edited_value_in_a_file_is_shown(results, site):
    path = site / "board.csv"
    text = path.read_text("utf-8")
    value = re.search(r",(\+\d+\.\d\d),", text)[1]
    path.write_text(text.replace(value, "+99.99", 1), encoding="utf-8")
    diff = leaderboard.check(results, site)
    assert "--- board.csv (in the site)" in diff
    assert any(line.startswith("-") and "+99.99" in line for line in diff.splitlines())
    assert any(line.startswith("+") and value in line for line in diff.splitlines())


def test_the_command_shows_control_characters_of_a_site_and_sends_none(results, site):
    path = site / "board.md"
    path.write_text(path.read_text("utf-8") + "\x1b]0;title\x07\x1b[31mred\n", encoding="utf-8")
    done = temper("board", "check", "--results", results, "--site", site)
    assert done.returncode == 1
    assert "-<U+001B>]0;title<U+0007><U+001B>[31mred\n" in done.stdout
    assert not {"\x1b", "\x07"} & {*done.stdout, *done.stderr}


def test_any_digit_of_a_record_is_noticed(results, site):
    path = results / "toy@1" / "vanilla" / "minilm" / "seed-0.jsonl"
    text = path.read_text("utf-8")
    value = re.search(r'"metric":\{"direction":"none".*?"value":(\d+\.\d+)', text)[1]
    last = "1" if value[-1] != "1" else "2"
    path.write_text(text.replace(f'"value":{value}', f'"value":{value[:-1]}{last}'), encoding="utf-8")
    assert "+++ board.json (from the records)" in leaderboard.check(results, site)


def test_edited_page_gives_a_diff_of_short_lines(results, site):
    path = site / "index.html"
    text = path.read_text("utf-8")
    path.write_text(text.replace("Cost", "Price"), encoding="utf-8")
    diff = leaderboard.check(results, site)
    assert "--- index.html (in the site)" in diff
    assert max(map(len, diff.splitlines())) <= 210
    assert "Price" in diff


def test_one_character_of_a_long_line_does_not_mark_the_whole_line(results, site):
    path = site / "board.md"
    text = path.read_text("utf-8")
    longest = max((line for line in text.splitlines() if line.startswith("|")), key=len)
    assert len(longest) > 200
    path.write_text(text.replace(longest, longest[:100] + "#" + longest[100:]), encoding="utf-8")
    changed = [line for line in leaderboard.check(results, site).splitlines() if re.match(r"[-+](?![-+])", line)]
    assert 2 <= len(changed) <= 4


def test_a_missing_site_is_one_sentence(results, tmp_path):
    with pytest.raises(UsageError, match=f"There is no folder {tmp_path / 'gone'}; name that of the leaderboard"):
        leaderboard.check(results, tmp_path / "gone")


def test_missing_file_is_all_additions(results, site):
    (site / "board.tex").unlink()
    diff = leaderboard.check(results, site)
    assert diff.startswith("--- board.tex (missing)")
    assert "+\\begin{table}" in diff


@pytest.mark.parametrize("change", [b"\r\n", b""])
def test_line_ends_and_missing_last_newline_are_drift(results, site, change):
    path = site / "board.csv"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"\n", change) if change else data.rstrip(b"\n"))
    assert "board.csv" in leaderboard.check(results, site)


def changed_digit(text, pattern):
    """Change the last digit of the first number that a pattern's group finds."""
    found = re.search(pattern, text)
    last = "1" if found[1][-1] != "1" else "2"
    return text[: found.end(1) - 1] + last + text[found.end(1) :]


def test_any_digit_of_a_published_number_or_an_attachment_is_noticed(results, tmp_path):
    printed, site = tmp_path / "printed", tmp_path / "site"
    write_published(printed, [published(card(), "roast", "A. Author (2020)", "stores", 0.8612)])
    write_attachments(results, card(), Method("roast"), attacked())
    leaderboard.build(results, site, printed)
    assert leaderboard.check(results, site, printed) == ""
    for path, pattern in (
        (printed / "a-paper.jsonl", r'"value":(0\.\d+)'),
        (results / "toy@1/roast/minilm/attacks/textfooler.jsonl", r'"queries":(\d+)'),
    ):
        text = path.read_text("utf-8")
        path.write_text(changed_digit(text, pattern), encoding="utf-8")
        assert "board.json" in leaderboard.check(results, site, printed)
        path.write_text(text, encoding="utf-8")
