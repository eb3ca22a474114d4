"""Pinned artifacts: the manifest, the verified download, and the cache on this machine."""

from benchmark.resources.cache import (
    ResourceVerification,
    State,
    cache_root,
    expanded,
    locate,
    missing_sentence,
    offline,
    resource_folder,
    state,
    verify,
)
from benchmark.resources.checksum import Progress, Silent
from benchmark.resources.download import fetch
from benchmark.resources.manifest import Carrier, Kind, Resource, load_manifest, resource_fingerprint

__all__ = [
    "Carrier",
    "Kind",
    "Progress",
    "Resource",
    "ResourceVerification",
    "Silent",
    "State",
    "cache_root",
    "expanded",
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
