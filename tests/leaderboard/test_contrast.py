"""Contrast after WCAG 2.2, computed from the style's own colours: 4.5 for text, 3 for controls and marks."""

import re
from pathlib import Path

import pytest

import leaderboard

STYLE = (Path(leaderboard.__file__).parent / "templates" / "board.css").read_text(encoding="utf-8")
THEMES = {"light": r"^:root \{(.*?)\}", "dark": r'^ *:root\[data-theme="dark"\] \{(.*?)\}'}
TEXT = ["ink", "soft", "accent", "better", "worse"]


def variables(theme):
    block = re.search(THEMES[theme], STYLE, re.DOTALL | re.MULTILINE)[1]
    return dict(re.findall(r"--([\w-]+): ([^;]+);", block))


def rgb(text):
    if text.startswith("#"):
        return [int(text[start : start + 2], 16) for start in (1, 3, 5)]
    return [int(part) for part in text.split()]


def luminance(colour):
    shares = [part / 255 for part in colour]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def over(tint, paper, share):
    return [share * a + (1 - share) * b for a, b in zip(tint, paper, strict=True)]


def test_black_on_white_is_21():
    assert contrast([0, 0, 0], [255, 255, 255]) == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", ["paper", "raised"])
@pytest.mark.parametrize("ink", TEXT)
def test_text_can_be_read(theme, paper, ink):
    colours = variables(theme)
    assert contrast(rgb(colours[ink]), rgb(colours[paper])) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_text_on_a_tip_can_be_read(theme):
    colours = variables(theme)
    assert contrast(rgb(colours["paper"]), rgb(colours["ink"])) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("paper", ["paper", "raised"])
def test_text_on_every_tint_can_be_read(theme, paper):
    colours = variables(theme)
    rule = r"^(\.change\.\w+|mark|del) \{ .*?background: rgb\(var\(--(\w+)-tint\) / ([\d.]+)\)"
    rules = re.findall(rule, STYLE, re.MULTILINE)
    assert len(rules) == 4
    for selector, side, share in rules:
        ink = side if selector.startswith(".") else "ink"
        background = over(rgb(colours[f"{side}-tint"]), rgb(colours[paper]), float(share))
        assert contrast(rgb(colours[ink]), background) >= 4.5, (selector, paper)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("mark", ["edge", "accent"])
def test_edges_of_controls_and_points_can_be_seen(theme, mark):
    colours = variables(theme)
    assert contrast(rgb(colours[mark]), rgb(colours["paper"])) >= 3


def test_both_ways_to_dark_are_one_palette():
    system = re.search(r':root:not\(\[data-theme="light"\]\) \{(.*?)\}', STYLE, re.DOTALL)[1]
    assert dict(re.findall(r"--([\w-]+): ([^;]+);", system)) == variables("dark")
