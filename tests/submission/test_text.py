"""Hostile text: it is escaped where it is shown, and refused where a record could not hold it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.submission.publish import publish
from benchmark.submission.read import read_submission, shown_sentence
from benchmark.submission.verify import Verification
from leaderboard.load import load_board
from leaderboard.render import render_all
from tests.submission.forging import Forgery, assert_refused

HTML = "<img src=x onerror=alert(1)>"
SHOWN = [HTML, "</script><script>alert(2)</script>", r"\input{/etc/passwd}", '=HYPERLINK("x";"y")', "[a](javascript:b)"]
