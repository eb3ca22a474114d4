"""The page in a real browser, where there is one: no error, and sorting, filtering and switching do what they say."""

import json
import re
import shutil
import subprocess

import pytest

import leaderboard

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--enable-logging=stderr",
    "--virtual-time-budget=2000", "--dump-dom",
)  # fmt: skip

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no chromium, chromium-browser, google-chrome or chrome on the PATH"),
]

# Added to a copy of the page without its policy, which rightly would not run it.
PROBE = """
document.addEventListener("DOMContentLoaded", () => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const section = all(".contest")[0];
  const button = (title) => [...section.querySelectorAll(".board th button")]
    .find((b) => b.textContent.includes(title));
  const rows = () => [...section.querySelectorAll(".board tbody[data-group=ranked] tr[data-row]")]
    .map((row) => row.querySelector("th").dataset.sort.trim());
  const values = (column) => [...section.querySelectorAll(".board tbody[data-group=ranked] tr[data-row]")]
    .map((row) => Number(row.cells[column].dataset.sort));
  const visible = () => all(".contest:not([hidden]) .board tr[data-row]:not([hidden])").length;
  const found = { start: rows(), focusable: button("Calibration").tabIndex };
  button("Calibration").click();
  found.calibration = values(Number(button("Calibration").dataset.column));
  found.sorts = [...section.querySelectorAll(".board th[aria-sort]")].map((th) => th.getAttribute("aria-sort"));
  button("Calibration").click();
  found.calibrationReversed = values(Number(button("Calibration").dataset.column));
  button("Method").click();
  found.method = rows();
  button("Rank").click();
  found.rank = rows();
  found.all = visible();
  const search = document.querySelector("input[type=search]");
  search.value = "RECADAM";
  search.dispatchEvent(new Event("input"));
  found.searched = all(".board tr[data-row]:not([hidden]) th").map((th) => th.dataset.sort.trim());
  found.status = document.querySelector(".status").textContent;
  search.value = "";
  search.dispatchEvent(new Event("input"));
  const box = document.querySelector("input[data-group=apart]");
  box.checked = false;
  box.dispatchEvent(new Event("change"));
  found.withoutApart = visible();
  box.checked = true;
  const select = document.querySelector("select[data-switch=suite]");
  select.value = "demo@1";
  select.dispatchEvent(new Event("change"));
  found.sections = all(".contest:not([hidden])").map((part) => part.dataset.suite);
  found.glossaries = all(".glossary:not([hidden])").map((part) => part.dataset.suite);
  const theme = document.querySelector("[data-action=theme]");
  const paper = () => getComputedStyle(document.body).backgroundColor;
  found.themes = [theme.getAttribute("aria-pressed"), paper()];
  theme.click();
  found.themes.push(theme.getAttribute("aria-pressed"), paper());
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});
"""


def dump(page, profile, *flags):
    command = [BROWSER, *FLAGS, *flags, f"--user-data-dir={profile}", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.fixture
def site(full_results, tmp_path):
    leaderboard.build(full_results, tmp_path / "site")
    return tmp_path / "site"


def test_page_opens_without_a_word_on_the_console(site, tmp_path):
    dom, console = dump(site / "index.html", tmp_path / "profile")
    assert console == []
    assert 'data-scripted=""' in dom
    assert "10 of 10 rows" in dom


def test_console_is_really_listened_to(site, tmp_path):
    page = site / "index.html"
    page.write_text(page.read_text("utf-8").replace("</main>", "</main><script>1</script>"), encoding="utf-8")
    _, console = dump(page, tmp_path / "profile")
    assert console


def test_sorting_filtering_switching_and_theme(site, tmp_path):
    page = site / "index.html"
    text = re.sub(r"<meta http-equiv[^>]*>", "", page.read_text("utf-8"), count=1)
    page.write_text(text.replace("</body>", f"<script>{PROBE}</script></body>"), encoding="utf-8")
    dom, console = dump(page, tmp_path / "profile")
    assert console == []
    found = json.loads(re.search(r'<pre id="result">(.*?)</pre>', dom, re.DOTALL)[1])
    assert found["focusable"] == 0
    assert found["calibration"] == sorted(found["calibration"])
    assert found["sorts"].count("ascending") == 1
    assert found["sorts"].count("none") == len(found["sorts"]) - 1
    assert found["calibrationReversed"] == sorted(found["calibration"], reverse=True)
    assert found["method"] == sorted(found["start"])
    assert found["rank"] == found["start"]
    assert found["searched"] == ["recadam"]
    assert found["status"] == f"1 of {found['all']} rows"
    assert found["withoutApart"] == found["all"] - 1
    assert found["sections"] == found["glossaries"] == ["demo@1"]
    assert found["themes"][0] == "false"
    assert found["themes"][2] == "true"
    assert found["themes"][1] != found["themes"][3]
