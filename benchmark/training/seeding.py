"""Randomness as a function of (seed, purpose, step), so that a resumed run has no generator state to restore."""

import hashlib
import random

import numpy as np
import torch


def derive_seed(*parts: object) -> int:
    """Derive a seed in 0..2^63-1 from printable parts; equal parts give equal seeds on every machine."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def seed_everything(*parts: object) -> None:
    """Seed Python's, numpy's and torch's global generators (torch's on every device)."""
    seed = derive_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
