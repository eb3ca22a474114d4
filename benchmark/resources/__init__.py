"""Pinned artifacts: a manifest, their verified fetch, and where they lie on this machine."""

from benchmark.resources.fetching import fetch
from benchmark.resources.locations import State, cache_root, locate, missing_sentence, offline, resource_folder, state
from benchmark.resources.manifest import Carrier, Kind, Resource, load_manifest, resource_fingerprint
from benchmark.resources.progress import Progress, Silent
from benchmark.resources.verifying import Verification, verify

__all__ = [
    "Carrier",
    "Kind",
    "Progress",
    "Resource",
    "Silent",
    "State",
    "Verification",
    "cache_root",
    "fetch",
    "load_manifest",
    "locate",
    "missing_sentence",
    "offline",
    "resource_fingerprint",
    "resource_folder",
    "state",
    "verify",
]
