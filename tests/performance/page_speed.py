"""Time a large leaderboard's page in a browser, relative to a small one's: `python -m tests.performance.page_speed`.

Both leaderboards are synthetic (see `board_speed`) and opened in turn in one Chromium. Needs playwright.
"""

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

import leaderboard
from tests.performance.board_speed import write_large

PAINTED = "new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)))"
# What a reader does -> how.
ACTS: dict[str, Callable[[Page], object]] = {
    "sort": lambda page: page.locator("th button[data-column]").nth(3).click(),
    "search": lambda page: page.locator(".search input").fill("method-0012"),
    "search for nothing again": lambda page: page.locator(".search input").fill(""),
    "per-seed points": lambda page: page.get_by_label("Per-seed points").click(),
    "dark": lambda page: page.locator("[data-action=theme]").click(),
}


def acted(browser: Browser, site: Path) -> dict[str, float]:
    """Seconds until the page is open, and until each act is painted."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(120_000)
    taken = {"open": timed(lambda: page.goto((site / "index.html").as_uri()))}
    for name, act in ACTS.items():
        taken[name] = timed(lambda act=act: (act(page), page.evaluate(PAINTED)))  # type: ignore[misc]
    page.close()
    return taken


def timed(work: Callable[[], object]) -> float:
    """Seconds of wall time: a browser is several processes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print for each act the median ratio of the two pages, and the large one's seconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs=2, default=[10_000, 100_000], metavar=("SMALL", "LARGE"))
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as started:
        sites = [Path(folder) / f"site-{records}" for records in asked.records]
        for records, site in zip(asked.records, sites, strict=True):
            write_large(Path(folder) / f"results-{records}", records)
            leaderboard.build(Path(folder) / f"results-{records}", site)
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        turns = [[acted(browser, site) for site in sites] for _ in range(asked.repeats)]
        for act in ("open", *ACTS):
            ratio = statistics.median(large[act] / small[act] for small, large in turns)
            seconds = statistics.median(large[act] for _, large in turns)
            print(f"{act}: {ratio:.1f} ({seconds:.2f} s)")


if __name__ == "__main__":
    main()
