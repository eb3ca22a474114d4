"""Vanilla fine-tuning: all hooks at their defaults."""

from dataclasses import dataclass
from typing import ClassVar

from benchmark.training import Method


@dataclass(kw_only=True, eq=False)
class Vanilla(Method):
    """Cross-entropy with AdamW: what all methods are compared with."""

    name: ClassVar[str] = "vanilla"
    paper: ClassVar[str] = "Devlin et al., NAACL 2019"
