"""The page: self-contained, and built as people with and without a mouse, a screen or a script need it."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest

from leaderboard import definitions, load_board
from leaderboard.figures import decimal
from leaderboard.site_files import render_all
from tests.leaderboard.synthetic import Method, card, write_results

VOID = {"meta", "input", "link", "br", "wbr", "line", "circle", "text"}


class Tree(HTMLParser):
    """Check nesting and collect elements with their attributes."""

    def __init__(self):
        super().__init__()
        self.open, self.elements, self.misnested = [], [], []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.misnested.append(tag)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def page(shared_files):
    return shared_files["index.html"]


@pytest.fixture
def tree(page):
    tree = Tree()
    tree.feed(page)
    return tree


def test_elements_nest_and_ids_are_unique(tree):
    assert (tree.misnested, tree.open) == ([], [])
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in tree.all("a") if link["href"].startswith("#")} <= set(ids)


def test_nothing_is_fetched(page, tree):
    assert not re.search(r"https?:|url\(|@import|\bfetch\(|XMLHttpRequest|eval\(", page)
    sources = [value for _, attributes in tree.elements for key, value in attributes.items() if key in ("src", "style")]
    assert sources == []
    assert {link["href"] for link in tree.all("a") if not link["href"].startswith("#")} == {
        "board.csv",
        "board.json",
        "board.md",
        "board.tex",
    }


def test_policy_allows_exactly_the_inline_script_and_style(page):
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)[1]
    for tag in ("script", "style"):
        content = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy.replace("&#39;", "'")
    assert policy.startswith("default-src &#39;none&#39;") or policy.startswith("default-src 'none'")


def test_tables_have_captions_and_headers_have_scopes(tree):
    assert len(tree.all("table")) == len(tree.all("caption"))
    assert all(header.get("scope") in ("col", "row", "colgroup", "rowgroup") for header in tree.all("th"))
    assert all(region.get("tabindex") == "0" for region in tree.all("div") if region.get("role") == "region")


def test_every_sortable_header_is_a_button_with_a_definition(tree, shared_board):
    buttons = [button for button in tree.all("button") if "data-column" in button]
    assert len(buttons) == len([header for header in tree.all("th") if "aria-sort" in header])
    assert all(len(button["title"]) > 10 for button in buttons)
    section = shared_board.sections[0]
    titles = [button["title"] for button in buttons]
    assert all(column.definition in titles for column in section.perspectives)


def test_rule_of_ranks_is_stated_once_and_above_the_tables(page):
    body = page[page.index("<main>") :]
    text = f"<dd>{definitions.RANK}</dd>"
    assert body.count(text) == 1
    assert body.index(text) < body.index("<table")


def test_definitions_come_from_the_card(page):
    for words_of_card in ("Chance that foreign text looks more foreign", "Synthetic tweets.", "Model calls for one"):
        assert words_of_card in page


def test_switches_appear_where_there_is_a_choice(tree, results):
    assert [select["data-switch"] for select in tree.all("select")] == ["suite", "backbone"]
    small = render_all(load_board(results))["index.html"]
    assert "<select" not in small
    assert "data-group=" not in re.sub(r"<tbody[^>]*>", "", small[small.index("<body>") :])


def test_page_can_be_read_without_scripts(tree, page):
    assert "html:not([data-scripted]) .scripted { display: none; }" in page
    assert not [attributes for _, attributes in tree.elements if "hidden" in attributes]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (-0.001, "0.00"), (1.005, "+1.00"), (-2.5, "-2.50"), (12.345678, "+12.35")]
)
def test_signed_decimals(value, text):
    assert decimal(value, 2, signed=True) == text


def test_a_task_shows_its_weight_if_it_is_not_1(tmp_path):
    suite = card()
    suite["tasks"][2]["weight"] = 0.25
    files = render_all(load_board(write_results(tmp_path, suite, Method())))
    assert files["index.html"].count("<dt>Weight</dt>") == 1
    assert "<dd>0.25 in the mean of its perspective</dd>" in files["index.html"]
    assert "Accuracy on Stores, Tweets (weight 0.25)." in files["board.json"]
