"""Cards of methods and tasks: attachments are shown, checked and never counted."""

import re

import pytest

from benchmark.schema import IntegrityError
from leaderboard import load_board
from leaderboard import results as results_module
from leaderboard.board import distinct, slug
from leaderboard.render.charts import FRAME, charts
from leaderboard.render.html import marked
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import Method, attacked, card, digest, write_attachments, write_results

ROAST = Method("roast", gain=0.06)


def row_of(board, name="roast"):
    return next(row for row in board.sections[0].rows if row.method == name)


def test_method_and_examples_are_shown_and_change_no_number(results):
    before = load_board(results)
    write_attachments(results, card(), ROAST, attacked(), attacked(number=1), summary="Masks <b>gradients</b>.")
    after = load_board(results)
    row = row_of(after)
    assert (row.summary, row.paper) == ("Masks <b>gradients</b>.", "A. Author, Venue 2020")
    assert [(title, len(examples)) for title, examples in row.examples] == [("TextFooler", 2)]
    assert row.measurements == row_of(before).measurements
    page = render_all(after)["index.html"]
    assert "Masks &lt;b&gt;gradients&lt;/b&gt;." in page
    assert "<mark>tepid</mark>" in page
    assert {name for name, _ in after.inputs} - {name for name, _ in before.inputs} == {
        "toy@1/roast/method.json",
        "toy@1/roast/minilm/attacks/textfooler.jsonl",
    }


def test_examples_of_another_table_are_dropped_with_the_reason(results):
    write_attachments(results, card(), ROAST, attacked(table=digest("another table")))
    board = load_board(results)
    assert row_of(board).examples == ()
    assert [drop.reason for drop in board.dropped] == [
        "its examples are not of the table that the row's records were scored from"
    ]


def test_description_of_a_method_without_records_is_dropped(results):
    write_attachments(results, card(), Method("ghost"))
    assert ("toy@1/ghost/method.json", "describes a method without records") in [
        (drop.where, drop.reason) for drop in load_board(results).dropped
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ('{"schema":1,"name":"roast","paper":"","summary":""}\n', r"method\.json: /summary: is empty"),
        ('{"schema":1,"name":"smart","paper":"","summary":"x"}\n', "/name: is smart, the folder is roast"),
        ('{"schema":2,"name":"roast","paper":"","summary":"x"}\n', "/schema: is not 1"),
        ('{"schema":1,"name":"roast","paper":"","summary":"x","url":"x"}\n', "/url: is an unknown key"),
        ("not json", "is not JSON"),
    ],
)
def test_wrong_method_file_is_refused(results, change, complaint):
    write_attachments(results, card(), ROAST)
    (results / "toy@1" / "roast" / "method.json").write_text(change, encoding="utf-8")
    with pytest.raises(IntegrityError, match=complaint):
        load_board(results)


def test_wrong_or_too_many_examples_are_refused(results):
    write_attachments(results, card(), ROAST, *[attacked(number=number) for number in range(21)])
    with pytest.raises(IntegrityError, match="holds 21 examples; keep at most 20"):
        load_board(results)
    write_attachments(results, card(), ROAST, attacked())
    path = results / "toy@1" / "roast" / "minilm" / "attacks" / "textfooler.jsonl"
    path.write_text(path.read_text("utf-8").replace('"queries":40', '"queries":-1'), encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"textfooler\.jsonl:1: /queries"):
        load_board(results)


@pytest.mark.parametrize(
    ("original", "perturbed", "left", "right"),
    [
        ("a b c", "a x c", ["b"], ["x"]),
        ("a b", "a b c", [], ["c"]),
        ("a  b", "a  b", [], []),
        ("", "x", [], ["x"]),
        ("one two three", "one too many three", ["two"], ["too", "many"]),
    ],
)
def test_changed_words_are_marked(original, perturbed, left, right):
    first, second = marked(original, perturbed)
    assert ("".join(text for text, _ in first), "".join(text for text, _ in second)) == (original, perturbed)
    assert [text for text, changed in first if changed] == left
    assert [text for text, changed in second if changed] == right


def test_text_made_to_be_slow_to_compare_is_marked_as_a_whole():
    first, _ = marked("a " * 9000, "b " + "a " * 9000)
    assert first[0] == ("a", True)


def test_every_task_has_a_card_that_its_heading_leads_to(results):
    page = render_all(load_board(results))["index.html"]
    anchors = re.findall(r'class="about" href="#([^"]+)"', page)
    assert len(anchors) == len(set(anchors)) == 7
    assert all(page.count(f'id="{anchor}"') == 1 for anchor in anchors)


def test_anchors_say_whose_they_are_and_are_never_equal():
    assert slug("offline@1 all-MiniLM/L6 <b>") == "offline-1-all-MiniLM-L6-b"
    assert distinct(["a", "b", "a", "a"]) == ["a", "b", "a--2", "a--3"]


def test_charts_hold_their_points_and_labels_inside(shared_board):
    for section in shared_board.sections:
        for chart in charts(section):
            assert len(chart.points) > 1
            for point in chart.points:
                assert FRAME.left <= float(point.x) <= FRAME.right
                assert FRAME.top <= float(point.y) <= FRAME.bottom
            labels = [(point.label_x, point.label_y) for point in chart.points if point.label]
            assert len(labels) == len(set(labels))


def test_charts_need_two_rows(tmp_path):
    write_results(tmp_path, card(), Method())
    assert charts(load_board(tmp_path).sections[0]) == ()


def test_row_under_a_protocol_is_shown_apart(results, monkeypatch):
    read = results_module.read_results

    def with_protocol(root, published=None):
        suites = read(root, published)
        for located in suites[0].records:
            if located.record["method"]["name"] == "roast":
                located.record["protocol"] = ["released-index"]
        return suites

    monkeypatch.setattr(results_module, "read_results", with_protocol)
    row = row_of(load_board(results))
    assert row.group == "apart"
    assert row.notes == (
        "measured under protocol options (released-index), which are there to show what they are worth",
    )
