"""Scoring needs no torch, and importing the attacks needs no attack library."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "textattack", "textblob", "nltk", "sklearn", "scipy", "pyarrow", "datasets", "netcal")


def loaded(modules, then=""):
    script = f"import {modules}\n{then}\nimport sys\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()


def test_importing_is_light():
    assert loaded("benchmark.attacks, benchmark.evaluation.metrics, benchmark.evaluation.parquet") == []


def test_measuring_needs_no_torch():
    then = "benchmark.evaluation.metrics.labelled_measurements([[0., 1.]], [1], metrics=['accuracy'], seed_text='')"
    assert loaded("benchmark.evaluation.metrics", then) == []
