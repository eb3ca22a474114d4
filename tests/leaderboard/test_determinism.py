"""The leaderboard is a function of its records: not of time, hash seeds, listings, paths or earlier builds."""

import os
import subprocess
import sys
from pathlib import Path

import leaderboard

ROOT = Path(leaderboard.__file__).resolve().parents[1]
FILES = ("board.csv", "board.json", "board.md", "board.tex", "index.html")


def contents(site):
    return {name: (site / name).read_bytes() for name in FILES}


def run(code, *arguments, **environment):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, check=True, capture_output=True, text=True, timeout=60
    )


def test_hash_seed_locale_and_time_zone_do_not_matter(full_results, tmp_path):
    code = "import leaderboard, pathlib, sys; leaderboard.build(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))"
    run(code, full_results, tmp_path / "one", PYTHONHASHSEED="1", TZ="UTC", LC_ALL="C")
    run(code, full_results, tmp_path / "two", PYTHONHASHSEED="2", TZ="Asia/Tokyo", LC_ALL="de_DE.UTF-8")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_order_of_listings_does_not_matter(full_results, tmp_path, monkeypatch):
    leaderboard.build(full_results, tmp_path / "one")
    listing, walking = Path.iterdir, Path.rglob
    monkeypatch.setattr(Path, "iterdir", lambda self: sorted(listing(self), reverse=True))
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: sorted(walking(self, pattern), reverse=True))
    leaderboard.build(full_results, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_place_of_the_results_does_not_matter(full_results, tmp_path):
    leaderboard.build(full_results, tmp_path / "one")
    moved = full_results.rename(tmp_path / "elsewhere")
    leaderboard.build(moved, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert str(tmp_path) not in (tmp_path / "one" / "index.html").read_text(encoding="utf-8")


def test_board_loads_nothing_heavy(results, tmp_path):
    code = (
        "import leaderboard, pathlib, sys\n"
        "print(sorted({'jinja2', 'numpy', 'pandas', 'scipy'} & set(sys.modules)))\n"
        "leaderboard.build(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))\n"
        "heavy = set('torch transformers textattack sklearn datasets'.split())\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(sorted(name for name in sys.modules if name.startswith('benchmark.') and 'schema' not in name))\n"
    )
    assert run(code, results, tmp_path / "site").stdout.splitlines() == ["[]", "[]", "[]"]
