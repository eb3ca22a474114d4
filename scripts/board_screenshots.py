"""Take screenshots of the leaderboard for the docs, wide and narrow, light and dark.

Run ``python -m scripts.board_screenshots``. It needs playwright and Chromium, and uses pngquant if installed.
"""

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from playwright.sync_api import BrowserContext, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
SIZES = {1400: 1500, 400: 1500}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
LARGEST = 300_000


def main() -> None:
    """Take the four pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, default=ROOT / "leaderboard" / "site" / "index.html")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    args = parser.parse_args()
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for width, height in SIZES.items():
            for scheme in SCHEMES:
                path = args.out / f"board-{width}-{scheme}.png"
                context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
                _take(context, args.page, path)
                print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


def _take(context: BrowserContext, page: Path, path: Path) -> None:
    view = context.new_page()
    view.goto(page.resolve().as_uri())
    view.screenshot(path=path)
    context.close()
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--strip", "--speed", "1", "--output", path, "128", path], check=True)
    if path.stat().st_size > LARGEST:
        raise SystemExit(f"{path} has more than {LARGEST} bytes; make the picture smaller.")


if __name__ == "__main__":
    main()
