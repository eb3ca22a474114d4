"""The page in a real browser, opened from its file: no error, and every control does what it says, with keys too."""

from itertools import pairwise

import pytest

import leaderboard
from leaderboard import site_files
from tests.support.needs import CHROMIUM

FIRST = ".section[data-suite='toy@1'][data-backbone=minilm]"
pytestmark = [pytest.mark.slow, pytest.mark.needs("playwright", "chromium")]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as started:
        # As root, in a container, a browser has no sandbox of its own.
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site(shared_results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    leaderboard.build(shared_results, folder)
    return folder


@pytest.fixture
def visit(browser, site):
    """Open the page with options of a browser context; whatever the console says fails the test at its end."""
    contexts, said = [], []

    def opened(width=1400, height=900, address="", **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(60_000)  # a busy machine may take long; what hangs fails all the same
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto((site / "index.html").as_uri() + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


def board_rows(page, group="ranked"):
    return page.locator(f"{FIRST} .board tbody[data-group={group}] tr[data-row]")


def methods(page):
    return board_rows(page).locator("th").evaluate_all("cells => cells.map(cell => cell.dataset.sort.trim())")


def column(page, number):
    return board_rows(page).evaluate_all(f"rows => rows.map(row => Number(row.cells[{number}].dataset.sort))")


def visible_rows(page):
    return page.locator(".section:not([hidden]) .board tr[data-row]:not([hidden])").count()


def test_page_opens_from_a_file_and_asks_for_nothing_else(browser, site):
    page, asked, said = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.goto((site / "index.html").as_uri())
    assert (asked, said) == ([(site / "index.html").as_uri()], [])
    assert page.locator(".status").inner_text() == "10 of 10 rows"
    page.close()


def test_a_link_to_a_row_leads_to_its_page_when_sections_have_their_own(visit, shared_results, tmp_path, monkeypatch):
    monkeypatch.setattr(site_files, "PAGE_ROWS", 1)
    leaderboard.build(shared_results, tmp_path)
    page = visit()
    page.goto((tmp_path / "index.html").as_uri() + "#toy-1-minilm--roast")
    page.locator("#toy-1-minilm--roast a").click()
    page.wait_for_url("**/toy-1-minilm.html#toy-1-minilm--roast")
    assert page.locator(".status").inner_text() == "6 of 6 rows"


def test_console_is_really_listened_to(browser, site, tmp_path):
    path = tmp_path / "index.html"
    path.write_text(
        (site / "index.html").read_text("utf-8").replace("</main>", "</main><script>1</script>"), encoding="utf-8"
    )
    page, said = browser.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(path.as_uri())
    assert "Content Security Policy" in said[0]
    page.close()


def test_any_column_is_sorted_with_the_keyboard(visit):
    page = visit()
    start = methods(page)
    heading = page.get_by_role("button", name="Calibration").first
    number = int(heading.get_attribute("data-column"))
    heading.focus()
    page.keyboard.press("Enter")
    rising = column(page, number)
    assert rising == sorted(rising)
    sorts = page.locator(f"{FIRST} .board th[aria-sort]").evaluate_all(
        "cells => cells.map(cell => cell.getAttribute('aria-sort'))"
    )
    assert sorts.count("ascending") == 1
    assert sorts.count("none") == len(sorts) - 1
    page.keyboard.press("Space")
    assert column(page, number) == rising[::-1]
    page.get_by_role("button", name="Method").first.press("Enter")
    assert methods(page) == sorted(start)
    page.get_by_role("button", name="Rank").first.press("Enter")
    assert methods(page) == start


def test_rows_shown_apart_stay_apart_whatever_is_sorted(visit):
    page = visit()
    page.get_by_role("button", name="Overall").first.click()
    groups = page.locator(f"{FIRST} .board tbody").evaluate_all("bodies => bodies.map(b => b.dataset.group)")
    assert groups == ["ranked", "apart", "published"]


def test_search_narrows_tables_and_cards_and_says_how_many(visit):
    page = visit()
    everything = visible_rows(page)
    page.get_by_role("searchbox").fill("RECADAM")
    assert page.locator(".status").inner_text() == f"1 of {everything} rows"
    assert page.locator(".section .card:visible").count() == 1
    assert page.locator(".tasks tr[data-row]:visible").count() == 1
    page.get_by_role("searchbox").fill("")
    assert visible_rows(page) == everything


def test_groups_suites_and_backbones_are_switched(visit):
    page = visit()
    everything = visible_rows(page)
    page.get_by_label("Not ranked").uncheck()
    assert visible_rows(page) == everything - 1
    page.get_by_label("Published numbers").uncheck()
    assert visible_rows(page) == everything - 2
    page.locator("select[data-switch=suite]").select_option("demo@1")
    assert page.locator(".section:visible").evaluate_all("parts => parts.map(p => p.dataset.suite)") == ["demo@1"]
    assert page.locator(".glossary:visible").evaluate_all("parts => parts.map(p => p.dataset.suite)") == ["demo@1"]
    page.locator("select[data-switch=suite]").select_option("")
    page.locator("select[data-switch=backbone]").select_option("roberta")
    assert page.locator(".section:visible").evaluate_all("parts => parts.map(p => p.dataset.backbone)") == ["roberta"]


@pytest.mark.parametrize(("name", "button"), [("board.csv", "CSV"), ("board.md", "Markdown")])
def test_copied_text_is_the_file(visit, site, name, button):
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name=f"Copy as {button}", exact=True).press("Enter")
    from playwright.sync_api import expect

    expect(page.locator(".status")).to_contain_text("copied", timeout=30_000)
    assert page.evaluate("navigator.clipboard.readText()") == (site / name).read_text("utf-8")


def test_dark_follows_the_system_and_the_button_and_is_remembered(visit):
    light, dark = visit(color_scheme="light"), visit(color_scheme="dark")
    paper = "getComputedStyle(document.body).backgroundColor"
    assert light.evaluate(paper) != dark.evaluate(paper)
    light.get_by_role("button", name="Dark").press("Enter")
    assert light.evaluate(paper) == dark.evaluate(paper)
    assert light.get_by_role("button", name="Dark").get_attribute("aria-pressed") == "true"
    # The browser writes down later what a page has stored, so that a reload may come too soon.
    assert any(_reloaded(light).evaluate(paper) == dark.evaluate(paper) for _ in range(20))


def _reloaded(page):
    page.wait_for_timeout(200)
    page.reload()
    return page


def test_definitions_show_on_hover_on_focus_and_under_a_finger(visit):
    page = visit()
    heading, tip = page.get_by_role("button", name="Shift").first, page.get_by_role("tooltip")
    definition = heading.get_attribute("data-tip")
    assert "same task in other kinds of text? Mean of: Accuracy on Stores, Tweets." in definition
    heading.hover()
    assert tip.inner_text() == definition
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    heading.focus()
    assert tip.is_visible()
    box = tip.bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 1400
    phone = visit(width=400, has_touch=True, is_mobile=True)
    phone.get_by_role("button", name="Overall").first.tap()
    assert "gain over vanilla" in phone.get_by_role("tooltip").inner_text()


def test_links_open_cards_and_changed_words_are_marked(visit):
    page = visit(address="#about--toy-1--shift-tweets")
    assert page.locator("#about--toy-1--shift-tweets + .summary").is_visible()
    board_rows(page).locator("th[data-sort='roast '] a").click()
    opened = page.locator(".card[open]", has_text="What roast does.")
    opened.get_by_text("2 texts that TextFooler flipped").click()
    assert opened.locator("mark:visible").all_inner_texts()[:2] == ["tepid", "movie"]
    assert opened.locator("del:visible").all_inner_texts()[:2] == ["warm", "film"]


def test_a_link_opens_its_card_again_and_whatever_was_filtered(visit):
    page = visit()
    link = board_rows(page).locator("th[data-sort='roast '] a")
    card = page.locator(".card", has_text="What roast does.").first
    link.click()
    card.locator("summary").first.click()
    assert not card.locator(".summary").is_visible()
    link.click()
    assert card.locator(".summary").is_visible()
    page.get_by_role("searchbox").fill("recadam")
    page.evaluate("location.hash = '#toy-1-minilm--roast-alpha-0.6-variant-released'")
    from playwright.sync_api import expect

    expect(page.get_by_role("searchbox")).to_have_value("")
    assert page.locator(".card[open]", has_text="alpha=0.6").first.is_visible()
    page.evaluate("location.hash = '#%'")


def test_a_link_opens_its_card_without_scripts(visit):
    page = visit(address="#toy-1-minilm--roast", java_script_enabled=False)
    assert page.locator("#toy-1-minilm--roast + .summary").is_visible()


def test_a_search_without_a_match_says_so_and_gives_everything_back(visit):
    page = visit()
    everything = visible_rows(page)
    page.get_by_role("searchbox").fill("zzz")
    assert page.get_by_text("No row matches.").is_visible()
    assert page.locator("table:visible, .chart:visible").count() == 0
    page.get_by_role("button", name="Show all rows").click()
    assert visible_rows(page) == everything
    page.get_by_role("searchbox").fill("rec-adam")
    assert visible_rows(page) == 1
    assert page.locator(".point:visible title").count() == page.locator(".point:visible").count() == 2


def test_a_focused_heading_is_not_under_the_columns_that_stay(visit):
    page = visit(width=400)
    page.get_by_role("button", name="Verification").first.focus()
    for _ in range(6):
        page.keyboard.press("Shift+Tab")
        left, right = page.evaluate(
            """() => {
              const row = document.activeElement.closest("tr");
              const stays = row.querySelector(".method").getBoundingClientRect();
              return [document.activeElement.getBoundingClientRect().left, stays.right];
            }"""
        )
        assert left >= right - 1


def test_paper_is_light_and_holds_every_column(visit):
    page = visit(width=1040, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(252, 252, 250)"
    widths = page.locator(".board, .tasks").evaluate_all("tables => tables.map(t => t.getBoundingClientRect().right)")
    assert max(widths) <= 1040


def test_seed_points_are_shown_on_demand(visit):
    page = visit()
    assert page.locator(".points:visible").count() == 0
    page.get_by_label("Per-seed points").check()
    points = page.locator(".points:visible").first
    assert points.locator("circle").count() == 3
    assert points.get_attribute("aria-label").startswith("seed 0: ")


def test_focus_goes_through_the_page_from_top_to_bottom(visit):
    page = visit(height=3000)
    tops = []
    for _ in range(25):
        page.keyboard.press("Tab")
        tops.append(page.evaluate("(e => e.getBoundingClientRect().top + scrollY)(document.activeElement)"))
    assert all(later >= earlier - 40 for earlier, later in pairwise(tops))
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


@pytest.mark.parametrize("width", [1400, 400])
def test_nothing_moves_while_loading_and_nothing_sticks_out(visit, width):
    page = visit(width=width)
    shift = page.evaluate(
        """() => new Promise(done => {
          let sum = 0;
          new PerformanceObserver(list => list.getEntries().forEach(entry => { sum += entry.value; }))
            .observe({ type: "layout-shift", buffered: true });
          setTimeout(() => done(sum), 200);
        })"""
    )
    assert shift < 0.005
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_page_reads_without_scripts(visit):
    page = visit(java_script_enabled=False)
    assert page.locator(".board").first.is_visible()
    assert page.locator(".chart svg").first.is_visible()
    assert not page.locator(".controls").is_visible()
