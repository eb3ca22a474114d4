"""Text by strangers, in every field that may hold any: it is shown, and does nothing."""

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest

from benchmark.schema.markdown import escape_markdown
from leaderboard import load_board
from leaderboard.render.tables import escape_latex, neutral
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import (
    Method,
    attacked,
    card,
    published,
    records,
    write_attachments,
    write_records,
    write_results,
)

HTML = "</script></style></title><script>alert(1)</script><img src=x onerror=alert(2)>\"'&lt;&#x3c;\u2028\u2029-->]]>"
MARKDOWN = (
    "| a | [b](javascript:alert(1)) ![x](https://evil.example/p.png) `c` **d** <b>e</b> $f$ ~~g~~ www.evil.example"
)
TEX = r"\input{/etc/passwd} \write18{ls} $x^2$ 50% #1 _a_ ~ {open \end{tabular} ^^5c"
FORMULA = '=HYPERLINK("https://evil.example";"x")'
ATTACKS = {"html": HTML, "markdown": MARKDOWN, "tex": TEX, "formula": FORMULA}


def one_line(text):
    return " ".join(text.split())[:150]


def hostile_results(root, text):
    """Results with `text` in every field of card and records that takes free text."""
    suite = card()
    suite |= {"title": one_line(text), "note": text}
    suite["training"] |= {"title": one_line(text), "description": text}
    for part in [*suite["tasks"], *suite["metrics"].values()]:
        part |= {"title": one_line(text), "description": text}
    changes = {
        "environment": {text: text},
        "backbone": {"name": "minilm", "source": "folder:" + one_line(text), "revision": None},
    }
    for seed in (0, 1):
        write_results(root, suite, Method(seeds=(seed,)))
        found = records(suite, Method("evil", one_line(text)), seed)
        for record in found:
            record |= {"environment": changes["environment"]}
            record["method"] |= {"version": one_line(text)[:80], "hyperparameters": {one_line(text): text}}
            record["backbone"]["source"] = changes["backbone"]["source"]
        found[0] |= {"value": None, "replicates": None, "status": "failed", "reason": text}
        write_records(root, found)
    write_records(root, [published(suite, "roast", text, "stores", 0.86)])
    example = attacked(id=text[:100], original=f"good {text}", perturbed=f"bad {text}")
    write_attachments(root, suite, Method("evil", one_line(text)), example, summary=text, paper=text)
    (root / "toy@1" / "stray <b>&.txt").write_text("x")
    return root


class Elements(HTMLParser):
    """Collect elements, attributes and text as a browser would see them."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    elements = Elements()
    elements.feed(page)
    return elements


@pytest.fixture(params=ATTACKS)
def texts(request, tmp_path):
    return ATTACKS[request.param], render_all(load_board(hostile_results(tmp_path, ATTACKS[request.param])))


def test_page_has_only_its_own_elements_and_shows_the_text(texts, shared_files):
    text, files = texts
    honest, hostile = parsed(shared_files["index.html"]), parsed(files["index.html"])
    assert set(hostile.tags) <= set(honest.tags) | {"ul", "li", "wbr"}
    assert hostile.tags.count("script") == 2
    assert {name for name, _ in hostile.attributes} <= {name for name, _ in honest.attributes}
    assert any(text in data for data in hostile.text)
    # In the attacked texts the words are split.
    assert "".join(hostile.text).count(text) >= 4


def test_embedded_json_cannot_end_its_element(texts):
    _, files = texts
    block = re.search(r'<script type="application/json" id="exports">(.*?)</script>', files["index.html"], re.DOTALL)[1]
    assert not re.search("[<>&\u2028\u2029]", block)
    assert "\n".join(json.loads(block)["board.csv"]) == files["board.csv"]
    assert json.loads(block).keys() == {"board.csv", "board.md", "board.tex"}


def test_csv_holds_the_text_and_no_formula(texts):
    text, files = texts
    rows = list(csv.reader(io.StringIO(files["board.csv"])))
    assert len({len(row) for row in rows}) == 1
    cells = [cell for row in rows for cell in row]
    assert not [cell for cell in cells if re.match(r"\s*[=+\-@]", cell) and not re.fullmatch(r"[+-]?[\d.]+", cell)]
    assert any(one_line(text) in cell for cell in cells)


def test_markdown_tables_keep_their_shape(texts):
    _, files = texts
    lines = files["board.md"].splitlines()
    for start, line in enumerate(lines):
        if not re.fullmatch(r"\|( :?--:? \|)+", line):
            continue
        columns = line.count("|")
        for row in lines[start + 1 :]:
            if not row.startswith("|"):
                break
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == columns
    assert not re.search(r"(?<!\\)[<`$]|(?<!\\)\]\(|(?<!\\)!\[", files["board.md"].replace("\\\\", ""))


def test_latex_braces_balance_and_no_command_comes_from_outside(texts):
    _, files = texts
    known = (
        r"begin|end|caption|toprule|midrule|bottomrule|multicolumn|emph|"
        r"uparrow|downarrow|pm|star|times|usepackage|text\w+"
    )
    text = files["board.tex"].replace("\\\\", "")
    assert not re.search(rf"\\(?!(?:{known})\b)[A-Za-z]", text)
    assert re.findall(r"\\begin\{(\w+)", text) == re.findall(r"\\end\{(\w+)", text)[::-1] or text.count(
        "\\begin"
    ) == text.count("\\end")
    plain = re.sub(r"\\[{}]", "", text)
    assert plain.count("{") == plain.count("}")
    assert not re.search(r"(?<!\\)[#&_](?=\w)", plain)


@pytest.mark.parametrize("text", ["=1+1", "+1 cmd", "-2+3", "@SUM(A1)", "\t=1", " =1", "|calc", "%0A=1", "＝1"])
def test_what_a_spreadsheet_would_execute_is_neutralised(text):
    assert neutral(text) == "'" + text


@pytest.mark.parametrize("text", ["-1.50", "+2.25", "0", "roast", "alpha=0.6", "a-b", ""])
def test_numbers_and_plain_text_stay_as_they_are(text):
    assert neutral(text) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("# title", "\\# title"),
        ("- item", "\\- item"),
        ("1. item", "1\\. item"),
        ("12) item", "12\\) item"),
        ("a\n\n# b", "a # b"),
        ("https://evil.example", "https:\\//evil.example"),
        ("<b>&amp;", "\\<b\\>\\&amp;"),
    ],
)
def test_markdown_escape(text, escaped):
    assert escape_markdown(text) == escaped


def test_latex_escape_covers_every_active_character():
    assert escape_latex(r"\{}$&#%_^~") == r"\textbackslash{}\{\}\$\&\#\%\_\textasciicircum{}\textasciitilde{}"
